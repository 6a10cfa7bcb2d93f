#pragma once

#include <mutex>

namespace envtool {

/// Marks a stretch of work that changes nothing outside of the process and looks at no stop token: a
/// solve, or reading a file that may never come (a FIFO). Whoever handles the process's signals may
/// end it there and then, since there is nothing to undo. Signals are the process's, so is the count.
class AbandonableWork {
 public:
  AbandonableWork() {
    const std::lock_guard guard(mutex());
    ++count();
  }
  /// Waits for ever when the process is being ended, so that nothing begins meanwhile.
  ~AbandonableWork() {
    const std::lock_guard guard(mutex());
    --count();
  }
  AbandonableWork(const AbandonableWork&) = delete;
  AbandonableWork& operator=(const AbandonableWork&) = delete;

  /// Calls `end`, which does not return, if such work is going on.
  template <typename End>
  static void abandon(End&& end) {
    const std::lock_guard guard(mutex());
    if (count() > 0) end();
  }

 private:
  static std::mutex& mutex() {
    static std::mutex instance;
    return instance;
  }
  static int& count() {
    static int instance = 0;
    return instance;
  }
};

}  // namespace envtool
