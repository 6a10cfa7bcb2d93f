#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/base/digest.hpp"

namespace envtool {

/// How a `noarch` package is laid out (CEP 34 `noarch`).
enum class NoarchType { none, generic, python };

/// What a channel says of one package (CEP 34 `info/index.json`, CEP 36 repodata record).
/// Strings are as the document has them; name, version and build are checked against CEP 26's
/// grammar when the record is read, so they are safe as parts of file names.
struct PackageRecord {
  std::string name;
  std::string version;
  std::string build;
  std::uint64_t build_number = 0;
  std::vector<std::string> depends;
  std::vector<std::string> constrains;
  /// Optional dependency groups (CEP 44), name and its specs.
  std::vector<std::pair<std::string, std::vector<std::string>>> extra_depends;
  std::vector<std::string> track_features;
  std::string features;
  /// Flags (CEP 45).
  std::vector<std::string> flags;
  std::string subdir;
  NoarchType noarch = NoarchType::none;
  std::string license;
  std::string license_family;
  /// Milliseconds since the epoch; 0 when absent (seconds in old records are scaled on reading).
  std::uint64_t timestamp = 0;
  /// Milliseconds since the epoch, when the channel indexed it (CEP 47); 0 when absent.
  std::uint64_t indexed_timestamp = 0;
  /// Bytes of the archive, 0 when unknown.
  std::uint64_t size = 0;
  std::optional<Sha256> sha256;
  std::optional<Md5> md5;
  /// CEP 17, relative to the prefix; only `python` records have it.
  std::string python_site_packages_path;
  /// The deprecated `arch` and `platform` fields, kept for the record in conda-meta.
  std::string arch;
  std::string platform;

  /// `name-version-build`: the folder name in the cache.
  std::string dist() const { return name + "-" + version + "-" + build; }
};

/// A package record together with where it comes from (CEP 36 `RepodataRecord`).
struct RepoDataRecord : PackageRecord {
  /// File name with extension.
  std::string fn;
  /// Absolute URL of the archive without credentials.
  std::string url;
  /// URL of the channel without subdir and without credentials (what conda-meta stores).
  std::string channel;
  /// True for an archive that a lock or an @EXPLICIT file names: what such a file does not say is
  /// taken from the archive's own `info/index.json` once it is unpacked (`complete_from_index`).
  bool needs_index = false;
};

/// Fills what a record with `needs_index` does not say from the archive's `info/index.json` (CEP 32 has it as
/// the fallback) and clears the mark. Dependencies that the record has are kept.
void complete_from_index(RepoDataRecord& record, const PackageRecord& index);

/// The `.conda` or `.tar.bz2` extension of a file name, or empty.
std::string_view archive_extension(std::string_view file_name);
/// A file name split into name, version, build (CEP 26), or nothing when it is not one.
struct ArchiveName {
  std::string name, version, build;
  std::string_view extension;
};
std::optional<ArchiveName> parse_archive_name(std::string_view file_name);

}  // namespace envtool
