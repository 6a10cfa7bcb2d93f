#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace envtool {

/// `name-version-build.conda` or `.tar.bz2` taken apart (CEP 26 file names).
struct ArchiveName {
  std::string name, version, build;
};

/// True for texts that end like a package archive.
bool has_archive_extension(std::string_view text);
/// Nothing when the file name has fewer than three parts.
std::optional<ArchiveName> split_archive_name(std::string_view file_name);

/// True for `noarch` and every known platform.
bool is_known_subdir(std::string_view text);
/// Cuts trailing `/` and `/<known subdir>` off a channel's URL, path or name; gives the last subdir,
/// which is empty when there was none.
std::string_view take_subdir(std::string_view& channel);
/// True for `./x`, `../x`, `/x`, `~/x`, `C:\x` and the like (CEP 26 channel names that are paths).
bool looks_like_path(std::string_view text);

}  // namespace envtool
