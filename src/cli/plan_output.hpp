#pragma once

#include <functional>

#include "command.hpp"
#include "envtool/app/change.hpp"
#include "terminal_reporter.hpp"

namespace envtool {

/// The one way from a plan to its end: shows it, asks unless told not to, carries it out, and says
/// what was done in text or conda's JSON. `dry_run` stops after showing. When another process has changed the
/// environment before the plan's turn came, `planner` makes a new one, a few times; a person who agreed to other
/// changes is asked again. Without a planner that is the error it is.
int show_and_execute(const CommandContext& context, const AppInputs& inputs, TerminalReporter& reporter, const Plan& plan,
                     bool dry_run, const std::function<Plan()>& planner = {});

}  // namespace envtool
