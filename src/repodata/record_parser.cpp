#include "record_parser.hpp"

#include <simdjson.h>

#include <nlohmann/json.hpp>

#include "envtool/specs/package_name.hpp"
#include "record_fields.hpp"

namespace envtool {

namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// simdjson's values as `FieldReader` wants them.
class JsonValue {
 public:
  explicit JsonValue(element value) : value_(value) {}
  bool is_null() const { return value_.is_null(); }
  bool is_text() const { return value_.is_string(); }
  std::optional<std::string_view> text() const { return get<std::string_view>(); }
  std::optional<std::string_view> bytes() const { return {}; }
  std::optional<std::uint64_t> unsigned_number() const { return get<std::uint64_t>(); }
  std::optional<std::int64_t> signed_number() const { return get<std::int64_t>(); }
  std::optional<double> real_number() const {
    if (value_.type() != element_type::DOUBLE) return {};
    return get<double>();
  }
  std::optional<bool> boolean() const { return get<bool>(); }
  template <typename Use>
  bool each_element(Use&& use) const {
    simdjson::dom::array array;
    if (value_.get_array().get(array) != simdjson::SUCCESS) return false;
    for (const element item : array) use(JsonValue(item));
    return true;
  }
  template <typename Use>
  bool each_member(Use&& use) const {
    simdjson::dom::object object;
    if (value_.get_object().get(object) != simdjson::SUCCESS) return false;
    for (const auto field : object) use(field.key, JsonValue(field.value));
    return true;
  }

 private:
  template <typename Type>
  std::optional<Type> get() const {
    Type value{};
    if (value_.get<Type>().get(value) != simdjson::SUCCESS) return {};
    return value;
  }
  element value_;
};

using JsonFields = FieldReader<JsonValue>;

// JSON, but with a number that no type here holds.
struct NumberTooLarge {};

bool is_json_but_for_numbers(std::string_view json) {
  try {
    return !nlohmann::json::parse(json).is_discarded();
  } catch (const nlohmann::json::out_of_range&) {
    return true;  // 1e999
  } catch (const nlohmann::json::exception&) {
    return false;
  }
}

}  // namespace

void RawRecord::clear() {
  name = version = build = subdir = license = license_family = features = {};
  python_site_packages_path = arch = platform = {};
  build_number = timestamp = indexed_timestamp = size = 0;
  noarch = NoarchType::none;
  depends.clear();
  constrains.clear();
  track_features.clear();
  flags.clear();
  extra_depends.clear();
  sha256.reset();
  md5.reset();
}

struct RecordParser::Implementation {
  simdjson::dom::parser parser;

  element parse(std::string_view json) {
    element document;
    // The scanner's buffer has the padding, so the text need not be copied.
    if (const auto error = parser.parse(json.data(), json.size(), false).get(document)) {
      if (error == simdjson::MEMALLOC) throw std::bad_alloc();
      if (error == simdjson::NUMBER_ERROR && is_json_but_for_numbers(json)) throw NumberTooLarge{};
      throw MalformedJson{simdjson::error_message(error)};
    }
    return document;
  }
};

RecordParser::RecordParser() : implementation_(std::make_unique<Implementation>()) {}
RecordParser::~RecordParser() = default;

std::string RecordParser::parse(std::string_view json, RawRecord& record) {
  record.clear();
  try {
    const JsonValue document(implementation_->parse(json));
    if (!document.each_member([&](std::string_view key, JsonValue value) { JsonFields::read(key, value, record); })) {
      return "it is not an object";
    }
  } catch (const FieldProblem& problem) {
    return "`" + std::string(problem.key) + "` " + std::string(problem.what);
  } catch (const NumberTooLarge&) {
    return "it has a number that is too large";
  }
  return problem_of(record);
}

std::string problem_of(const RawRecord& record) {
  if (record.name.empty()) return "it has no `name`";
  if (record.version.empty()) return "it has no `version`";
  if (!is_valid_version_string(record.version)) return "its version is not valid (CEP 26)";
  if (!is_valid_build_string(record.build)) return "its build string is not valid (CEP 26)";
  return {};
}

RepoDataInfo RecordParser::parse_info(std::string_view json) {
  try {
    return JsonFields::read_info(JsonValue(implementation_->parse(json)));
  } catch (const NumberTooLarge&) {
    throw MalformedJson{"`info` has a number that is too large"};
  }
}

std::int64_t RecordParser::parse_version(std::string_view json) {
  const MalformedJson wrong{"`repodata_version` is not a number"};
  try {
    const JsonValue value(implementation_->parse(json));
    if (value.is_null()) return 1;
    const auto version = value.signed_number();
    if (!version) throw wrong;
    return *version;
  } catch (const NumberTooLarge&) {
    throw wrong;
  }
}

}  // namespace envtool
