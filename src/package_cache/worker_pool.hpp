#pragma once

#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace envtool {

/// A few threads that work through a queue. The first exception of a task is kept, `on_failure` is told, and
/// tasks that have not started are dropped.
class WorkerPool {
 public:
  WorkerPool(std::size_t threads, std::function<void()> on_failure);
  /// Drops what has not started and waits for the rest.
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;

  void submit(std::function<void()> task);
  /// Until the queue is empty; then throws the first exception, if any.
  void wait();
  /// Drops what has not started and waits for the rest, whatever becomes of it.
  void cancel() noexcept;

 private:
  void work();

  std::function<void()> on_failure_;
  std::mutex mutex_;
  std::condition_variable wake_, idle_;
  std::deque<std::function<void()>> queue_;
  std::exception_ptr failure_;
  std::size_t limit_, sleeping_ = 0, running_ = 0;
  bool ending_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace envtool
