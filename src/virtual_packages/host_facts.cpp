#include "envtool/virtual_packages/host_facts.hpp"

#include <sys/utsname.h>
#include <unistd.h>

#include "cpu_facts.hpp"
#include "cuda_driver.hpp"
#include "envtool/specs/platform.hpp"

namespace envtool {
namespace {

/// `glibc 2.36` of confstr, or nothing with another C library.
std::string glibc_version() {
#ifdef _CS_GNU_LIBC_VERSION
  char text[64];
  const std::size_t size = confstr(_CS_GNU_LIBC_VERSION, text, sizeof text);
  if (size == 0 || size > sizeof text) return {};
  const std::string_view answer(text, size - 1);
  if (!answer.starts_with("glibc ")) return {};
  std::string_view version = answer.substr(6);
  // Only major and minor (CEP 30).
  const std::size_t first = version.find('.');
  if (first != std::string_view::npos) version = version.substr(0, version.find('.', first + 1));
  return std::string(version);
#else
  return {};
#endif
}

}  // namespace

std::string mainline_kernel_version(std::string_view release) {
  // Up to four numbers with dots between them; the distribution's part follows.
  std::size_t end = 0;
  int numbers = 0;
  while (numbers < 4) {
    std::size_t at = end == 0 ? 0 : end + 1;
    if (end != 0 && (end >= release.size() || release[end] != '.')) break;
    const std::size_t start = at;
    while (at < release.size() && release[at] >= '0' && release[at] <= '9') ++at;
    if (at == start) break;
    end = at;
    ++numbers;
  }
  return numbers < 2 ? std::string() : std::string(release.substr(0, end));
}

HostFacts detect_host_facts(const EnvSnapshot& environment) {
  HostFacts facts;
  const Platform platform = Platform::current();
  facts.platform = platform.str();
  if (platform.is_linux()) {
    utsname names{};
    if (uname(&names) == 0) facts.linux_version = mainline_kernel_version(names.release);
    facts.glibc_version = glibc_version();
    if (!environment.get_raw("CONDA_OVERRIDE_CUDA")) {
      const CudaFacts cuda = detect_cuda("libcuda.so.1", std::chrono::seconds(2));
      facts.cuda_version = cuda.version;
      facts.cuda_arch = cuda.arch;
    }
  }
  facts.microarchitecture = microarchitecture_name(detect_cpu());
  return facts;
}

}  // namespace envtool
