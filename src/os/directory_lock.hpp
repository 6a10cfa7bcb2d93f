#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "envtool/os/file_lock.hpp"

namespace envtool {

/// The lines of a lock file: `pid`, `host`, `boot`, `started`, `command`.
std::string holder_lines(const std::string& command);
/// The inverse; missing lines stay empty.
LockHolder parse_holder(const std::string& lines);
/// False when the lines name a process of this host that has ended.
bool holder_may_live(const std::string& lines);

/// A lock for file systems whose locks do not work: a folder, which only one process can create.
/// Inside, `holder.<id>` names the owner and is touched every few seconds. A lock whose owner is
/// known to have ended, or whose heartbeat stopped, is taken over by renaming exactly that holder
/// file, which only one process can do.
class DirectoryLock {
 public:
  /// Nothing when another process has it.
  static std::unique_ptr<DirectoryLock> try_acquire(const std::string& directory, const std::string& command);
  /// True when a process has it that may be alive.
  static bool is_held(const std::string& directory);
  /// Who has it, as far as it can be read.
  static LockHolder holder(const std::string& directory);

  DirectoryLock(const DirectoryLock&) = delete;
  DirectoryLock& operator=(const DirectoryLock&) = delete;
  ~DirectoryLock();

 private:
  DirectoryLock(std::string directory, std::string id);
  void beat();

  std::string directory_;
  std::string id_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::jthread heartbeat_;
};

}  // namespace envtool
