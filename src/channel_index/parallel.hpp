#pragma once

#include <cstddef>
#include <functional>
#include <stop_token>

namespace envtool {

/// Calls `work` with every number below `count`, on so many threads. Numbers that have not started when a stop is
/// requested are left out. Returns when all that have started are done; then throws the first exception, if any.
void for_each_parallel(std::size_t threads, std::size_t count, const std::stop_token& stop, const std::function<void(std::size_t)>& work);

}  // namespace envtool
