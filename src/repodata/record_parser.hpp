#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "envtool/base/digest.hpp"
#include "envtool/records/package_record.hpp"

namespace envtool {

/// One entry of `packages` as it is in the document; the views live until the next `parse`.
struct RawRecord {
  std::string_view name, version, build, subdir, license, license_family, features;
  std::string_view python_site_packages_path, arch, platform;
  std::uint64_t build_number = 0, timestamp = 0, indexed_timestamp = 0, size = 0;
  NoarchType noarch = NoarchType::none;
  std::vector<std::string_view> depends, constrains, track_features, flags;
  std::vector<std::pair<std::string_view, std::vector<std::string_view>>> extra_depends;
  std::optional<Sha256> sha256;
  std::optional<Md5> md5;

  void clear();
};

/// The `info` object of an index, as far as we use it.
struct RepoDataInfo {
  std::string subdir;
  std::string base_url;            ///< CEP 15, absolute or relative
  std::string relation_base;       ///< CEP 42
  std::string relation_overrides;  ///< CEP 42
  std::string shards_base_url;     ///< CEP 16, absolute or relative
  std::string created_at;          ///< CEP 16, ISO 8601
  std::optional<std::int64_t> repodata_version;
};

/// Reads single records and the `info` object out of their JSON text.
class RecordParser {
 public:
  RecordParser();
  ~RecordParser();
  RecordParser(const RecordParser&) = delete;
  RecordParser& operator=(const RecordParser&) = delete;

  /// Parses one record; `JsonScanner::padding` bytes behind the text must be readable. Returns why the
  /// record cannot be used (types, CEP 26), or an empty text. Throws `MalformedJson`.
  std::string parse(std::string_view json, RawRecord& record);
  /// Throws `MalformedJson` also for wrong types.
  RepoDataInfo parse_info(std::string_view json);
  /// Throws `MalformedJson` unless it is a number; null counts as 1 (CEP 36).
  std::int64_t parse_version(std::string_view json);

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

/// The text is not JSON. The caller knows the place.
struct MalformedJson {
  std::string why;
};

}  // namespace envtool
