#pragma once

#include <cstddef>
#include <vector>

#include "envtool/solver/solve.hpp"

namespace envtool::solving {

/// A request with as few wishes, pins and frozen packages as can be while it stays unsolvable:
/// taking away any one of them makes it solvable. `request` must be unsolvable.
SolveRequest smallest_unsolvable(const SolveRequest& request);

}  // namespace envtool::solving
