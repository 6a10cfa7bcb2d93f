#pragma once

#include <sys/types.h>

#include <vector>

namespace envtool {

/// What a program is started with; the pointers stay the caller's.
struct SupervisedStart {
  const char* program = nullptr;
  char* const* arguments = nullptr;
  /// The same program through the shell, for scripts without `#!`.
  char* const* shell_arguments = nullptr;
  char* const* variables = nullptr;
  /// Null: the current one.
  const char* working_directory = nullptr;
  int input = -1, output = -1, errors = -1;
  /// Signals that get their default action.
  std::vector<int> signals_to_reset = {};
};

/// Starts a program below a supervisor, which leads a process group of its own, ends as the program does (128 +
/// signal as its exit code), and kills the group when the calling thread ends: then nobody else can, not even after
/// SIGKILL. Gives the supervisor's process id, or -1 and `error_number` when the program cannot be started.
pid_t start_supervised(const SupervisedStart& start, int& error_number);

}  // namespace envtool
