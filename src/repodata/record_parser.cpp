#include "record_parser.hpp"

#include <simdjson.h>

#include <array>

#include "envtool/base/text.hpp"
#include "envtool/specs/package_name.hpp"

namespace envtool {

namespace {

using simdjson::dom::element;
using simdjson::dom::element_type;

// Seconds and milliseconds are told apart as conda does: by the year 9999 in seconds.
constexpr std::uint64_t last_second = 253402300799U;

struct FieldProblem {
  std::string_view key;
  std::string_view what;
};

std::string_view text_or_nothing(element value) {
  std::string_view text;
  return value.get_string().get(text) == simdjson::SUCCESS ? text : std::string_view();
}

std::string_view required_text(std::string_view key, element value) {
  std::string_view text;
  if (value.get_string().get(text) != simdjson::SUCCESS) throw FieldProblem{key, "is not a string"};
  return text;
}

// A count that may be written as a float or be absent (null).
std::optional<std::uint64_t> number(element value) {
  std::uint64_t whole = 0;
  if (value.get_uint64().get(whole) == simdjson::SUCCESS) return whole;
  double real = 0;
  if (value.type() == element_type::DOUBLE && value.get_double().get(real) == simdjson::SUCCESS && real >= 0 && real < 9e15) {
    return static_cast<std::uint64_t>(real);
  }
  return {};
}

std::uint64_t milliseconds(element value) {
  const std::uint64_t time = number(value).value_or(0);
  if (time > last_second * 1000) return 0;
  return time <= last_second ? time * 1000 : time;
}

void string_list(std::string_view key, element value, std::vector<std::string_view>& list) {
  list.clear();
  if (value.is_null()) return;
  simdjson::dom::array array;
  if (value.get_array().get(array) != simdjson::SUCCESS) throw FieldProblem{key, "is not a list"};
  for (const element item : array) list.push_back(required_text(key, item));
}

// A list of names, or one text with the names separated by commas or spaces.
void name_list(std::string_view key, element value, std::vector<std::string_view>& list) {
  if (!value.is_string()) return string_list(key, value, list);
  list.clear();
  for (const auto words : split_whitespace(text_or_nothing(value))) {
    for (const auto name : split(words, ',')) {
      if (!name.empty()) list.push_back(name);
    }
  }
}

constexpr std::array<std::uint8_t, 256> make_hex_values() {
  std::array<std::uint8_t, 256> values{};
  for (auto& value : values) value = 0xff;
  for (std::uint8_t i = 0; i < 10; ++i) values['0' + i] = i;
  for (std::uint8_t i = 0; i < 6; ++i) values['a' + i] = values['A' + i] = static_cast<std::uint8_t>(10 + i);
  return values;
}
constexpr std::array<std::uint8_t, 256> hex_values = make_hex_values();

// A million records have two million digests: `Digest::parse` by table, without branches inside.
template <typename DigestType>
std::optional<DigestType> digest(std::string_view key, element value) {
  if (value.is_null()) return {};
  const std::string_view text = required_text(key, value);
  if (text.empty()) return {};
  DigestType parsed;
  if (text.size() != 2 * parsed.bytes.size()) throw FieldProblem{key, "is not a digest"};
  unsigned wrong = 0;
  for (std::size_t i = 0; i < parsed.bytes.size(); ++i) {
    const unsigned high = hex_values[static_cast<unsigned char>(text[2 * i])];
    const unsigned low = hex_values[static_cast<unsigned char>(text[2 * i + 1])];
    wrong |= high | low;
    parsed.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  if (wrong > 15) throw FieldProblem{key, "is not a digest"};
  return parsed;
}

NoarchType noarch_type(element value) {
  const std::string_view text = text_or_nothing(value);
  if (text == "python") return NoarchType::python;
  if (text == "generic") return NoarchType::generic;
  bool flag = false;
  return value.get_bool().get(flag) == simdjson::SUCCESS && flag ? NoarchType::generic : NoarchType::none;
}

void read_extra_depends(element value, RawRecord& record) {
  record.extra_depends.clear();
  if (value.is_null()) return;
  simdjson::dom::object groups;
  if (value.get_object().get(groups) != simdjson::SUCCESS) throw FieldProblem{"extra_depends", "is not an object"};
  for (const auto group : groups) {
    std::vector<std::string_view> specs;
    string_list("extra_depends", group.value, specs);
    record.extra_depends.emplace_back(group.key, std::move(specs));
  }
}

// Keys come in any order; one that comes twice counts the last time.
void read_field(std::string_view key, element value, RawRecord& record) {
  switch (key.empty() ? '\0' : key.front()) {
    case 'a':
      if (key == "arch") record.arch = text_or_nothing(value);
      break;
    case 'b':
      if (key == "build") {
        record.build = required_text(key, value);
      } else if (key == "build_number") {
        const auto count = number(value);
        if (!count) throw FieldProblem{key, "is not a count"};
        record.build_number = *count;
      }
      break;
    case 'c':
      if (key == "constrains") string_list(key, value, record.constrains);
      break;
    case 'd':
      if (key == "depends") string_list(key, value, record.depends);
      break;
    case 'e':
      if (key == "extra_depends" || key == "extra-depends") read_extra_depends(value, record);
      break;
    case 'f':
      if (key == "features") record.features = text_or_nothing(value);
      else if (key == "flags") string_list(key, value, record.flags);
      break;
    case 'i':
      if (key == "indexed_timestamp") record.indexed_timestamp = milliseconds(value);
      break;
    case 'l':
      if (key == "license") record.license = text_or_nothing(value);
      else if (key == "license_family") record.license_family = text_or_nothing(value);
      break;
    case 'm':
      if (key == "md5") record.md5 = digest<Md5>(key, value);
      break;
    case 'n':
      if (key == "name") record.name = required_text(key, value);
      else if (key == "noarch") record.noarch = noarch_type(value);
      break;
    case 'p':
      if (key == "platform") record.platform = text_or_nothing(value);
      else if (key == "python_site_packages_path") record.python_site_packages_path = text_or_nothing(value);
      break;
    case 's':
      if (key == "sha256") record.sha256 = digest<Sha256>(key, value);
      else if (key == "size") record.size = number(value).value_or(0);
      else if (key == "subdir") record.subdir = text_or_nothing(value);
      break;
    case 't':
      if (key == "timestamp") record.timestamp = milliseconds(value);
      else if (key == "track_features") name_list(key, value, record.track_features);
      break;
    case 'v':
      if (key == "version") record.version = required_text(key, value);
      break;
    default:
      break;
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
      throw MalformedJson{simdjson::error_message(error)};
    }
    return document;
  }
};

RecordParser::RecordParser() : implementation_(std::make_unique<Implementation>()) {}
RecordParser::~RecordParser() = default;

std::string RecordParser::parse(std::string_view json, RawRecord& record) {
  record.clear();
  simdjson::dom::object fields;
  if (implementation_->parse(json).get_object().get(fields) != simdjson::SUCCESS) return "it is not an object";
  try {
    for (const auto field : fields) read_field(field.key, field.value, record);
  } catch (const FieldProblem& problem) {
    return "`" + std::string(problem.key) + "` " + std::string(problem.what);
  }
  if (record.name.empty()) return "it has no `name`";
  if (record.version.empty()) return "it has no `version`";
  if (!is_valid_version_string(record.version)) return "its version is not valid (CEP 26)";
  if (!is_valid_build_string(record.build)) return "its build string is not valid (CEP 26)";
  return {};
}

RepoDataInfo RecordParser::parse_info(std::string_view json) {
  const auto wrong = [](const char* key) { return MalformedJson{std::string("`info.") + key + "` has the wrong type"}; };
  RepoDataInfo info;
  const element document = implementation_->parse(json);
  if (document.is_null()) return info;
  simdjson::dom::object fields;
  if (document.get_object().get(fields) != simdjson::SUCCESS) throw MalformedJson{"`info` is not an object"};
  for (const auto field : fields) {
    std::string_view text;
    if (field.key == "subdir") {
      info.subdir = text_or_nothing(field.value);
    } else if (field.key == "base_url") {
      if (field.value.is_null()) continue;
      if (field.value.get_string().get(text) != simdjson::SUCCESS) throw wrong("base_url");
      info.base_url = text;
    } else if (field.key == "repodata_version") {
      std::int64_t version = 0;
      if (field.value.get_int64().get(version) != simdjson::SUCCESS) throw wrong("repodata_version");
      info.repodata_version = version;
    } else if (field.key == "channel_relations") {
      simdjson::dom::object relations;
      if (field.value.is_null()) continue;
      if (field.value.get_object().get(relations) != simdjson::SUCCESS) throw wrong("channel_relations");
      for (const auto relation : relations) {
        if (relation.key != "base" && relation.key != "overrides") continue;
        if (relation.value.get_string().get(text) != simdjson::SUCCESS) throw wrong("channel_relations");
        (relation.key == "base" ? info.relation_base : info.relation_overrides) = text;
      }
    }
  }
  return info;
}

std::int64_t RecordParser::parse_version(std::string_view json) {
  std::int64_t version = 0;
  if (implementation_->parse(json).get_int64().get(version) != simdjson::SUCCESS) {
    throw MalformedJson{"`repodata_version` is not a number"};
  }
  return version;
}

}  // namespace envtool
