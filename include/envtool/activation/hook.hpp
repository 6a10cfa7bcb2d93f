#pragma once

#include <string>
#include <string_view>

#include "envtool/activation/shell.hpp"

namespace envtool {

/// What the shell integration has to know.
struct HookSettings {
  /// Absolute path of the program.
  std::string executable;
  /// Exported as ENVTOOL_ROOT_PREFIX unless empty.
  std::string root_prefix;
  /// Activated at the end unless empty (conda's `auto_activate_base`, for any environment).
  std::string auto_activate;
};

/// The text that defines the command `envtool` in a shell. `envtool activate|deactivate|reactivate`
/// evaluates what `"$ENVTOOL_EXE" shell <command> -s <shell> <arguments>` prints; commands that
/// change packages are followed by a reactivation; all others run the program.
std::string shell_hook(Shell shell, const HookSettings& settings);

/// The lines that `shell init` puts into the shell's start file, with their markers and a final
/// newline.
std::string init_block(Shell shell, const HookSettings& settings);
/// The start file's text with the block: in the place of the block that is there, else at the end.
/// Inserting twice changes nothing. Throws `Error` (invalid_input) naming `origin` when a marker is
/// without its partner.
std::string insert_init_block(std::string_view text, std::string_view block, const std::string& origin);
/// The start file's text without any block. Same error.
std::string remove_init_block(std::string_view text, const std::string& origin);

}  // namespace envtool
