#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "envtool/base/error.hpp"
#include "envtool/records/package_record.hpp"
#include "envtool/records/paths_json.hpp"

namespace envtool::detail {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

/// Parses with a depth limit; the error names `origin` and the byte.
Json parse_document(std::string_view text, const std::string& origin);

/// Reads one field of an object with type checks whose errors name `origin` and the field.
class FieldReader {
 public:
  FieldReader(const Json& object, const std::string& origin);
  bool has(const char* key) const;
  std::string required_string(const char* key) const;
  std::string string(const char* key) const;
  std::uint64_t unsigned_number(const char* key) const;
  std::vector<std::string> string_list(const char* key) const;
  const Json* find(const char* key) const;
  [[noreturn]] void fail(const char* key, const std::string& why) const;
  const std::string& origin() const { return origin_; }

 private:
  const Json& object_;
  const std::string& origin_;
};

/// Fills the fields that CEP 34's index.json and CEP 36's repodata records share.
void read_package_record(const FieldReader& fields, PackageRecord& record);
void read_repodata_record(const FieldReader& fields, RepoDataRecord& record);
void write_repodata_record(const RepoDataRecord& record, OrderedJson& object);

PathEntry read_path_entry(const Json& object, const std::string& origin);
std::string_view path_type_name(PathType type);

}  // namespace envtool::detail
