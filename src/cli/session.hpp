#pragma once

#include <string>
#include <vector>

#include "command.hpp"
#include "envtool/app/change.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/prefix/prefix.hpp"
#include "envtool/settings/settings.hpp"

namespace envtool {

/// The settings in force for a command: configuration files, variables, options. `prefix` is the
/// environment whose own file is read, or empty. Warnings are printed unless quiet.
Settings load_settings(const CommandContext& context, const ChannelOptions& channels = {}, const std::string& prefix = {});

/// The environment that a command is about: `-p`, `-n`, or the active one. Throws `Error`
/// (environment_not_found) when there is none.
Prefix existing_target(const CommandContext& context, const Settings& settings, const TargetOptions& target);

/// Finishes or discards what a killed process left in the environment and next to it, and says so on standard
/// error: that it happened, what was kept aside, that a change is under way or cannot be finished here, that
/// pip packages are missing. Throws what `recover` throws.
RecoverResult recover_and_tell(const CommandContext& context, const Prefix& prefix);

/// `-n NAME` or `-p PATH` as a place for a new environment; falls back to what a file suggested.
/// Throws `Error` (usage) when nobody said where.
Prefix new_target(const CommandContext& context, const Settings& settings, const TargetOptions& target,
                  const std::string& suggested_name, const std::string& suggested_prefix);

/// True when the text is a path rather than a name.
bool looks_like_path(const std::string& text);

}  // namespace envtool
