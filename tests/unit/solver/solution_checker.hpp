#pragma once

#include <string>
#include <vector>

#include "envtool/solver/solve.hpp"

namespace envtool::test {

/// Judges a solution by the words of the records alone; shares nothing with the solver but
/// `MatchSpec` and `Version`. Returns what is wrong, a sentence each.
std::vector<std::string> check_solution(const SolveRequest& request, const Solution& solution);

}  // namespace envtool::test
