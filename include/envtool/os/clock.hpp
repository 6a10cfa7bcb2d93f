#pragma once

#include <chrono>
#include <string>

namespace envtool {

/// The wall clock.
std::chrono::system_clock::time_point now();
/// `YYYY-MM-DD HH:MM:SS` in UTC (CEP 32 history).
std::string format_history_time(std::chrono::system_clock::time_point time);
/// `YYYY-MM-DDTHH:MM:SSZ`.
std::string format_iso_time(std::chrono::system_clock::time_point time);

}  // namespace envtool
