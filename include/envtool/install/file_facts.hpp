#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/base/digest.hpp"
#include "envtool/install/installer.hpp"

namespace envtool {

/// One path that is asked about.
struct FileQuestion {
  enum class Wanted : std::uint8_t {
    status,  ///< type, size, mode, a symlink's text
    head,    ///< the first bytes of a file, too
    content  ///< the digest of a file, too
  };
  /// Relative to the folder; one that is not safe (`is_safe_relative_path`) counts as leading outside.
  std::string path;
  Wanted wanted = Wanted::status;
  /// Another size answers the question already: the content is not read then.
  std::optional<std::uint64_t> size;
};

/// What lies at a path. Symlinks are not followed at the path's end; on the way there they may lead anywhere in the
/// folder, and never out of it.
struct FileFacts {
  enum class Type : std::uint8_t { missing, file, link, folder, other, outside };
  Type type = Type::missing;
  /// Permission bits with setuid and setgid.
  unsigned mode = 0;
  std::uint64_t size = 0;
  std::int64_t modified = 0;  ///< seconds
  std::uint64_t inode = 0, device = 0;
  std::optional<Sha256> digest;
  /// A symlink's text, or the first 16 bytes of a file.
  std::string text;
  /// Why the content is not known although it was asked for; empty otherwise.
  std::string problem;
};

/// The answers, in the order of the questions. Several threads read; nothing is ever written. `bytes` counts
/// what was read. Throws `Error` when the folder cannot be opened, (interrupted) when asked to stop.
std::vector<FileFacts> look_at_files(const std::string& folder, std::span<const FileQuestion> questions,
                                     std::stop_token stop = {}, std::uint64_t* bytes = nullptr);

/// Changes the permission bits of a file of the environment in place; false for what is no regular file. Throws `Error`
/// (permission; unsafe when the way there leaves the environment).
bool set_file_mode(const PrefixLock& lock, const std::string& path, unsigned mode);

/// What becomes of a change that was begun and not finished.
struct PendingChange {
  enum class Outcome : std::uint8_t {
    none,
    finish,   ///< it was decided: the next command finishes it
    undo,     ///< it was not: the next command throws it away
    move,     ///< the environment was being moved; the next command finishes or forgets that
    unusable  ///< its journal is damaged, and nothing is guessed
  } outcome = Outcome::none;
  /// Who works on the environment right now, in words; empty: nobody. Then nothing is left behind yet.
  std::string worker;
};
/// Looks without waiting and without changing anything. Throws `Error` when it cannot be told.
PendingChange describe_pending_change(const Prefix& prefix);

}  // namespace envtool
