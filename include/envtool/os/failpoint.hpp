#pragma once

#include <string_view>

namespace envtool {

/// A named place where the fault tests can make the process die or a call fail. With
/// `ENVTOOL_FAILPOINT=name:n:kill|errno` in the environment the n-th pass (from 1) through `name`
/// kills the process (SIGKILL) or makes this return that errno; otherwise 0. Compiled to a constant
/// 0 unless the build has ENVTOOL_FAILPOINTS.
#ifdef ENVTOOL_FAILPOINTS
int failpoint(std::string_view name);
#else
constexpr int failpoint(std::string_view) { return 0; }
#endif

}  // namespace envtool
