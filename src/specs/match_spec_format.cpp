#include "archive_name.hpp"
#include "characters.hpp"
#include "envtool/base/url.hpp"
#include "envtool/specs/match_spec.hpp"
#include "match_spec_parser.hpp"

namespace envtool {

namespace {

/// The square brackets of a spec, written when the first field comes.
class Brackets {
 public:
  void add(std::string_view key, std::string_view value) {
    begin(key);
    quote(value);
  }
  void add(std::string_view key, const std::vector<std::string>& values) {
    begin(key);
    text_ += '[';
    for (const std::string& value : values) {
      if (&value != &values.front()) {
        text_ += ',';
      }
      quote(value);
    }
    text_ += ']';
  }
  std::string str() const { return text_.empty() ? std::string() : text_ + "]"; }

 private:
  void begin(std::string_view key) {
    text_ += text_.empty() ? '[' : ',';
    text_ += key;
    text_ += '=';
  }
  void quote(std::string_view value) {
    text_ += '\'';
    for (std::size_t i = 0; i < value.size(); ++i) {
      const char c = value[i];
      // A backslash means itself unless an escapable character or the closing quote follows.
      const bool is_ambiguous = c == '\\' && (i + 1 == value.size() || value[i + 1] == '\\' ||
                                              value[i + 1] == '\'' || value[i + 1] == '"');
      if (c == '\'' || is_ambiguous) {
        text_ += '\\';
      }
      text_ += c;
    }
    text_ += '\'';
  }

  std::string text_;
};

/// CEP 29 appendix A, rules 4 and 5: what can stand before `::` so that it is read back.
bool is_positional_channel(std::string_view channel) {
  if (channel.empty() || is_pattern(channel)) {
    return false;
  }
  return channel.find_first_of("[]#^'\"") == std::string_view::npos && !has_archive_extension(channel) &&
         channel.find("::") == std::string_view::npos;
}

/// A lone number is written without its `==`.
std::string number_text(const VersionSpec& spec) {
  const Version* exact = spec.exact();
  return exact != nullptr ? exact->str() : spec.str();
}

void add_fields(const MatchSpec& spec, Brackets& brackets) {
  if (spec.build_number) {
    brackets.add("build_number", number_text(*spec.build_number));
  }
  if (!spec.track_features.empty()) {
    brackets.add("track_features", spec.track_features);
  }
  if (spec.features) {
    brackets.add("features", spec.features->str());
  }
  if (!spec.url.empty()) {
    brackets.add("url", printable_location(spec.url));
  }
  if (spec.md5) {
    brackets.add("md5", spec.md5->hex());
  }
  if (spec.sha256) {
    brackets.add("sha256", spec.sha256->hex());
  }
  if (spec.license) {
    brackets.add("license", spec.license->str());
  }
  if (spec.license_family) {
    brackets.add("license_family", spec.license_family->str());
  }
  if (!spec.fn.empty()) {
    brackets.add("fn", spec.fn);
  }
  if (spec.size) {
    brackets.add("size", number_text(*spec.size));
  }
  if (spec.timestamp) {
    brackets.add("timestamp", number_text(*spec.timestamp));
  }
  if (!spec.extras.empty()) {
    brackets.add("extras", spec.extras);
  }
  if (!spec.flags.empty()) {
    brackets.add("flags", spec.flags);
  }
  if (!spec.when.empty()) {
    brackets.add("when", spec.when);
  }
}

/// Writes `channel/subdir::` and puts what cannot stand there into the brackets.
std::string channel_prefix(const MatchSpec& spec, Brackets& brackets) {
  std::string prefix;
  const std::string channel = printable_location(spec.channel);
  const bool is_positional = is_positional_channel(channel);
  const bool has_subdir_suffix = is_positional && is_known_subdir(spec.subdir);
  if (is_positional) {
    prefix = channel + (has_subdir_suffix ? "/" + spec.subdir : std::string()) + "::";
  } else if (!channel.empty()) {
    brackets.add("channel", channel);
  }
  if (!spec.subdir.empty() && !has_subdir_suffix) {
    brackets.add("subdir", spec.subdir);
  }
  return prefix;
}

/// `version build`; a regular expression over the build goes into the brackets, because it may itself
/// look like the end of the positional part.
std::string positional_constraint(const MatchSpec& spec, Brackets& brackets) {
  const bool has_build = !spec.build.is_any() && !spec.build.is_regex();
  if (spec.build.is_regex()) {
    brackets.add("build", spec.build.str());
  }
  if (spec.version.is_any() && !has_build) {
    return {};
  }
  return spec.version.str() + (has_build ? " " + spec.build.str() : std::string());
}

}  // namespace

std::string MatchSpec::str() const {
  Brackets brackets;
  std::string out = channel_prefix(*this, brackets) + name;
  bool is_version_exact = false;
  if (const Version* exact = version.exact()) {
    out += "==" + exact->str();
    is_version_exact = true;
  } else if (const Version* prefix = version.prefix()) {
    out += "=" + prefix->str();
  } else if (!version.is_any()) {
    brackets.add("version", version.str());
  }
  if (!build.is_any()) {
    if (is_version_exact && !build.is_glob() && !build.is_regex()) {
      out += "=" + build.str();
    } else {
      brackets.add("build", build.str());
    }
  }
  add_fields(*this, brackets);
  return out + brackets.str();
}

std::string MatchSpec::constraint_str() const {
  Brackets brackets;
  if (!subdir.empty() && (channel.empty() || !is_known_subdir(subdir))) {
    brackets.add("subdir", subdir);
  }
  const std::string positional = positional_constraint(*this, brackets);
  add_fields(*this, brackets);
  const std::string fields = brackets.str();
  return positional.empty() || fields.empty() ? positional + fields : positional + " " + fields;
}

std::string MatchSpec::dependency_str() const {
  Brackets brackets;
  std::string out = channel_prefix(*this, brackets) + name;
  const std::string positional = positional_constraint(*this, brackets);
  add_fields(*this, brackets);
  const std::string fields = brackets.str();
  if (!positional.empty()) {
    out += " " + positional;
  }
  return positional.empty() || fields.empty() ? out + fields : out + " " + fields;
}

}  // namespace envtool
