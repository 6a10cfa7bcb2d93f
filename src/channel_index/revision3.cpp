#include "revision3.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/specs/match_spec.hpp"

namespace envtool {
namespace {

[[noreturn]] void refuse(std::string_view spec, const std::string& why) {
  throw Error("the dependency `" + escape_control(spec) + "` cannot be in an index", ErrorKind::invalid_input).because(why);
}

bool has_new_fields(const std::string& spec) {
  // Only in square brackets can a spec say these, and few specs have any.
  if (spec.find('[') == std::string::npos) return false;
  try {
    const MatchSpec parsed = MatchSpec::parse(spec);
    return !parsed.when.empty() || !parsed.extras.empty() || !parsed.flags.empty();
  } catch (const Error&) {
    return false;  // no client understands it, whatever the place
  }
}

bool any_new(const std::vector<std::string>& specs) { return std::any_of(specs.begin(), specs.end(), has_new_fields); }

/// The fields of a spec in square brackets.
class Fields {
 public:
  explicit Fields(std::string_view spec) : spec_(spec) {}
  void add(std::string_view key, std::string_view value) {
    begin(key);
    quote(value);
  }
  void add(std::string_view key, const std::vector<std::string>& values) {
    begin(key);
    text_ += '[';
    for (const std::string& value : values) {
      if (&value != &values.front()) text_ += ',';
      quote(value);
    }
    text_ += ']';
  }
  std::string str() const { return text_.empty() ? text_ : text_ + "]"; }

 private:
  void begin(std::string_view key) {
    text_ += text_.empty() ? '[' : ',';
    text_ += key;
    text_ += '=';
  }
  void quote(std::string_view value) {
    const char mark = value.find('"') == std::string_view::npos ? '"' : '\'';
    if (value.find(mark) != std::string_view::npos || value.find('\\') != std::string_view::npos)
      refuse(spec_, "it has quotation marks of both kinds, or backslashes");
    text_ += mark;
    text_ += value;
    text_ += mark;
  }
  std::string_view spec_;
  std::string text_;
};

}  // namespace

bool needs_revision3(const PackageRecord& record) {
  return !record.extra_depends.empty() || !record.flags.empty() || any_new(record.depends) || any_new(record.constrains);
}

std::string revision3_spec(std::string_view text) {
  const MatchSpec spec = MatchSpec::parse(text);
  if (spec.name_matcher || spec.name == "*") refuse(text, "its name is a pattern, which records for newer clients must not have (CEP 48)");
  if (!spec.channel.empty() || !spec.subdir.empty() || spec.md5 || spec.sha256 || !spec.url.empty() || !spec.fn.empty() ||
      spec.license || spec.license_family || spec.features || !spec.track_features.empty() || spec.size || spec.timestamp)
    refuse(text, "records for newer clients may name versions, builds, conditions, extras and flags only (CEP 48)");
  Fields fields(text);
  if (!spec.version.is_any()) fields.add("version", spec.version.str());
  if (!spec.build.is_any()) fields.add("build", spec.build.str());
  if (spec.build_number) {
    const Version* exact = spec.build_number->exact();
    fields.add("build_number", exact != nullptr ? exact->str() : spec.build_number->str());
  }
  if (!spec.extras.empty()) fields.add("extras", spec.extras);
  if (!spec.flags.empty()) fields.add("flags", spec.flags);
  if (!spec.when.empty()) fields.add("when", spec.when);
  std::string result = spec.name + fields.str();
  if (!(MatchSpec::parse(result) == spec)) refuse(text, "it cannot be written as `" + escape_control(result) + "`");
  return result;
}

void write_revision3_specs(Json& record) {
  const auto rewrite = [](Json& list) {
    for (Json& spec : list) spec = revision3_spec(spec.get<std::string>());
  };
  for (const char* key : {"depends", "constrains"})
    if (const auto found = record.find(key); found != record.end() && found->is_array()) rewrite(*found);
  if (const auto groups = record.find("extra_depends"); groups != record.end() && groups->is_object())
    for (auto& [group, specs] : groups->items()) rewrite(specs);
}

}  // namespace envtool
