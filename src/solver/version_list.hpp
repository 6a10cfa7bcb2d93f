#pragma once

#include <string>

#include "universe.hpp"

namespace envtool::solving {

/// The versions of some candidates of a name, lowest first and shortened:
/// `1.20, 1.21, ..., 1.26`. With one version and not all of its builds: `1.26 py39_0`.
std::string version_list(const Universe& universe, NameId name, const Bits& candidates);

}  // namespace envtool::solving
