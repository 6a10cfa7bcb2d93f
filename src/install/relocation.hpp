#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace envtool::detail {

/// Rewrites the texts in which an environment's files name the environment itself, when it gets another
/// place. Unlike a placeholder the old place may be part of other paths (`/envs/a` of `/envs/a2` and of
/// `/mnt/envs/a`): those stay.
class Relocation {
 public:
  /// `real_from` is the old place without symlinks, when that is another path; else empty.
  Relocation(const std::string& from, const std::string& to, const std::string& real_from = {});

  /// True when the content names the old place: as it is, percent-encoded (URLs), or escaped as in JSON.
  bool mentions(std::string_view content) const;
  /// The same for bytes of an unknown format, where a length or type may stand right before a path.
  bool mentions_in_bytes(std::string_view content) const;

  /// A text with the new place. A `#!` line that no kernel would read whole goes through `/bin/sh` for
  /// Python and through `env` for other programs, as for new environments.
  std::string text(std::string_view content) const;

  /// A file of C strings, its length kept. `room` is how long a path the strings have space for: the
  /// placeholder of a package's file; the old place where nothing is known. Nothing when the new place is
  /// too long.
  std::optional<std::string> binary(std::string_view content, std::size_t room) const;

  /// The target of a symlink that lies at `link` (relative to the environment): below the new place when it
  /// is below the old one, and still leading where it did when it leads outside.
  std::string link_target(const std::string& link, const std::string& target) const;

  const std::string& from() const { return from_; }
  const std::string& to() const { return to_; }

 private:
  struct Spelling {
    std::string from, to;
    /// Only in texts.
    bool encoded = false;
  };
  std::string from_, to_;
  std::vector<Spelling> spellings_;
};

}  // namespace envtool::detail
