#pragma once

#include <string>

#include "envtool/os/environment.hpp"

namespace envtool {

/// What was found out about this machine. Empty strings: not there, or not to be found out.
struct HostFacts {
  /// The platform that the machine is, for example `linux-64`.
  std::string platform;
  /// Kernel version without what the distribution adds: `5.10.0`.
  std::string linux_version;
  /// `major.minor`.
  std::string glibc_version;
  /// Latest CUDA version that the driver supports, `major.minor`.
  std::string cuda_version;
  /// Lowest compute capability of all CUDA devices, `major.minor`.
  std::string cuda_arch;
  std::string osx_version;
  std::string win_version;
  /// archspec's name of the processor's microarchitecture.
  std::string microarchitecture;
};

/// Asks the machine, once a run. The graphics driver is loaded in a child process of its own that
/// is given up after two seconds, so a broken driver costs time at worst; it is not asked when
/// CONDA_OVERRIDE_CUDA answers already. Never throws: what cannot be found out stays empty. Call it
/// before threads are started.
HostFacts detect_host_facts(const EnvSnapshot& environment);

/// The mainline part of `uname -r`: `5.10.0-23-amd64` gives `5.10.0`; empty when there is none.
std::string mainline_kernel_version(std::string_view release);

}  // namespace envtool
