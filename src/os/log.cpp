#include "envtool/os/log.hpp"

#include <spdlog/logger.h>
#include <spdlog/sinks/stdout_sinks.h>

#include <memory>

#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"

namespace envtool {
namespace {

spdlog::level::level_enum to_spdlog(LogLevel level) {
  switch (level) {
    case LogLevel::error: return spdlog::level::err;
    case LogLevel::warning: return spdlog::level::warn;
    case LogLevel::info: return spdlog::level::info;
    case LogLevel::debug: return spdlog::level::debug;
    case LogLevel::trace: return spdlog::level::trace;
  }
  return spdlog::level::warn;
}

/// The one logger of the process. Never destroyed: threads may log while the process ends.
spdlog::logger& logger() {
  static spdlog::logger* const instance = [] {
    auto* created = new spdlog::logger("envtool", std::make_shared<spdlog::sinks::stderr_sink_mt>());
    created->set_pattern("%l: %v");
    created->set_level(spdlog::level::warn);
    return created;
  }();
  return *instance;
}

}  // namespace

void set_log_level(LogLevel level) { logger().set_level(to_spdlog(level)); }

LogLevel log_level() {
  for (const LogLevel level : {LogLevel::error, LogLevel::warning, LogLevel::info, LogLevel::debug}) {
    if (to_spdlog(level) == logger().level()) return level;
  }
  return LogLevel::trace;
}

void log_message(LogLevel level, std::string_view message) {
  const spdlog::level::level_enum threshold = to_spdlog(level);
  if (!logger().should_log(threshold)) return;
  const std::string redacted = redact(message);
  std::string text;
  for (const std::string_view line : split_lines(redacted)) {
    if (!text.empty()) text += "\n  ";
    text += escape_control(line);
  }
  logger().log(threshold, spdlog::string_view_t(text.data(), text.size()));
}

}  // namespace envtool
