#pragma once

#include <chrono>
#include <string>

namespace envtool {

/// What the NVIDIA driver says; empty strings when there is none.
struct CudaFacts {
  std::string version;  ///< `major.minor`
  std::string arch;     ///< lowest compute capability, `major.minor`
};

/// Loads the driver's library in a child process and asks it. Never throws.
CudaFacts detect_cuda(const std::string& library, std::chrono::milliseconds time_limit);

}  // namespace envtool
