#pragma once

#include <stop_token>
#include <string>
#include <vector>

namespace envtool::detail {

/// One file to byte-compile, all paths absolute.
struct CompileJob {
  std::string source;
  std::string target;
  /// The name that tracebacks show: where the source will be.
  std::string shown_as;
};

/// Compiles all files in one Python process (which forks a few workers) and says for each whether its
/// target is there now. Files that Python refuses are no error (conda does the same), nor is a Python
/// that does not run. Throws `Error` (interrupted) only.
std::vector<char> compile_python(const std::string& python, const std::vector<CompileJob>& jobs, unsigned time_limit,
                                 std::stop_token stop);

}  // namespace envtool::detail
