#pragma once

#include "../command.hpp"

namespace envtool {

/// `env move SOURCE PATH`.
void add_move_command(CLI::App& parent, CommandContext& context);

}  // namespace envtool
