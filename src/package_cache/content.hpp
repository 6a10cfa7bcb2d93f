#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/archive/extract.hpp"
#include "envtool/base/digest.hpp"
#include "envtool/os/files.hpp"
#include "envtool/records/paths_json.hpp"

namespace envtool {

/// A package's own word about its files, read from an extracted package.
struct PackageInfo {
  PathsJson paths;
  LinkJson link;
  /// Of the text that `paths` comes from.
  Sha256 paths_digest;
  bool legacy = false;
};

/// An extracted package, open, and what errors call it.
struct OpenPackage {
  const FileDescriptor& folder;
  const std::string& origin;
};

/// Opens for reading what lies beneath the folder, and only that: no symlink on the way. Not open with errno.
FileDescriptor open_beneath(const FileDescriptor& folder, const std::string& path);

/// The text of a regular file of a package; nothing when there is none. A symlink at its place is an
/// `Error` (unsafe).
std::optional<std::string> read_beneath(const OpenPackage& package, const std::string& path, std::uint64_t limit);

/// Reads info/paths.json (or info/files, has_prefix and no_link of packages from before it) and
/// info/link.json.
PackageInfo read_package_info_files(const OpenPackage& package);

/// Completes the entries that legacy files say nothing about: type, size and sha256.
void complete_legacy_paths(PathsJson& paths, std::span<const ExtractedEntry> entries);

/// How what was unpacked differs from what info/paths.json says: one sentence per difference, at most 10.
std::vector<std::string> content_differences(std::span<const ExtractedEntry> entries, const PackageInfo& info);

/// Looks at every path without reading files.
struct StatCheck {
  /// The first path that is missing or has a wrong type or size; empty when all are right.
  std::string problem;
  Sha256 digest;
};
StatCheck stat_files(const FileDescriptor& folder, const PathsJson& paths);

/// Reads every file.
struct ContentCheck {
  std::vector<std::string> problems;
  Sha256 digest;
};
ContentCheck read_files(const FileDescriptor& folder, const PathsJson& paths, const std::stop_token& stop);
/// The same digest from what was unpacked; of the folder only modes and symlinks are looked at.
Sha256 content_digest(const FileDescriptor& folder, const PathsJson& paths, std::span<const ExtractedEntry> entries);

}  // namespace envtool
