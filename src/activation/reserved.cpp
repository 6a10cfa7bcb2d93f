#include "reserved.hpp"

#include <algorithm>
#include <array>

namespace envtool {
namespace {

// One list for all shells: what an environment sets must not depend on who activates it.
constexpr auto forbidden = std::to_array<std::string_view>({
    // kept by activation
    "PATH", "PS1", "PROMPT", "prompt", "CONDA_PREFIX", "CONDA_SHLVL", "CONDA_DEFAULT_ENV",
    "CONDA_PROMPT_MODIFIER", "ENVTOOL_EXE",
    // read-only in a shell, or with an effect of their own (zsh changes user on UID)
    "UID", "EUID", "GID", "EGID", "PPID", "USERNAME", "SHELLOPTS", "BASHOPTS", "BASH_VERSINFO", "IFS",
    "PWD", "OLDPWD", "SHLVL", "LINENO", "_", "FISH_VERSION", "fish_pid", "version", "history", "hostname",
    // zsh's arrays and maps; `path` is PATH
    "argv", "status", "pipestatus", "path", "cdpath", "fpath", "mailpath", "manpath", "module_path",
    "fignore", "psvar", "watch", "options", "functions", "aliases", "builtins", "commands", "parameters",
    "signals", "dirstack", "funcstack", "jobstates", "jobtexts", "modules", "nameddirs", "userdirs",
    "widgets", "keymaps", "zsh_eval_context",
});

// zsh and bash take the text for an arithmetic expression, which can hold `$(...)`: numbers only.
constexpr auto numeric = std::to_array<std::string_view>({
    "RANDOM", "SRANDOM", "SECONDS", "EPOCHSECONDS", "HISTCMD", "HISTSIZE", "HISTFILESIZE", "SAVEHIST",
    "COLUMNS", "LINES", "TMOUT", "OPTIND", "KEYTIMEOUT", "FUNCNEST", "MAILCHECK", "LISTMAX",
    "DIRSTACKSIZE", "TTYIDLE", "ERRNO", "BAUD", "BASHPID", "LOGCHECK", "PERIOD", "TRY_BLOCK_ERROR",
    "TRY_BLOCK_INTERRUPT",
});

bool is_number(std::string_view text) {
  return !text.empty() && text.size() <= 9 &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
}

}  // namespace

bool is_reserved_variable(std::string_view name, std::string_view value) {
  if (std::find(forbidden.begin(), forbidden.end(), name) != forbidden.end()) return true;
  if (name.starts_with("CONDA_PREFIX_") || name.starts_with("CONDA_STACKED_") ||
      name.starts_with("__CONDA_SHLVL_") || name.starts_with("__envtool")) {
    return true;
  }
  return std::find(numeric.begin(), numeric.end(), name) != numeric.end() && !is_number(value);
}

}  // namespace envtool
