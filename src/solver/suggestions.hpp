#pragma once

#include <vector>

#include "envtool/solver/solve.hpp"

namespace envtool::solving {

/// Changes to an unsolvable request that make it solvable, each tried by solving; at most some
/// twenty solves. `core` is its `smallest_unsolvable`.
std::vector<Suggestion> find_suggestions(const SolveRequest& request, const SolveRequest& core,
                                         const std::vector<ConflictReason>& reasons);

/// The same for wishes that nothing in the channels answers.
std::vector<Suggestion> find_suggestions(const SolveRequest& request, const std::vector<MissingPackage>& missing);

}  // namespace envtool::solving
