#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "envtool/base/digest.hpp"

namespace envtool {

/// What to do with a symlink whose target leaves the package. No symlink is ever followed while
/// unpacking; this is about what may lie in the cache afterwards. Beneath `info/`, which is never
/// linked into an environment, such links are left out silently unless the policy is `keep`.
enum class OutsideLinks {
  reject,         ///< an error
  keep_absolute,  ///< relative targets that climb out are an error; absolute ones, which real packages have, stay
  keep            ///< both stay
};

/// Ceilings against archive bombs.
struct ExtractLimits {
  std::uint64_t total_bytes = std::uint64_t{64} << 30;
  /// Members, and folders that lead to them.
  std::uint64_t entries = 500'000;
  std::size_t path_length = 4096;
  std::size_t path_depth = 128;
  /// Unpacked bytes may be this many times the archive's bytes ...
  std::uint64_t expansion = 2000;
  /// ... or this many, whichever is more.
  std::uint64_t expansion_floor = std::uint64_t{1} << 30;
  OutsideLinks outside_links = OutsideLinks::keep_absolute;
};

/// What was written for one archive member.
struct ExtractedEntry {
  enum class Type { file, symlink, directory, hardlink };
  std::string path;  ///< relative, checked
  Type type = Type::file;
  std::uint64_t size = 0;
  Sha256 sha256;     ///< of a file's content, computed while writing; a hard link has its file's
  std::string link_target;
};

/// Unpacks a `.conda` or `.tar.bz2` archive (CEP 35; by its content; the name must agree) into an existing
/// empty folder. Nothing outside the folder is ever written, read or linked: absolute paths, `..`,
/// links that leave the folder, devices, FIFOs, duplicate members and writes through symlinks are
/// errors (unsafe); setuid, setgid and sticky bits are dropped, files become readable and writable
/// by their owner, the umask applies, modification times stay. One thread. Throws `Error` (corrupt,
/// unsafe, no_space, interrupted, ...); the folder's content is then undefined and the caller removes it.
std::vector<ExtractedEntry> extract_package(const std::string& archive_path, const std::string& folder,
                                            const ExtractLimits& limits = {}, std::stop_token stop = {});

/// Reads single files of the archive's `info/` into memory without unpacking the rest: pairs of path and content,
/// for those of `paths` that exist, in the order of the archive. A file of more than 256 MiB is an error.
std::vector<std::pair<std::string, std::string>> read_package_info(const std::string& archive_path,
                                                                   const std::vector<std::string>& paths);

}  // namespace envtool
