#pragma once

#include "../command.hpp"
#include "envtool/prefix/prefix.hpp"
#include "envtool/settings/settings.hpp"

namespace envtool {

/// `env remove` and `remove --all`: asks, then removes the whole environment.
int remove_environment(const CommandContext& context, const Settings& settings, const Prefix& prefix, bool dry_run,
                       bool override_frozen);

}  // namespace envtool
