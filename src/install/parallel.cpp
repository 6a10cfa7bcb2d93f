#include "parallel.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

#include "envtool/base/error.hpp"

namespace envtool::detail {

unsigned thread_count(unsigned wanted, std::size_t items) {
  if (items < 256) return 1;
  if (wanted != 0) return std::min(wanted, 64U);
  return std::clamp(std::thread::hardware_concurrency(), 2U, 8U);
}

void throw_if_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error("interrupted", ErrorKind::interrupted);
}

void parallel_for(std::size_t count, unsigned threads, std::stop_token stop,
                  const std::function<void(std::size_t, unsigned)>& work,
                  const std::function<void(std::size_t)>& progress) {
  // Neighbours share a folder: chunks keep the threads out of each other's folders.
  constexpr std::size_t chunk = 64;
  std::atomic<std::size_t> next{0}, done{0};
  std::atomic<bool> failed{false};
  std::exception_ptr first_error;
  std::mutex mutex;

  const auto run = [&](unsigned worker) {
    try {
      while (!failed.load(std::memory_order_relaxed)) {
        const std::size_t begin = next.fetch_add(chunk);
        if (begin >= count) return;
        throw_if_stopped(stop);
        const std::size_t end = std::min(begin + chunk, count);
        for (std::size_t i = begin; i < end; ++i) work(i, worker);
        const std::size_t total = done.fetch_add(end - begin) + (end - begin);
        if (worker == 0 && progress) progress(total);
      }
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first_error) first_error = std::current_exception();
      failed = true;
    }
  };

  {
    std::vector<std::jthread> helpers;
    for (unsigned i = 1; i < threads; ++i) {
      try {
        helpers.emplace_back([&run, i] { run(i); });
      } catch (const std::system_error&) {
        break;  // no more threads to be had: fewer do
      }
    }
    run(0);
  }
  if (first_error) std::rethrow_exception(first_error);
}

}  // namespace envtool::detail
