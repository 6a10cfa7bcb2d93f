#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

namespace envtool::detail {

/// Number of threads for this much work: what was asked for, else between 2 and 8; 1 for little work.
unsigned thread_count(unsigned wanted, std::size_t items);

/// Calls `work(i, worker)` for each index, in chunks over several threads numbered from 0 (this one works
/// too, and alone calls `progress` with the number done so far). The first exception stops the others and is thrown here; a stop
/// request throws `Error` (interrupted).
void parallel_for(std::size_t count, unsigned threads, std::stop_token stop,
                  const std::function<void(std::size_t, unsigned)>& work,
                  const std::function<void(std::size_t)>& progress = {});

/// Throws `Error` (interrupted) when a stop was asked for.
void throw_if_stopped(const std::stop_token& stop);

}  // namespace envtool::detail
