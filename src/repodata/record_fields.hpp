#pragma once

#include <array>
#include <optional>
#include <string_view>

#include "envtool/base/text.hpp"
#include "record_parser.hpp"

namespace envtool {

/// A member of a record with a value that it cannot have.
struct FieldProblem {
  std::string_view key;
  std::string_view what;
};

/// Reads the fields of records and of `info` out of values of any notation (JSON, MessagePack). `Value`
/// is cheap to copy and has
///   bool is_null() const, bool is_text() const
///   std::optional<std::string_view> text() const          only for strings
///   std::optional<std::string_view> bytes() const         only for binary values
///   std::optional<std::uint64_t> unsigned_number() const, std::optional<std::int64_t> signed_number() const
///   std::optional<double> real_number() const             only for what is written as a float
///   std::optional<bool> boolean() const
///   bool each_element(function of Value) const            false for what is no array
///   bool each_member(function of key and Value) const     false for what is no object
/// Texts must live as long as the record.
template <typename Value>
class FieldReader {
 public:
  /// Throws `FieldProblem`. Keys come in any order; one that comes twice counts the last time.
  static void read(std::string_view key, Value value, RawRecord& record);
  /// Throws `MalformedJson` for wrong types.
  static RepoDataInfo read_info(Value value);

 private:
  // Seconds and milliseconds are told apart as conda does: by the year 9999 in seconds.
  static constexpr std::uint64_t last_second = 253402300799U;

  static std::string_view text_or_nothing(Value value) { return value.text().value_or(std::string_view()); }
  static std::string_view required_text(std::string_view key, Value value) {
    const auto text = value.text();
    if (!text) throw FieldProblem{key, "is not a string"};
    return *text;
  }
  // A count that may be written as a float or be absent (null).
  static std::optional<std::uint64_t> number(Value value) {
    if (const auto whole = value.unsigned_number()) return whole;
    const auto real = value.real_number();
    if (real && *real >= 0 && *real < 9e15) return static_cast<std::uint64_t>(*real);
    return {};
  }
  static std::uint64_t milliseconds(Value value) {
    const std::uint64_t time = number(value).value_or(0);
    if (time > last_second * 1000) return 0;
    return time <= last_second ? time * 1000 : time;
  }
  static void string_list(std::string_view key, Value value, std::vector<std::string_view>& list) {
    list.clear();
    if (value.is_null()) return;
    if (!value.each_element([&](Value item) { list.push_back(required_text(key, item)); })) {
      throw FieldProblem{key, "is not a list"};
    }
  }
  // A list of names, or one text with the names separated by commas or spaces.
  static void name_list(std::string_view key, Value value, std::vector<std::string_view>& list) {
    if (!value.is_text()) return string_list(key, value, list);
    list.clear();
    for (const auto words : split_whitespace(text_or_nothing(value))) {
      for (const auto name : split(words, ',')) {
        if (!name.empty()) list.push_back(name);
      }
    }
  }
  static NoarchType noarch_type(Value value) {
    const std::string_view text = text_or_nothing(value);
    if (text == "python") return NoarchType::python;
    if (text == "generic") return NoarchType::generic;
    return value.boolean().value_or(false) ? NoarchType::generic : NoarchType::none;
  }
  static void extra_depends(Value value, RawRecord& record) {
    record.extra_depends.clear();
    if (value.is_null()) return;
    const bool is_object = value.each_member([&](std::string_view group, Value list) {
      std::vector<std::string_view> specs;
      string_list("extra_depends", list, specs);
      record.extra_depends.emplace_back(group, std::move(specs));
    });
    if (!is_object) throw FieldProblem{"extra_depends", "is not an object"};
  }
  template <typename DigestType>
  static std::optional<DigestType> digest(std::string_view key, Value value);

  static constexpr std::array<std::uint8_t, 256> make_hex_values() {
    std::array<std::uint8_t, 256> values{};
    for (auto& entry : values) entry = 0xff;
    for (std::uint8_t i = 0; i < 10; ++i) values['0' + i] = i;
    for (std::uint8_t i = 0; i < 6; ++i) values['a' + i] = values['A' + i] = static_cast<std::uint8_t>(10 + i);
    return values;
  }
};

// A million records have two million digests: `Digest::parse` by table, without branches inside.
template <typename Value>
template <typename DigestType>
std::optional<DigestType> FieldReader<Value>::digest(std::string_view key, Value value) {
  static constexpr std::array<std::uint8_t, 256> hex_values = make_hex_values();
  if (value.is_null()) return {};
  DigestType parsed;
  if (const auto bytes = value.bytes()) {  // as shards have it (CEP 16)
    if (bytes->size() != parsed.bytes.size()) throw FieldProblem{key, "is not a digest"};
    for (std::size_t i = 0; i < parsed.bytes.size(); ++i) parsed.bytes[i] = static_cast<std::uint8_t>((*bytes)[i]);
    return parsed;
  }
  const std::string_view text = required_text(key, value);
  if (text.empty()) return {};
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

template <typename Value>
void FieldReader<Value>::read(std::string_view key, Value value, RawRecord& record) {
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
      if (key == "extra_depends" || key == "extra-depends") extra_depends(value, record);
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

template <typename Value>
RepoDataInfo FieldReader<Value>::read_info(Value value) {
  const auto wrong = [](std::string_view key) { return MalformedJson{"`info." + std::string(key) + "` has the wrong type"}; };
  RepoDataInfo info;
  if (value.is_null()) return info;
  const auto set_text = [&](std::string_view key, Value field, std::string& target) {
    if (field.is_null()) return;
    const auto text = field.text();
    if (!text) throw wrong(key);
    target = *text;
  };
  const bool is_object = value.each_member([&](std::string_view key, Value field) {
    if (key == "subdir") {
      info.subdir = text_or_nothing(field);
    } else if (key == "base_url") {
      set_text(key, field, info.base_url);
    } else if (key == "shards_base_url") {
      set_text(key, field, info.shards_base_url);
    } else if (key == "created_at") {
      info.created_at = text_or_nothing(field);
    } else if (key == "repodata_version") {
      const auto version = field.signed_number();
      if (!version) throw wrong(key);
      info.repodata_version = *version;
    } else if (key == "channel_relations") {
      if (field.is_null()) return;
      const bool relations = field.each_member([&](std::string_view kind, Value target) {
        if (kind != "base" && kind != "overrides") return;
        if (!target.is_text()) throw wrong(key);
        (kind == "base" ? info.relation_base : info.relation_overrides) = text_or_nothing(target);
      });
      if (!relations) throw wrong(key);
    }
  });
  if (!is_object) throw MalformedJson{"`info` is not an object"};
  return info;
}

/// Why a record cannot be used (CEP 26), or an empty text.
std::string problem_of(const RawRecord& record);

}  // namespace envtool
