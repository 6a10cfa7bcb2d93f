#include <algorithm>
#include <array>

#include "archive_name.hpp"
#include "brackets.hpp"
#include "characters.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/specs/package_name.hpp"
#include "match_spec_parser.hpp"
#include "when_expression.hpp"

namespace envtool {

namespace {

constexpr std::size_t longest_location = 2048;
constexpr std::size_t longest_text = 2048;
constexpr std::size_t longest_condition = 4096;
constexpr std::size_t longest_word = 128;

void check_length(std::string_view what, std::string_view text, std::size_t longest) {
  if (text.size() > longest) {
    throw SpecProblem(std::string(what) + " is longer than " + std::to_string(longest) + " characters");
  }
}

}  // namespace

void set_location(MatchSpec& spec, std::string_view text) {
  check_length("the URL or path", text, 2 * longest_location);  // with credentials
  check_length("the URL or path", printable_location(text), longest_location);
  spec.url = std::string(text);
}

void set_channel(MatchSpec& spec, std::string_view text) {
  check_length("the channel", text, 2 * longest_location);  // with credentials
  check_length("the channel", printable_location(text), longest_location);
  const bool is_url = Url::looks_like_url(text);
  const std::string normal = is_url ? Url::parse(text).without_fragment().with_credentials().reveal() : std::string(text);
  std::string_view channel = normal;
  const std::string_view subdir = take_subdir(channel);
  channel = strip(channel);
  if (!subdir.empty()) {
    spec.subdir = std::string(subdir);
  }
  if (is_url) {
    Url::parse(channel);  // a template such as `https://` plus a subdir has no host
  } else if (!looks_like_path(channel) && !(channel.starts_with('^') && channel.ends_with('$'))) {
    for (char c : channel) {
      if (!is_letter(c) && !is_digit(c) && std::string_view("-_./*+!%~@").find(c) == std::string_view::npos) {
        throw SpecProblem("the channel " + quoted(channel) + " contains " + quoted(std::string_view(&c, 1)));
      }
    }
  }
  if (std::any_of(channel.begin(), channel.end(),
                  [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; })) {
    throw SpecProblem("the channel " + quoted(channel) + " contains a control character");
  }
  spec.channel = channel == "*" ? std::string() : std::string(channel);
}

void set_build(MatchSpec& spec, std::string_view text) {
  const std::string_view build = strip(text);
  check_length("the build string", build, longest_text);
  if (build.empty()) {
    throw SpecProblem("the build string is missing after `=`");
  }
  if (!(build.starts_with('^') && build.ends_with('$'))) {
    for (char c : build) {
      if (!is_letter(c) && !is_digit(c) && std::string_view("._+*-").find(c) == std::string_view::npos) {
        throw SpecProblem(quoted(build) + " is not a build string: it contains " + quoted(std::string_view(&c, 1)),
                          is_space(c) ? "a spec has at most three parts: name, version and build" : "");
      }
    }
  } else if (std::any_of(build.begin(), build.end(), is_space)) {
    throw SpecProblem("the build string " + quoted(build) + " contains a space");
  }
  spec.build = build == "*" ? StringMatcher() : StringMatcher::parse(build);
}

namespace {

void set_subdir(MatchSpec& spec, std::string_view text) {
  const std::string subdir = is_pattern(text) && text.front() == '^' ? std::string(text) : to_lower(text);
  if (!is_pattern(subdir) && !is_valid_subdir(subdir)) {
    throw SpecProblem(quoted(text) + " is not a subdir", "subdirs are named like `linux-64` or `noarch`");
  }
  StringMatcher::parse(subdir);  // throws for a bad regular expression
  spec.subdir = subdir == "*" ? std::string() : subdir;
}

std::vector<std::string> names_of(const BracketField& field) {
  std::vector<std::string> names;
  for (const std::string& element : field.is_list ? field.list : std::vector<std::string>{field.value}) {
    check_length("a name of " + quoted(field.key), element, longest_text);
    names.emplace_back(strip(element));
  }
  return names;
}

void sort_unique(std::vector<std::string>& names) {
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
}

/// CEP 44: `[a-z0-9_.+-]{1,64}`.
bool is_group_name(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return is_lower(c) || is_digit(c) || c == '_' || c == '.' || c == '+' || c == '-';
  });
}

/// CEP 45: `[a-z0-9_*]+(:[a-z0-9_*]+)?`.
bool is_flag_pattern(std::string_view flag) {
  if (flag.size() > longest_word) {
    return false;
  }
  const std::size_t colon = flag.find(':');
  const auto is_part = [](std::string_view part) {
    return !part.empty() && std::all_of(part.begin(), part.end(), [](char c) {
      return is_lower(c) || is_digit(c) || c == '_' || c == '*';
    });
  };
  return is_part(flag.substr(0, colon)) && (colon == std::string_view::npos || is_part(flag.substr(colon + 1)));
}

constexpr std::array<std::string_view, 19> field_names = {
    "name",     "version",        "build",    "build_number",   "channel",  "subdir", "md5",
    "sha256",   "url",            "fn",       "license",        "license_family", "features",
    "track_features", "size",     "timestamp", "extras",        "flags",    "when"};

[[noreturn]] void fail_unknown_key(std::string_view key) {
  const std::string why = quoted(key) + " is not a field that a spec can ask for";
  if (key == "optional" || key == "target") {
    throw SpecProblem(why, "it was internal to old versions of conda; leave it out");
  }
  const std::vector<std::string> known(field_names.begin(), field_names.end());
  const std::vector<std::string> near = closest_matches(key, known);
  if (!near.empty()) {
    throw SpecProblem(why, "did you mean `" + join(near, "` or `") + "`?");
  }
  throw SpecProblem(why, "the fields are " + join(known, ", "));
}

void apply(MatchSpec& spec, const BracketField& field, WhenAllowed when_allowed) {
  const std::string_view key = field.key;
  if (std::find(field_names.begin(), field_names.end(), key) == field_names.end()) {
    fail_unknown_key(key);
  }
  if (field.is_list && key != "extras" && key != "flags" && key != "track_features") {
    throw SpecProblem(quoted(key) + " takes a single value, not a list");
  }
  const std::string_view value = strip(field.value);
  check_length("the value of " + quoted(key), value, key == "version" ? 256 * 1024 : key == "when" ? longest_condition : 2 * longest_text);
  if (key == "name") {
    return;  // CEP 29: the name stands before the brackets, a second one is ignored
  }
  if (key == "version") {
    spec.version = VersionSpec::parse(value);
  } else if (key == "build") {
    set_build(spec, value);
  } else if (key == "build_number" || key == "size" || key == "timestamp") {
    const VersionSpec number = VersionSpec::parse(value);
    std::optional<VersionSpec>& target = key == "size"        ? spec.size
                                         : key == "timestamp" ? spec.timestamp
                                                              : spec.build_number;
    target = number.is_any() ? std::nullopt : std::optional<VersionSpec>(number);
  } else if (key == "channel") {
    set_channel(spec, value);
  } else if (key == "subdir") {
    set_subdir(spec, value);
  } else if (key == "md5") {
    spec.md5 = Md5::parse(value);
    if (!spec.md5) {
      throw SpecProblem(quoted(value) + " is not an MD5 sum", "an MD5 sum has 32 hexadecimal digits");
    }
  } else if (key == "sha256") {
    spec.sha256 = Sha256::parse(value);
    if (!spec.sha256) {
      throw SpecProblem(quoted(value) + " is not a SHA-256 sum", "a SHA-256 sum has 64 hexadecimal digits");
    }
  } else if (key == "url") {
    set_location(spec, value);
  } else if (key == "fn") {
    check_length("the file name", value, longest_text);
    spec.fn = std::string(value);
  } else if (key == "license") {
    spec.license = StringMatcher::parse(value);
  } else if (key == "license_family") {
    spec.license_family = StringMatcher::parse(value);
  } else if (key == "features") {
    spec.features = StringMatcher::parse(value);
  } else if (key == "track_features") {
    spec.track_features.clear();
    for (const std::string& element : names_of(field)) {
      for (std::string_view part : split(element, ',')) {
        for (std::string_view word : split_whitespace(part)) {
          check_length("a feature", word, longest_word);
          spec.track_features.emplace_back(word);
        }
      }
    }
    sort_unique(spec.track_features);
  } else if (key == "extras") {
    spec.extras = names_of(field);
    for (const std::string& group : spec.extras) {
      if (!is_group_name(group)) {
        throw SpecProblem(quoted(group) + " is not the name of an optional group",
                          "such names consist of `a-z`, `0-9`, `_`, `.`, `+` and `-`; lists are written `[a,b]`");
      }
    }
    sort_unique(spec.extras);
  } else if (key == "flags") {
    spec.flags = names_of(field);
    for (const std::string& flag : spec.flags) {
      if (!is_flag_pattern(flag)) {
        throw SpecProblem(quoted(flag) + " is not a flag",
                          "flags are written like `cuda` or `blas:mkl`, with `*` for any text; lists like `[a,b]`");
      }
    }
    sort_unique(spec.flags);
  } else if (key == "when") {
    if (when_allowed == WhenAllowed::no) {
      throw SpecProblem("a condition cannot have a condition of its own");
    }
    spec.when = checked_when(value);
  }
}

}  // namespace

void apply_fields(MatchSpec& spec, const std::vector<BracketField>& fields, WhenAllowed when_allowed) {
  for (std::size_t i = 0; i < fields.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      if (fields[i].key == fields[j].key) {
        throw SpecProblem(quoted(fields[i].key) + " is given more than once");
      }
    }
  }
  // A subdir of its own wins over one at the end of the channel, whatever their order.
  for (const BracketField& field : fields) {
    if (field.key != "subdir") {
      apply(spec, field, when_allowed);
    }
  }
  for (const BracketField& field : fields) {
    if (field.key == "subdir") {
      apply(spec, field, when_allowed);
    }
  }
}

}  // namespace envtool
