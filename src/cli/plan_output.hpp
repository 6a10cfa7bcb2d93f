#pragma once

#include "command.hpp"
#include "envtool/app/change.hpp"
#include "terminal_reporter.hpp"

namespace envtool {

/// The one way from a plan to its end: shows it, asks unless told not to, carries it out, and says
/// what was done in text or conda's JSON. `dry_run` stops after showing.
int show_and_execute(const CommandContext& context, const AppInputs& inputs, TerminalReporter& reporter, const Plan& plan,
                     bool dry_run);

}  // namespace envtool
