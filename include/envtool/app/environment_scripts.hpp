#pragma once

#include <map>
#include <string>

#include "envtool/activation/activation.hpp"
#include "envtool/prefix/prefix.hpp"

namespace envtool {

/// What an environment contributes to its activation: `etc/conda/env_vars.d/*.json` in order of
/// their names, `conda-meta/state` on top, and the scripts of `activate.d` and `deactivate.d`
/// (CEP 32). A document that cannot be understood throws `Error` (invalid_input) naming it.
ActivationEnvironment read_activation_environment(const Prefix& prefix);

/// The input of an activation of `target` (empty: of a deactivation or reactivation): the shell's
/// variables and what every environment that takes part contributes.
ActivationInput activation_input(Shell shell, const std::map<std::string, std::string>& variables,
                                 const std::string& root_prefix, const std::string& target);

/// Notes the activation in `conda-meta/last_activated` (CEP 32); a failure is no failure.
void touch_last_activated(const Prefix& prefix);

}  // namespace envtool
