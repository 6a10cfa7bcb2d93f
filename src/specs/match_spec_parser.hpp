#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "brackets.hpp"
#include "envtool/specs/match_spec.hpp"

namespace envtool {

/// The specs inside a `when` have none of their own; refusing it at once also bounds the recursion.
enum class WhenAllowed { no, yes };

/// `MatchSpec::parse`.
MatchSpec parse_match_spec(std::string_view text, WhenAllowed when_allowed);

/// Fills `channel` and `subdir` from what stands before `::` or behind `channel=`. Throws `SpecProblem`.
void set_channel(MatchSpec& spec, std::string_view text);
/// Checks and fills `url`. Throws `SpecProblem` or `Error`.
void set_location(MatchSpec& spec, std::string_view text);
/// Checks and fills `build`. Throws `SpecProblem`.
void set_build(MatchSpec& spec, std::string_view text);
/// Fills the fields of the square brackets, which win over the positional parts. Throws `SpecProblem`.
void apply_fields(MatchSpec& spec, const std::vector<BracketField>& fields, WhenAllowed when_allowed);

/// A URL without credentials and fragment; any other text unchanged.
std::string printable_location(std::string_view text);

/// True when the text is compared as a pattern (CEP 29): it has a `*` or is `^...$`.
bool is_pattern(std::string_view text);

}  // namespace envtool
