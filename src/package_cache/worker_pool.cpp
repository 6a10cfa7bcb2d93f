#include "worker_pool.hpp"

#include <algorithm>
#include <system_error>
#include <utility>

namespace envtool {

WorkerPool::WorkerPool(std::size_t threads, std::function<void()> on_failure)
    : on_failure_(std::move(on_failure)), limit_(std::max<std::size_t>(threads, 1)) {}

WorkerPool::~WorkerPool() {
  cancel();
  {
    const std::lock_guard lock(mutex_);
    ending_ = true;
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerPool::submit(std::function<void()> task) {
  std::unique_lock lock(mutex_);
  if (failure_) return;
  queue_.push_back(std::move(task));
  if (sleeping_ < queue_.size() && threads_.size() < limit_) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      // A full process table: fewer threads will do, but one there must be.
      if (threads_.empty()) throw;
    }
  }
  lock.unlock();
  wake_.notify_one();
}

void WorkerPool::work() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++sleeping_;
    wake_.wait(lock, [&] { return ending_ || !queue_.empty(); });
    --sleeping_;
    if (queue_.empty()) return;
    std::function<void()> task = std::move(queue_.front());
    queue_.pop_front();
    ++running_;
    lock.unlock();
    std::exception_ptr failure;
    try {
      task();
    } catch (...) {
      failure = std::current_exception();
    }
    task = nullptr;
    lock.lock();
    --running_;
    if (failure && !failure_) {
      failure_ = failure;
      queue_.clear();
      if (on_failure_) on_failure_();
    }
    if (running_ == 0 && queue_.empty()) idle_.notify_all();
  }
}

void WorkerPool::wait() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [&] { return running_ == 0 && queue_.empty(); });
  if (failure_) std::rethrow_exception(std::exchange(failure_, nullptr));
}

void WorkerPool::cancel() noexcept {
  std::unique_lock lock(mutex_);
  queue_.clear();
  idle_.wait(lock, [&] { return running_ == 0; });
}

}  // namespace envtool
