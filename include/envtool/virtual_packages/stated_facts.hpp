#pragma once

#include <string>
#include <vector>

#include "envtool/specs/platform.hpp"
#include "envtool/virtual_packages/host_facts.hpp"
#include "envtool/virtual_packages/virtual_packages.hpp"

namespace envtool {

/// One virtual package that somebody states about a machine.
struct StatedPackage {
  std::string name;
  /// `version` or `version=build`, of `__archspec` the microarchitecture alone, too; empty: the machine
  /// has no such package.
  std::string value;
  /// Where it is stated, for errors.
  std::string where;
};

/// The facts of a machine that is described instead of asked. What is not stated is not there, but for
/// what every machine of the platform has (`__archspec`, `__glibc`, `__linux`, `__osx`, `__win`): that is
/// assumed. Throws `Error` (invalid_input) with the place for packages that no machine or none of that
/// platform has and for versions and builds that CEP 30 and CEP 46 do not allow.
HostFacts facts_of_statement(const std::vector<StatedPackage>& packages, const Platform& platform,
                             const AssumedVersions& assumed);

}  // namespace envtool
