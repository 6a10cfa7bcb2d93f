#include "real_shell.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <stdexcept>

namespace envtool_test {

using envtool::Shell;
namespace fs = std::filesystem;

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (fs::temp_directory_path() / "envtool-activation-XXXXXX").string();
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

void write_file(const fs::path& path, const std::string& text, bool executable) {
  fs::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary) << text;
  if (executable) fs::permissions(path, fs::perms::owner_all);
}

std::string read_file(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::optional<std::string> find_program(Shell shell) {
  const auto names = [&]() -> std::vector<std::string> {
    switch (shell) {
      case Shell::posix: return {"sh"};
      case Shell::powershell: return {"pwsh", "powershell"};
      default: return {std::string(envtool::shell_name(shell))};
    }
  }();
  const char* path = std::getenv("PATH");
  std::string rest = path == nullptr ? "/usr/bin:/bin" : path;
  while (!rest.empty()) {
    const auto colon = rest.find(':');
    const std::string folder = rest.substr(0, colon);
    rest = colon == std::string::npos ? "" : rest.substr(colon + 1);
    for (const std::string& name : names) {
      const std::string candidate = folder + "/" + name;
      if (!folder.empty() && access(candidate.c_str(), X_OK) == 0) return candidate;
    }
  }
  return std::nullopt;
}

namespace {

std::vector<std::string> command_of(Shell shell, const std::string& program) {
  switch (shell) {
    case Shell::bash: return {program, "--norc", "--noprofile"};
    case Shell::zsh: return {program, "-f"};
    case Shell::fish: return {program, "--no-config"};
    case Shell::tcsh: return {program, "-f"};
    case Shell::xonsh: return {program, "--no-rc"};
    case Shell::powershell: return {program, "-NoProfile", "-File"};
    default: return {program};
  }
}

}  // namespace

ProcessResult run_script(Shell shell, const std::string& script, const TemporaryFolder& folder,
                         std::map<std::string, std::string> environment) {
  const auto program = find_program(shell);
  if (!program) throw std::runtime_error("no such shell here");
  environment.emplace("HOME", folder.str());
  environment.emplace("XDG_CONFIG_HOME", folder.str() + "/.config");
  environment.emplace("XDG_DATA_HOME", folder.str() + "/.data");
  environment.emplace("PATH", "/usr/local/bin:/usr/bin:/bin");
  environment.emplace("LC_ALL", "C.UTF-8");

  std::vector<std::string> words = command_of(shell, *program);
  words.push_back(script);
  std::vector<std::string> variables;
  for (const auto& [name, value] : environment) variables.push_back(name + "=" + value);
  std::vector<char*> arguments, pointers;
  for (std::string& word : words) arguments.push_back(word.data());
  for (std::string& variable : variables) pointers.push_back(variable.data());
  arguments.push_back(nullptr);
  pointers.push_back(nullptr);

  const std::string out = folder.str() + "/.stdout";
  const std::string err = folder.str() + "/.stderr";
  const pid_t child = fork();
  if (child == 0) {
    const int null = open("/dev/null", O_RDONLY);
    const int out_file = open(out.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    const int err_file = open(err.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(null, 0);
    dup2(out_file, 1);
    dup2(err_file, 2);
    if (chdir(folder.str().c_str()) != 0) _exit(126);
    execve(program->c_str(), arguments.data(), pointers.data());
    _exit(127);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status), read_file(out), read_file(err)};
}

std::string dump_statement(Shell shell, const std::string& file) {
  const std::string quoted = envtool::quote(file, shell);
  switch (shell) {
    case Shell::xonsh:
      return "__import__('subprocess').run(['/usr/bin/env', '-0'], env=${...}.detype(), stdout=open(" + quoted +
             ", 'wb'))\n";
    case Shell::powershell: return "/usr/bin/env -0 > " + quoted + "\n";
    default: return "/usr/bin/env -0 > " + quoted + "\n";
  }
}

std::map<std::string, std::string> read_dump(const fs::path& file) {
  std::map<std::string, std::string> result;
  const std::string text = read_file(file);
  for (std::size_t begin = 0; begin < text.size();) {
    const std::size_t end = text.find('\0', begin);
    const std::string item = text.substr(begin, end - begin);
    const std::size_t equals = item.find('=');
    result[item.substr(0, equals)] = item.substr(equals + 1);
    begin = end == std::string::npos ? text.size() : end + 1;
  }
  for (const char* own : {"_", "SHLVL", "PWD", "OLDPWD", "HOST", "HOSTTYPE", "OSTYPE", "MACHTYPE", "VENDOR", "GROUP",
                          "LOGNAME", "USER", "TERM", "COLUMNS", "LINES", "ARG0", "ARG1", "ARGS", "XONSH_SOURCE"}) {
    result.erase(own);
  }
  return result;
}

bool is_here(Shell shell) {
  if (find_program(shell)) return true;
  for (const Shell required : {Shell::posix, Shell::bash, Shell::zsh, Shell::dash, Shell::fish, Shell::tcsh}) {
    if (shell == required) FAIL("the shell " << envtool::shell_name(shell) << " is not installed (run the set-up script)");
  }
  WARN("SKIPPED: the shell " << envtool::shell_name(shell) << " is not installed");
  return false;
}

}  // namespace envtool_test
