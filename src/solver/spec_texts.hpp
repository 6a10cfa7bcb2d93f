#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "envtool/specs/match_spec.hpp"

namespace envtool::solving {

/// As a person would write it: `numpy 1.26.*`, `channel::numpy >=2`, with brackets only where they are
/// needed; of an archive its URL, without credentials.
std::string spec_text(const MatchSpec& spec);

/// `` `a`, `b` or `c` `` without repetitions, shortened when there are many.
std::string either_of(std::vector<std::string> texts);
/// `` `a`, `b` and `c` ``.
std::string all_of(std::vector<std::string> texts);

/// Specs of one package that say alternative ranges of its version, with adjacent and overlapping
/// ranges as one: `python >=3.9,<3.10.0a0` and `python >=3.10,<3.11.0a0` give `python >=3.9,<3.11`.
std::vector<std::string> merged_ranges(std::vector<std::string> texts);

/// Specs of one package that hold together: ranges of its version become one where they overlap.
std::vector<std::string> intersected_ranges(std::vector<std::string> texts);

/// `2024-06-10` of milliseconds since the epoch.
std::string day(std::uint64_t milliseconds);

}  // namespace envtool::solving
