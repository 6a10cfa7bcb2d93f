#pragma once

#include <span>
#include <string>
#include <string_view>

#include "envtool/specs/platform.hpp"

namespace envtool {

/// Decides a selector: boolean variables joined by `and`, `or` and, as in conda-build, `not`, with
/// parentheses. Variables in `known` that are not in `true_ones` are false; others throw `Error`
/// (invalid_input) at `origin:line:column`, where `column` is that of the expression's first
/// character.
struct SelectorPlace {
  const std::string& origin;
  std::size_t line;
  std::size_t column;
};
bool evaluate_selector(std::string_view expression, std::span<const std::string> true_ones,
                       std::span<const std::string> known, const SelectorPlace& place);

/// All variables of comment selectors (CEP 24).
const std::vector<std::string>& selector_variables();
/// Those of `sel(...)` keys: `unix`, `linux`, `osx`, `win`.
const std::vector<std::string>& dictionary_selector_variables();

/// The text after the comment selectors (`# [linux]`): lines whose selector is false are emptied,
/// so that line numbers stay. Says in `used` whether there was any.
std::string apply_comment_selectors(std::string_view text, const std::string& origin, const Platform& platform,
                                    bool& used);

}  // namespace envtool
