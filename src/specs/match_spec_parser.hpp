#pragma once

#include <string>
#include <string_view>

#include "envtool/specs/match_spec.hpp"

namespace envtool {

/// The specs inside a `when` have none of their own; refusing it at once also bounds the recursion.
enum class WhenAllowed { no, yes };

/// `MatchSpec::parse`.
MatchSpec parse_match_spec(std::string_view text, WhenAllowed when_allowed);

/// A URL without credentials and fragment; any other text unchanged.
std::string printable_location(std::string_view text);

/// True when the text is compared as a pattern (CEP 29): it has a `*` or is `^...$`.
bool is_pattern(std::string_view text);

}  // namespace envtool
