#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "envtool/base/digest.hpp"

namespace envtool {

/// What envtool noted about a package when it put it into the cache or first met it there:
/// `info/.envtool-manifest`. It only ever makes checks cheaper or stricter; without it a package is
/// one that another tool extracted.
struct Manifest {
  /// The boot during which the files were written, as they may not have reached the disk in it.
  std::string boot_id;
  bool synced = false;
  /// Of the text of info/paths.json, or of the legacy files.
  Sha256 paths;
  /// Of path, type, size, modification time and executable bit of every file, and of every symlink's text: a change
  /// shows without reading files.
  Sha256 stat;
  /// Of path, sha256 and executable bit of every file, and of every symlink's text, where somebody has read them all.
  std::optional<Sha256> content;

  bool operator==(const Manifest&) const = default;
};

inline constexpr std::string_view manifest_path = "info/.envtool-manifest";

/// Nothing when the text is damaged in any way.
std::optional<Manifest> parse_manifest(std::string_view text);
std::string to_text(const Manifest& manifest);

}  // namespace envtool
