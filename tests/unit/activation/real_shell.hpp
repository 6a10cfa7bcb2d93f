#pragma once

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "envtool/activation/shell.hpp"

namespace envtool_test {

/// A folder that is removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }
  std::string str() const { return path_.string(); }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, const std::string& text, bool executable = false);
std::string read_file(const std::filesystem::path& path);

struct ProcessResult {
  int status = -1;
  std::string out;
  std::string err;
};

/// The program that runs scripts of this shell, or nothing when this machine has none.
std::optional<std::string> find_program(envtool::Shell shell);

/// Runs a script file with the shell, without the user's start files, with exactly these variables
/// (HOME and the like are set to the folder).
ProcessResult run_script(envtool::Shell shell, const std::string& script, const TemporaryFolder& folder,
                         std::map<std::string, std::string> environment);

/// The shell's statement that writes its exported variables, NUL-separated, to a file.
std::string dump_statement(envtool::Shell shell, const std::string& file);
/// Reads such a file; the variables that shells keep for themselves are left out.
std::map<std::string, std::string> read_dump(const std::filesystem::path& file);

/// Whether the shell can be tested here. A shell that this machine lacks is skipped with a warning,
/// except those that the project's set-up script installs: their absence fails the test.
bool is_here(envtool::Shell shell);

}  // namespace envtool_test
