#pragma once

#include <vector>

#include "envtool/lockfile/lockfile.hpp"

namespace envtool {

/// The packages by manager, name, platform, category and URL: the one order in which locks are
/// written and hashed.
std::vector<const LockedPackage*> in_canonical_order(const Lockfile& lock);

}  // namespace envtool
