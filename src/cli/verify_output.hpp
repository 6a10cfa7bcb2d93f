#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "envtool/app/verify.hpp"

namespace envtool {

/// One row for each problem: package, path, what, expected, found. Long lists are cut.
std::string problem_table(const std::vector<Problem>& problems);
/// `{package, path, kind, expected, found}`.
nlohmann::ordered_json problem_json(const Problem& problem);
/// `finish`, `undo`, ..., or null when nothing is pending.
nlohmann::ordered_json pending_json(const PendingChange& pending);

}  // namespace envtool
