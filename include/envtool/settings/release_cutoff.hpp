#pragma once

#include <cstdint>
#include <string_view>

namespace envtool {

/// Up to when a package must have been released to count (CEP 47): not at all, a moment, or an age.
struct ReleaseCutoff {
  enum class Kind { none, moment, age };
  Kind kind = Kind::none;
  /// Milliseconds: since the epoch, or before now.
  std::uint64_t milliseconds = 0;

  /// The moment in milliseconds since the epoch; 0: no limit.
  std::uint64_t resolve(std::uint64_t now_milliseconds) const;
  bool operator==(const ReleaseCutoff&) const = default;
};

/// Reads conda's `exclude_newer`: an age (`7d`, `3d12h`, `1w`, `P7D`, `PT36H`, seconds without a unit),
/// a day (`2026-04-01`: its packages still count, in UTC) or a moment (RFC 3339; UTC where no zone is
/// said). An age of nothing, `false` and `none` are no limit. Throws `Error` (invalid_input).
ReleaseCutoff parse_release_cutoff(std::string_view text);

}  // namespace envtool
