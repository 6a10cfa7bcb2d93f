#pragma once

#include "envtool/virtual_packages/microarchitecture.hpp"

namespace envtool {

/// Asks the processor that this runs on.
CpuFacts detect_cpu();

}  // namespace envtool
