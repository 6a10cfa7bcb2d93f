#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "envtool/os/files.hpp"

namespace envtool {

/// Who holds a lock, as written into the lock file.
struct LockHolder {
  /// 0 when nothing is known, for example because a reader holds the lock.
  long pid = 0;
  std::string host;
  std::string command;
  /// For a message: `process 4711 on node3 (envtool install -n x)`.
  std::string text() const;
};

/// An advisory lock on a file that is never unlinked: an open-file-description lock
/// (F_OFD_SETLK), where that fails (ENOLCK, EIO, ENOTSUP, ...) or hangs a `mkdir` lock
/// (`<path>.d`, always exclusive) with holder data and a heartbeat.
/// Released when the object dies or the process ends.
class FileLock {
 public:
  enum class Mode { shared, exclusive };
  struct Options {
    std::chrono::milliseconds timeout{0};  ///< 0: try once
    /// Put into the lock file for others to read (redacted).
    std::string command = {};
    /// Called when waiting starts and every 10 s.
    std::function<void(const LockHolder&)> on_wait = {};
    /// Also locks the folder that holds the lock file, so that two processes never both own the
    /// lock even when somebody deletes the lock file. For a folder with one lock file only.
    bool guard_directory = false;
    /// Ends the waiting with an `Error` (interrupted).
    std::stop_token stop = {};
  };

  /// Creates the file when missing. Throws `Error` (locked) with the holder on timeout, and
  /// `Error` (permission, ...) when the file can be neither created nor opened. For a shared lock a
  /// file that can only be read is enough.
  static FileLock acquire(const std::string& path, Mode mode, const Options& options);
  /// Nothing when somebody else has it.
  static std::optional<FileLock> try_acquire(const std::string& path, Mode mode, const std::string& command,
                                             bool guard_directory = false);

  FileLock(FileLock&&) noexcept;
  FileLock& operator=(FileLock&&) noexcept;
  ~FileLock();

 private:
  struct State;
  explicit FileLock(std::unique_ptr<State> state);
  static std::unique_ptr<State> try_once(const std::string& path, Mode mode, const Options& options);
  std::unique_ptr<State> state_;
};

}  // namespace envtool
