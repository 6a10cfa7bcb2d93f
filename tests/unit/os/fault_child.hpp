#pragma once

#include <catch2/catch.hpp>

#include <cstdlib>
#include <string>

#include "envtool/os/failpoint.hpp"
#include "envtool/os/process.hpp"

namespace envtool {

/// Runs one hidden test case of this program as a child with a fail point set, since the fail points
/// of a process are read once. The child finds its folder in ENVTOOL_TEST_FOLDER.
inline ProcessResult run_fault_child(const std::string& test_case, const std::string& folder, const std::string& fail_point) {
  const EnvSnapshot environment =
      EnvSnapshot::capture().with("ENVTOOL_TEST_FOLDER", folder).with("ENVTOOL_FAILPOINT", fail_point);
  ProcessRequest request;
  request.arguments = {self_path(), test_case};
  request.environment = &environment;
  request.time_limit = 60;
  return run_process(request);
}

inline std::string fault_folder() {
  const char* folder = std::getenv("ENVTOOL_TEST_FOLDER");
  return folder == nullptr ? "" : folder;
}

/// False, and visibly so, when the build has no fail points.
inline bool has_failpoints() {
#ifdef ENVTOOL_FAILPOINTS
  return true;
#else
  WARN("SKIPPED: this build has no fail points (ENVTOOL_FAILPOINTS)");
  return false;
#endif
}

}  // namespace envtool
