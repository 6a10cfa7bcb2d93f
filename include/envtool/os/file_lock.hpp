#pragma once

#include <chrono>
#include <functional>
#include <optional>
#include <string>

#include "envtool/os/files.hpp"

namespace envtool {

/// Who holds a lock, as written into the lock file.
struct LockHolder {
  long pid = 0;
  std::string host;
  std::string command;
  std::string text() const;
};

/// An advisory lock on a file that is never unlinked: an open-file-description lock
/// (F_OFD_SETLK), where that fails (ENOLCK, EIO, ENOTSUP, ...) a `mkdir` lock with holder data.
/// Released when the object dies or the process ends.
class FileLock {
 public:
  enum class Mode { shared, exclusive };
  struct Options {
    std::chrono::milliseconds timeout{0};  ///< 0: try once
    std::string command;                   ///< put into the lock file for others to read
    /// Called when waiting starts and every 10 s.
    std::function<void(const LockHolder&)> on_wait;
  };

  /// Creates the file when missing. Throws `Error` (locked) with the holder on timeout.
  static FileLock acquire(const std::string& path, Mode mode, const Options& options);
  /// Nothing when somebody else has it.
  static std::optional<FileLock> try_acquire(const std::string& path, Mode mode, const std::string& command);

  FileLock(FileLock&&) noexcept;
  FileLock& operator=(FileLock&&) noexcept;
  ~FileLock();

 private:
  FileLock() = default;
  FileDescriptor fd_;
  std::string fallback_directory_;
};

}  // namespace envtool
