#pragma once

#include <optional>

#include "envtool/solver/solve.hpp"

namespace envtool::solving {

/// The plain solve, without reasons.
std::optional<Solution> find_solution(const SolveRequest& request, SolveStatistics* statistics);

/// Why an unsolvable request is unsolvable.
Unsolvable find_reasons(const SolveRequest& request);

}  // namespace envtool::solving
