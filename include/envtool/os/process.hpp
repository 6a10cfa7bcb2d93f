#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/os/environment.hpp"

namespace envtool {

/// A program to run; `arguments[0]` is looked up in PATH of `environment` unless it has a slash.
struct ProcessRequest {
  std::vector<std::string> arguments = {};
  /// Null: this process's own.
  const EnvSnapshot* environment = nullptr;
  /// Empty: the current one.
  std::string working_directory = {};
  /// Fed to standard input; nothing means /dev/null.
  std::string input = {};
  /// Called with pieces of stdout and stderr as they come; when unset, output is collected. May
  /// throw: the process is killed then.
  std::function<void(std::string_view)> on_output = {};
  /// Seconds before the process group is killed; 0: no limit.
  unsigned time_limit = 0;
  /// The process group is killed when the thread that waits for it ends, even by SIGKILL.
  bool ends_with_us = false;
};

struct ProcessResult {
  /// Exit code, or 128 + signal.
  int exit_code = 0;
  /// stdout (and stderr unless `on_output` took them).
  std::string output;
  std::string error_output;
  bool timed_out = false;
};

/// Runs to the end. On a stop request or at the time limit the process group gets SIGTERM and one
/// second later SIGKILL; only with one of these, or with `ends_with_us`, the process has a group of its own (so Ctrl-C of a
/// terminal reaches it through the stop token). Never waits for what the process left in the
/// background. The child finds default signal actions, except for ignored ones that the user chose
/// (nohup). Throws `Error` (child_failed) when the program cannot be started.
ProcessResult run_process(const ProcessRequest& request, std::stop_token stop = {});

/// Replaces this process (execve), so signals, tty and exit code are the program's own.
/// Throws `Error` (child_failed) when that fails (not found: exit code 127 by the caller). Buffered
/// output must have been flushed before.
[[noreturn]] void exec_process(const std::vector<std::string>& arguments, const EnvSnapshot& environment,
                               const std::string& working_directory = {});

/// The program's absolute path as PATH of the environment gives it, or nothing.
std::optional<std::string> find_program(std::string_view name, const EnvSnapshot& environment);
/// Absolute path of this executable.
std::string self_path();
/// Host name.
std::string host_name();
/// The kernel's boot id, or empty.
std::string boot_id();

}  // namespace envtool
