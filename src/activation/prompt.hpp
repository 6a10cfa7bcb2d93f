#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "envtool/activation/activation.hpp"

namespace envtool {

/// What the pending change does to the stack of environments.
enum class StackChange { push, replace, pop, keep };

/// The depth that CONDA_SHLVL says, 0 when it or CONDA_PREFIX says nothing usable.
std::uint64_t shell_level(const std::map<std::string, std::string>& environment);

/// conda's CONDA_PROMPT_MODIFIER once the change is done and the environment at `prefix`, called
/// `name`, is the active one.
std::string prompt_modifier(const ActivationInput& input, std::string_view prefix, const std::string& name,
                            StackChange change);

/// The modifier as it may stand in a shell's prompt variable. Shells expand prompts when they
/// show them, so whatever one of them would take for more than text becomes `?`.
std::string prompt_text(std::string_view modifier);

}  // namespace envtool
