#pragma once

#include <string>
#include <vector>

#include "envtool/os/environment.hpp"
#include "envtool/records/package_record.hpp"
#include "envtool/specs/platform.hpp"
#include "envtool/virtual_packages/host_facts.hpp"

namespace envtool {

/// Versions to assume for what the machine does not tell, because it is of another platform than
/// the one that is solved for.
struct AssumedVersions {
  std::string linux_version = "4.18";
  std::string glibc_version = "2.28";
  /// CEP 30 wants `0`, with which hardly any macOS package can be chosen; see `for_locking`.
  std::string osx_version = "0";
  std::string win_version = "0";

  /// Assumptions that present packages can be solved with: a macOS, Windows and glibc that are all
  /// still common. For lock files that one machine makes for several platforms.
  static AssumedVersions for_locking();
};

/// The virtual packages of a platform (CEP 30, CEP 46), sorted by name; only name, version and
/// build are set. The host's facts count when it is of that platform. `CONDA_OVERRIDE_CUDA`,
/// `_CUDA_ARCH`, `_GLIBC`, `_LINUX`, `_OSX`, `_WIN` and `_ARCHSPEC` of the environment replace the
/// value; an empty one takes the package away (`__archspec` and `__unix` are always there).
/// Throws `Error` (invalid_input) for an override that is no version.
std::vector<PackageRecord> derive_virtual_packages(const HostFacts& facts, const Platform& platform,
                                                   const EnvSnapshot& environment,
                                                   const AssumedVersions& assumed = {});

}  // namespace envtool
