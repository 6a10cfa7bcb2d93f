#pragma once

#include <vector>

#include "universe.hpp"

namespace envtool::solving {

/// The chosen candidates with dependencies before what needs them. In a circle the package that
/// the others are written for comes first (python before pip); otherwise names decide.
std::vector<CandidateId> install_order(const Universe& universe, const std::vector<CandidateId>& chosen);

}  // namespace envtool::solving
