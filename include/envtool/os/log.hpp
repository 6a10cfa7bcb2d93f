#pragma once

#include <string>
#include <string_view>

namespace envtool {

/// Diagnostics for `-v`, to standard error (never stdout). Messages are redacted (`redact()`) and
/// control characters escaped before they are written.
enum class LogLevel { error, warning, info, debug, trace };

/// Sets the threshold for the process; default `warning`.
void set_log_level(LogLevel level);
LogLevel log_level();
void log_message(LogLevel level, std::string_view message);
inline void log_debug(std::string_view message) { log_message(LogLevel::debug, message); }
inline void log_info(std::string_view message) { log_message(LogLevel::info, message); }
inline void log_warning(std::string_view message) { log_message(LogLevel::warning, message); }

}  // namespace envtool
