#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace envtool {

/// A family of shells that reads the same text. `posix` is plain `sh` (ash, ksh and `sh` itself).
enum class Shell { posix, bash, zsh, dash, fish, tcsh, xonsh, powershell };

/// All shells, in the order in which messages list them.
const std::vector<Shell>& all_shells();
/// `posix`, `bash`, `zsh`, `dash`, `fish`, `tcsh`, `xonsh`, `powershell`.
std::string_view shell_name(Shell shell);
/// From a name as users and `$SHELL` write it: `bash`, `-zsh`, `/bin/csh`, `pwsh`, `sh`, `ksh`.
/// Nothing for an unknown one.
std::optional<Shell> find_shell(std::string_view name);
/// As `find_shell`; throws `Error` (usage) with the closest names for an unknown one.
Shell parse_shell(std::string_view name);
/// True for the shells that read POSIX `sh` syntax.
bool is_posix_like(Shell shell);

/// Extension of the `activate.d` scripts that the shell runs, with its dot. xonsh runs those of
/// POSIX shells through bash.
std::string_view script_extension(Shell shell);

/// The text as one literal of the shell: whatever it holds, the shell reads back this very text and
/// runs nothing. For tcsh the literal may span lines, so it has to be read from a file or a
/// variable, not through back quotes. Throws `Error` (invalid_input) for a NUL character, which no
/// shell can hold.
std::string quote(std::string_view text, Shell shell);

/// True for names that can be a variable in every shell: `[A-Za-z_][A-Za-z0-9_]*`.
bool is_variable_name(std::string_view name);

/// The file that `shell init` edits: `.bashrc`, `$ZDOTDIR/.zshrc`,
/// `$XDG_CONFIG_HOME/fish/config.fish`, ... An empty `zdotdir` or `xdg_config_home` counts as unset.
std::string init_file(Shell shell, std::string_view home, std::string_view zdotdir = {},
                      std::string_view xdg_config_home = {});

}  // namespace envtool
