#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "envtool/base/digest.hpp"

namespace envtool {

/// What tells one state of a file from another without reading it.
struct FileStamp {
  std::uint64_t size = 0;
  /// Nanoseconds since the epoch: of the content, and of the last change of any sort, which nobody can set.
  std::int64_t modified = 0, changed = 0;
  std::uint64_t inode = 0;
  bool operator==(const FileStamp&) const = default;
};

/// The stamp of the file that a path leads to (symlinks are followed). Throws `Error`; (corrupt) for what
/// is no regular file.
FileStamp file_stamp(const std::string& path);

/// A file of a package's `info/` that is asked for, and how long it may be.
struct WantedInfo {
  std::string path;
  std::uint64_t most_bytes = 0;
};

/// What an index of packages needs to know of an archive.
struct PackageSummary {
  FileStamp stamp;
  Sha256 sha256;
  Md5 md5;
  /// Path and content of those wanted files that are there, in the order of the archive.
  std::vector<std::pair<std::string, std::string>> info;
};

/// Reads single files of a package's `info/` into memory and the digests of the whole archive, from one
/// open file. The archive is checked as far as that goes without unpacking it: a `.tar.bz2` is decompressed
/// to its end, of a `.conda` both parts' checksums are compared. Throws `Error` (corrupt; unsafe for
/// member names that leave the folder, a wanted file that is too long, is there twice, or archive bombs; interrupted),
/// (general) when the file changes while it is read.
PackageSummary read_package_summary(const std::string& archive_path, const std::vector<WantedInfo>& wanted,
                                    std::stop_token stop = {});

}  // namespace envtool
