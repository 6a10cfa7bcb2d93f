#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/base/digest.hpp"

namespace envtool {

/// Ceilings against archive bombs.
struct ExtractLimits {
  std::uint64_t total_bytes = std::uint64_t{64} << 30;
  std::uint64_t entries = 5'000'000;
  std::size_t path_length = 4096;
  std::size_t path_depth = 128;
};

/// What was written for one archive member.
struct ExtractedEntry {
  enum class Type { file, symlink, directory, hardlink };
  std::string path;  ///< relative, checked
  Type type = Type::file;
  std::uint64_t size = 0;
  Sha256 sha256;     ///< of a file's content, computed while writing
  std::string link_target;
};

/// Unpacks a `.conda` or `.tar.bz2` archive (by its content; the name must agree) into an existing
/// empty folder. Nothing outside the folder is ever written, read or linked: absolute paths, `..`,
/// links that leave the folder, devices, FIFOs, duplicate members and writes through symlinks are
/// errors (unsafe); setuid, setgid and sticky bits are dropped. Throws `Error` (corrupt, unsafe,
/// no_space, interrupted); the folder's content is then undefined and the caller removes it.
std::vector<ExtractedEntry> extract_package(const std::string& archive_path, const std::string& folder,
                                            const ExtractLimits& limits = {}, std::stop_token stop = {});

/// Reads single files of the archive's `info/` into memory without unpacking the rest: pairs of path and content,
/// for those of `paths` that exist.
std::vector<std::pair<std::string, std::string>> read_package_info(const std::string& archive_path,
                                                                   const std::vector<std::string>& paths);

}  // namespace envtool
