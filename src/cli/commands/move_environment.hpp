#pragma once

#include "../command.hpp"
#include "envtool/app/move.hpp"
#include "envtool/settings/settings.hpp"

namespace envtool {

/// Shows a clone or move, carries it out unless it is a dry run, and says what was done; the exit code.
/// `may_ask`: the replacement of an environment is a question (else it was allowed).
int show_and_move(const CommandContext& context, const Settings& settings, CopyRequest::Kind kind, const Prefix& from,
                  const Prefix& to, MoveChoices choices, bool dry_run, bool may_ask);

}  // namespace envtool
