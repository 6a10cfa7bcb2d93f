#include <catch2/catch.hpp>
#include <chrono>
#include <cstdlib>

#include "cpu_facts.hpp"
#include "cuda_driver.hpp"
#include "envtool/specs/platform.hpp"
#include "envtool/virtual_packages/host_facts.hpp"
#include "envtool/virtual_packages/microarchitecture.hpp"

using namespace envtool;
using namespace std::chrono_literals;

TEST_CASE("only the mainline part of a kernel release", "[virtual_packages]") {
  CHECK(mainline_kernel_version("5.10.0-23-amd64") == "5.10.0");
  CHECK(mainline_kernel_version("6.8.0") == "6.8.0");
  CHECK(mainline_kernel_version("3.10.0-1160.el7.x86_64") == "3.10.0");
  CHECK(mainline_kernel_version("4.4.0.5.7") == "4.4.0.5");
  CHECK(mainline_kernel_version("6.1") == "6.1");
  CHECK(mainline_kernel_version("6.1+") == "6.1");
  CHECK(mainline_kernel_version("6.") == "");
  CHECK(mainline_kernel_version("linux") == "");
}

TEST_CASE("the driver is asked in a child process", "[virtual_packages]") {
  SECTION("a good driver, devices hidden or not") {
    for (const bool hidden : {false, true}) {
      if (hidden) setenv("CUDA_VISIBLE_DEVICES", "", 1);
      const CudaFacts facts = detect_cuda(FAKE_CUDA_ANSWERS, 10s);
      unsetenv("CUDA_VISIBLE_DEVICES");
      CHECK(facts.version == "12.4");
      CHECK(facts.arch == "8.6");
    }
  }
  SECTION("a driver that crashes") {
    const CudaFacts facts = detect_cuda(FAKE_CUDA_CRASHES, 10s);
    CHECK(facts.version == "");
  }
  SECTION("a driver that hangs") {
    const auto start = std::chrono::steady_clock::now();
    const CudaFacts facts = detect_cuda(FAKE_CUDA_HANGS, 200ms);
    CHECK(facts.version == "");
    CHECK(std::chrono::steady_clock::now() - start < 5s);
  }
  SECTION("no driver") { CHECK(detect_cuda("libno-such-driver.so.1", 10s).version == ""); }
}

TEST_CASE("microarchitectures by features", "[virtual_packages]") {
  CpuFacts cpu;
  cpu.family = "x86_64";
  cpu.vendor = "GenuineIntel";
  CHECK(microarchitecture_name(cpu) == "x86_64");
  cpu.features = {"cx16", "lahf_lm", "mmx", "sse", "sse2", "ssse3", "sse4_1", "sse4_2", "popcnt"};
  CHECK(microarchitecture_name(cpu) == "nehalem");
  cpu.vendor = "SomebodyElse";
  CHECK(microarchitecture_name(cpu) == "x86_64_v2");
  for (const char* more : {"avx", "avx2", "bmi1", "bmi2", "f16c", "fma", "abm", "movbe", "xsave"}) cpu.features.insert(more);
  CHECK(microarchitecture_name(cpu) == "x86_64_v3");
  for (const char* more : {"aes", "clflushopt", "clzero", "fsgsbase", "pclmulqdq", "rdseed", "sse4a", "xsavec", "xsaveopt"})
    cpu.features.insert(more);
  cpu.vendor = "AuthenticAMD";
  CHECK(microarchitecture_name(cpu) == "zen");
  cpu.features.insert("clwb");
  CHECK(microarchitecture_name(cpu) == "zen2");
  for (const char* more : {"avx512f", "avx512bw", "avx512cd", "avx512dq", "avx512vl"}) cpu.features.insert(more);
  // Above what the vendor's entries cover, the level without a vendor says more.
  CHECK(microarchitecture_name(cpu) == "x86_64_v4");

  CpuFacts power;
  power.family = "ppc64le";
  power.generation = 9;
  CHECK(microarchitecture_name(power) == "power9le");
  CpuFacts arm;
  arm.family = "aarch64";
  CHECK(microarchitecture_name(arm) == "aarch64");
}

TEST_CASE("this machine", "[virtual_packages]") {
  const HostFacts facts = detect_host_facts(EnvSnapshot::capture());
  CHECK(facts.platform == Platform::current().str());
  CHECK(!facts.microarchitecture.empty());
#ifdef __linux__
  CHECK(!facts.linux_version.empty());
#endif
#ifdef __GLIBC__
  CHECK(facts.glibc_version == std::to_string(__GLIBC__) + "." + std::to_string(__GLIBC_MINOR__));
#endif
#ifdef __x86_64__
  // The compiler's own view of the processor.
  CHECK(detect_cpu().features.contains("avx2") == (__builtin_cpu_supports("avx2") != 0));
  CHECK(detect_cpu().features.contains("avx512f") == (__builtin_cpu_supports("avx512f") != 0));
  CHECK(detect_cpu().features.contains("bmi2") == (__builtin_cpu_supports("bmi2") != 0));
#endif
}
