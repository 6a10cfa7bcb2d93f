#include "envtool/os/clock.hpp"

#include <ctime>

namespace envtool {
namespace {

std::string format_utc(std::chrono::system_clock::time_point time, const char* format) {
  const std::time_t seconds = std::chrono::system_clock::to_time_t(time);
  std::tm parts{};
  gmtime_r(&seconds, &parts);
  char buffer[64];
  return std::string(buffer, std::strftime(buffer, sizeof buffer, format, &parts));
}

}  // namespace

std::chrono::system_clock::time_point now() { return std::chrono::system_clock::now(); }

std::string format_history_time(std::chrono::system_clock::time_point time) {
  return format_utc(time, "%Y-%m-%d %H:%M:%S");
}

std::string format_iso_time(std::chrono::system_clock::time_point time) {
  return format_utc(time, "%Y-%m-%dT%H:%M:%SZ");
}

}  // namespace envtool
