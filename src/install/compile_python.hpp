#pragma once

#include <stop_token>
#include <string>
#include <vector>

namespace envtool::detail {

/// One file to byte-compile.
struct CompileJob {
  std::string source;  ///< absolute
  std::string target;  ///< absolute
  /// What the byte code names its source: relative to the prefix, as conda writes it, so that it serves
  /// every environment (Python puts the real path in when it imports).
  std::string shown_as;
};

/// True when the folder for a byte-compiled file is a symlink: a package that ships `__pycache__` as a
/// link could have files written outside the environment.
bool is_behind_link(const std::string& target);

/// Compiles all files in one Python process (which forks a few workers) and says for each whether its
/// target is there now. Files that Python refuses are no error (conda does the same), nor is a Python
/// that does not run. Throws `Error` (interrupted) only.
std::vector<char> compile_python(const std::string& python, const std::vector<CompileJob>& jobs, unsigned time_limit,
                                 std::stop_token stop);

}  // namespace envtool::detail
