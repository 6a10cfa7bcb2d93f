#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/archive/package_summary.hpp"
#include "envtool/base/digest.hpp"

namespace envtool {

/// What the index keeps of one archive.
struct IndexedPackage {
  std::string file_name;
  FileStamp stamp;
  Sha256 sha256;
  /// Milliseconds since the epoch, when it was first in the index (CEP 47); 0: it has not been yet.
  std::uint64_t indexed_timestamp = 0;
  /// Whether it belongs to `v3` (CEP 48).
  bool is_revision3 = false;
  /// The record as a JSON object in one line, without `indexed_timestamp`.
  std::string record;
  /// What `channeldata.json` needs: `{"about": {...}, "paths": [...]}`, likewise.
  std::string details;
  /// The object of `run_exports.json`, likewise.
  std::string run_exports;

  /// The part of the file name before its extension.
  std::string_view stem() const;
  bool is_conda() const;
};

/// An archive that was read, and what is odd about it.
struct ReadPackage {
  IndexedPackage package;
  std::vector<std::string> warnings;
};

/// Reads an archive of a subdir for the index. `now` (milliseconds since the epoch) is what its build time must
/// not be after. Throws `Error` when it is damaged or hostile, or says another name, version, build or subdir
/// than its place.
ReadPackage read_indexed_package(const std::string& subdir_folder, const std::string& subdir, const std::string& file_name,
                                 std::uint64_t now, std::stop_token stop);

}  // namespace envtool
