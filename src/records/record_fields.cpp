#include "record_fields.hpp"

#include "envtool/base/text.hpp"
#include "envtool/specs/package_name.hpp"

namespace envtool::detail {

namespace {
constexpr int max_depth = 64;

// Seconds look like 1.5e9, milliseconds like 1.5e12: the limit is the year 9999 in seconds.
constexpr std::uint64_t largest_timestamp_in_seconds = 253'402'300'799;
}  // namespace

Json parse_document(std::string_view text, const std::string& origin) {
  // Depth is checked by the parser's own callback: nlohmann recurses on destruction otherwise.
  bool too_deep = false;
  auto watch_depth = [&](int depth, Json::parse_event_t, Json&) {
    if (depth > max_depth) too_deep = true;
    return depth <= max_depth;
  };
  try {
    Json document = Json::parse(text, watch_depth);
    if (too_deep)
      throw Error("cannot read a JSON document", ErrorKind::invalid_input)
          .at(origin)
          .because("it is nested more than " + std::to_string(max_depth) + " levels deep");
    return document;
  } catch (const Json::exception& error) {
    throw Error("cannot read a JSON document", ErrorKind::invalid_input)
        .at(origin)
        .because(escape_control(error.what()));
  }
}

FieldReader::FieldReader(const Json& object, const std::string& origin) : object_(object), origin_(origin) {
  if (!object.is_object())
    throw Error("cannot read a package record", ErrorKind::invalid_input)
        .at(origin)
        .because(std::string("expected a JSON object, found ") + object.type_name());
}

const Json* FieldReader::find(const char* key) const {
  auto found = object_.find(key);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

bool FieldReader::has(const char* key) const { return find(key) != nullptr; }

void FieldReader::fail(const char* key, const std::string& why) const {
  throw Error(std::string("the field `") + key + "` of a package record is wrong", ErrorKind::invalid_input)
      .at(origin_)
      .because(why);
}

std::string FieldReader::string(const char* key) const {
  const Json* value = find(key);
  if (value == nullptr) return {};
  if (!value->is_string()) fail(key, std::string("expected a string, found ") + value->type_name());
  return value->get<std::string>();
}

std::string FieldReader::required_string(const char* key) const {
  if (!has(key)) fail(key, "it is missing");
  return string(key);
}

std::uint64_t FieldReader::unsigned_number(const char* key) const {
  const Json* value = find(key);
  if (value == nullptr) return 0;
  if (value->is_number_unsigned()) return value->get<std::uint64_t>();
  if (value->is_number_float()) {
    // Old channels have timestamps such as 1500000000.5.
    const double number = value->get<double>();
    if (number >= 0 && number < 1e18) return static_cast<std::uint64_t>(number);
  }
  fail(key, "expected a whole number that is not negative, found " + value->dump());
}

std::vector<std::string> FieldReader::string_list(const char* key) const {
  std::vector<std::string> result;
  const Json* value = find(key);
  if (value == nullptr) return result;
  if (!value->is_array()) fail(key, std::string("expected a list, found ") + value->type_name());
  result.reserve(value->size());
  for (const Json& item : *value) {
    if (!item.is_string()) fail(key, std::string("expected a list of strings, found ") + item.type_name() + " in it");
    result.push_back(item.get<std::string>());
  }
  return result;
}

namespace {
std::vector<std::string> read_track_features(const FieldReader& fields) {
  const Json* value = fields.find("track_features");
  if (value == nullptr) return {};
  if (value->is_array()) return fields.string_list("track_features");
  std::vector<std::string> result;
  std::string text = fields.string("track_features");
  for (char& c : text)
    if (c == ',') c = ' ';
  for (std::string_view piece : split_whitespace(text)) result.emplace_back(piece);
  return result;
}

NoarchType read_noarch(const FieldReader& fields) {
  const Json* value = fields.find("noarch");
  if (value == nullptr) return NoarchType::none;
  if (value->is_boolean()) return value->get<bool>() ? NoarchType::generic : NoarchType::none;
  const std::string text = fields.string("noarch");
  if (text == "python") return NoarchType::python;
  if (text == "generic") return NoarchType::generic;
  fields.fail("noarch", "expected `python` or `generic`, found `" + escape_control(text) + "`");
}

template <typename DigestType>
std::optional<DigestType> read_digest(const FieldReader& fields, const char* key) {
  const std::string text = fields.string(key);
  if (text.empty()) return std::nullopt;
  auto digest = DigestType::parse(text);
  if (!digest) fields.fail(key, "`" + escape_control(text) + "` is not a hexadecimal digest of that kind");
  return digest;
}
}  // namespace

void read_package_record(const FieldReader& fields, PackageRecord& record) {
  record.name = fields.required_string("name");
  if (!is_valid_package_name(record.name))
    fields.fail("name", "`" + escape_control(record.name) + "` is not a valid package name (CEP 26)");
  record.version = fields.required_string("version");
  if (!is_valid_version_string(record.version))
    fields.fail("version", "`" + escape_control(record.version) + "` is not a valid version (CEP 26)");
  // Some records (conda's own pip entries) have no build string at all: those are not packages.
  record.build = fields.has("build") ? fields.required_string("build") : fields.string("build_string");
  if (!is_valid_build_string(record.build))
    fields.fail("build", "`" + escape_control(record.build) + "` is not a valid build string (CEP 26)");
  record.build_number = fields.unsigned_number("build_number");
  record.depends = fields.string_list("depends");
  record.constrains = fields.string_list("constrains");
  record.track_features = read_track_features(fields);
  record.features = fields.has("features") && fields.find("features")->is_string() ? fields.string("features") : "";
  record.flags = fields.string_list("flags");
  if (const Json* extras = fields.find("extra_depends"); extras != nullptr && extras->is_object())
    for (const auto& [group, specs] : extras->items()) {
      if (!specs.is_array()) fields.fail("extra_depends", "expected a list of specs for each group");
      auto& entry = record.extra_depends.emplace_back(group, std::vector<std::string>{});
      for (const Json& spec : specs) {
        if (!spec.is_string()) fields.fail("extra_depends", "expected strings");
        entry.second.push_back(spec.get<std::string>());
      }
    }
  record.subdir = fields.string("subdir");
  if (!record.subdir.empty() && !is_valid_subdir(record.subdir))
    fields.fail("subdir", "`" + escape_control(record.subdir) + "` is not a valid subdir (CEP 26)");
  record.noarch = read_noarch(fields);
  record.license = fields.has("license") && fields.find("license")->is_string() ? fields.string("license") : "";
  record.license_family =
      fields.has("license_family") && fields.find("license_family")->is_string() ? fields.string("license_family") : "";
  record.timestamp = fields.unsigned_number("timestamp");
  if (record.timestamp != 0 && record.timestamp <= largest_timestamp_in_seconds) record.timestamp *= 1000;
  record.indexed_timestamp = fields.unsigned_number("indexed_timestamp");
  record.size = fields.unsigned_number("size");
  record.sha256 = read_digest<Sha256>(fields, "sha256");
  record.md5 = read_digest<Md5>(fields, "md5");
  record.python_site_packages_path = fields.string("python_site_packages_path");
  if (!record.python_site_packages_path.empty() && !is_safe_relative_path(record.python_site_packages_path))
    fields.fail("python_site_packages_path", "the path leaves the environment");
  record.arch = fields.string("arch");
  record.platform = fields.string("platform");
}

void read_repodata_record(const FieldReader& fields, RepoDataRecord& record) {
  read_package_record(fields, record);
  record.fn = fields.string("fn");
  if (record.fn.find('/') != std::string::npos) fields.fail("fn", "a file name has no `/`");
  record.url = fields.string("url");
  record.channel = fields.string("channel");
}

void write_repodata_record(const RepoDataRecord& record, OrderedJson& object) {
  auto put_text = [&](const char* key, const std::string& value) {
    if (!value.empty()) object[key] = value;
  };
  if (record.arch.empty()) object["arch"] = nullptr; else object["arch"] = record.arch;
  object["build"] = record.build;
  object["build_number"] = record.build_number;
  object["channel"] = record.channel;
  object["constrains"] = record.constrains;
  object["depends"] = record.depends;
  if (!record.extra_depends.empty())
    for (const auto& [group, specs] : record.extra_depends) object["extra_depends"][group] = specs;
  put_text("features", record.features);
  if (!record.flags.empty()) object["flags"] = record.flags;
  object["fn"] = record.fn;
  if (record.indexed_timestamp != 0) object["indexed_timestamp"] = record.indexed_timestamp;
  put_text("license", record.license);
  put_text("license_family", record.license_family);
  if (record.md5) object["md5"] = record.md5->hex();
  object["name"] = record.name;
  if (record.noarch != NoarchType::none)
    object["noarch"] = record.noarch == NoarchType::python ? "python" : "generic";
  if (record.platform.empty()) object["platform"] = nullptr; else object["platform"] = record.platform;
  put_text("python_site_packages_path", record.python_site_packages_path);
  if (record.sha256) object["sha256"] = record.sha256->hex();
  if (record.size != 0) object["size"] = record.size;
  object["subdir"] = record.subdir;
  if (record.timestamp != 0) object["timestamp"] = record.timestamp;
  // One string, as conda and every reader of conda-meta expects it.
  if (!record.track_features.empty()) object["track_features"] = join(record.track_features, " ");
  object["url"] = record.url;
  object["version"] = record.version;
}

}  // namespace envtool::detail
