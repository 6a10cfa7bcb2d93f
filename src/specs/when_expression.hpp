#pragma once

#include <string>
#include <string_view>

namespace envtool {

/// Checks the value of `when` (CEP 43): match specs joined by `and`, `or` and parentheses, none with
/// a `when` of its own. Gives the text with single spaces between words. Throws `SpecProblem`.
std::string checked_when(std::string_view text);

}  // namespace envtool
