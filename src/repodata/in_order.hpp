#pragma once

#include <algorithm>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <mutex>
#include <optional>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

namespace envtool {

/// Makes `count` results on up to `threads` threads, the caller's among them, and hands them to `use` in
/// their order on the caller's thread, each as soon as it and those before it are there. What `make` or
/// `use` throws comes out here, of several the one that is first in order.
template <typename Make, typename Use>
void make_in_order(std::size_t count, unsigned threads, Make&& make, Use&& use) {
  using Result = decltype(make(std::size_t{}));
  struct Place {
    std::optional<Result> result;
    std::exception_ptr failure;
    bool done = false;
  };
  std::vector<Place> places(count);
  std::mutex mutex;
  std::condition_variable changed;
  std::size_t next = 0;
  // Makes the next one that nobody has begun; false when there is none.
  const auto make_one = [&] {
    std::size_t i = 0;
    {
      const std::lock_guard lock(mutex);
      if (next == count) return false;
      i = next++;
    }
    Place made;
    try {
      made.result.emplace(make(i));
    } catch (...) {
      made.failure = std::current_exception();
    }
    made.done = true;
    const std::lock_guard lock(mutex);
    places[i] = std::move(made);
    changed.notify_all();
    return true;
  };
  struct Helpers {
    std::vector<std::thread> threads;
    std::mutex& mutex;
    std::size_t &next, count;
    ~Helpers() {
      {
        const std::lock_guard lock(mutex);
        next = count;  // nothing more is begun
      }
      for (std::thread& thread : threads) thread.join();
    }
  } helpers{{}, mutex, next, count};
  helpers.threads.reserve(threads);
  for (unsigned i = 1; i < std::min<std::size_t>(threads, count); ++i) {
    try {
      helpers.threads.emplace_back([&] {
        while (make_one()) {
        }
      });
    } catch (const std::system_error&) {
      break;  // the system has no thread left: slower, not wrong
    }
  }
  for (std::size_t i = 0; i < count; ++i) {
    std::unique_lock lock(mutex);
    while (!places[i].done) {
      if (next < count) {
        lock.unlock();
        make_one();
        lock.lock();
      } else {
        changed.wait(lock);
      }
    }
    Place place = std::exchange(places[i], Place());
    lock.unlock();
    if (place.failure) std::rethrow_exception(place.failure);
    use(i, std::move(*place.result));
  }
}

}  // namespace envtool
