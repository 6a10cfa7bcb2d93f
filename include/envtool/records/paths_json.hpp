#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/base/digest.hpp"

namespace envtool {

/// How a path is present in a package or prefix (CEP 32, CEP 34 `path_type`).
enum class PathType {
  hardlink, softlink, directory, pyc_file, unix_python_entry_point,
  windows_python_entry_point_script, windows_python_entry_point_exe, linked_package_record
};
enum class FileMode { text, binary };

/// One entry of `info/paths.json` (CEP 34) or of `paths_data` in conda-meta (CEP 32).
struct PathEntry {
  /// Relative, `/` separators; checked on reading: not absolute, no `..`, no empty part, no NUL.
  std::string path;
  PathType path_type = PathType::hardlink;
  FileMode file_mode = FileMode::text;
  /// Empty when there is nothing to replace.
  std::string prefix_placeholder;
  bool no_link = false;
  std::optional<Sha256> sha256;
  /// Only in conda-meta.
  std::optional<Sha256> sha256_in_prefix;
  std::optional<std::uint64_t> size_in_bytes;
};

/// `info/paths.json`.
struct PathsJson {
  int paths_version = 1;
  std::vector<PathEntry> paths;
};

/// Parses `info/paths.json`. Throws `Error` (invalid_input, or unsafe for a path that escapes)
/// naming `origin`.
PathsJson parse_paths_json(std::string_view text, const std::string& origin);

/// Builds the same from the deprecated `info/files`, `info/has_prefix`, `info/no_link` (CEP 34);
/// whether a path is a symlink has to be asked of the extracted package.
PathsJson paths_from_legacy_files(std::string_view files, std::string_view has_prefix,
                                  std::string_view no_link, const std::string& origin);

/// One console script of a `noarch: python` package (CEP 34 `info/link.json`).
struct EntryPoint {
  std::string command;   ///< a plain file name
  std::string module;    ///< dotted identifiers
  std::string function;  ///< dotted identifiers
};

/// `info/link.json`.
struct LinkJson {
  bool noarch_python = false;
  std::vector<EntryPoint> entry_points;
};

/// Throws `Error` for a wrong shape; `unsafe` for a command that is not a plain file name or a
/// module or function that is not dotted identifiers.
LinkJson parse_link_json(std::string_view text, const std::string& origin);
/// `command = module:function`.
EntryPoint parse_entry_point(std::string_view text, const std::string& origin);

/// True when the path is relative, without empty, `.` or `..` parts, NUL or backslash tricks: the
/// first wall against paths that escape (the second is opening beneath a directory descriptor).
bool is_safe_relative_path(std::string_view path);

}  // namespace envtool
