#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/virtual_packages/virtual_packages.hpp"

using namespace envtool;
using Variables = std::map<std::string, std::string>;

namespace {

HostFacts linux_host() {
  HostFacts facts;
  facts.platform = "linux-64";
  facts.linux_version = "6.1.0";
  facts.glibc_version = "2.36";
  facts.microarchitecture = "zen3";
  return facts;
}

std::string derived(const HostFacts& facts, const char* platform, Variables variables = {},
                    const AssumedVersions& assumed = {}) {
  std::string text;
  for (const auto& record :
       derive_virtual_packages(facts, Platform::parse(platform), EnvSnapshot(std::move(variables)), assumed))
    text += (text.empty() ? "" : ", ") + record.name + "=" + record.version + "=" + record.build;
  return text;
}

}  // namespace

TEST_CASE("the host's own platform", "[virtual_packages]") {
  CHECK(derived(linux_host(), "linux-64") == "__archspec=1=zen3, __glibc=2.36=0, __linux=6.1.0=0, __unix=0=0");
  HostFacts gpu = linux_host();
  gpu.cuda_version = "12.4";
  gpu.cuda_arch = "8.6";
  CHECK(derived(gpu, "linux-64") ==
        "__archspec=1=zen3, __cuda=12.4=0, __cuda_arch=8.6=0, __glibc=2.36=0, __linux=6.1.0=0, __unix=0=0");
  HostFacts musl = linux_host();
  musl.glibc_version = "";
  CHECK(derived(musl, "linux-64") == "__archspec=1=zen3, __linux=6.1.0=0, __unix=0=0");
}

TEST_CASE("another platform than the host's", "[virtual_packages]") {
  HostFacts host = linux_host();
  host.cuda_version = "12.4";
  CHECK(derived(host, "linux-aarch64") == "__archspec=1=aarch64, __glibc=2.28=0, __linux=4.18=0, __unix=0=0");
  CHECK(derived(host, "osx-arm64") == "__archspec=1=aarch64, __osx=0=0, __unix=0=0");
  CHECK(derived(host, "win-64") == "__archspec=1=x86_64, __win=0=0");
  CHECK(derived(host, "osx-64", {}, AssumedVersions::for_locking()) == "__archspec=1=x86_64, __osx=13.0=0, __unix=0=0");
}

TEST_CASE("overrides", "[virtual_packages]") {
  CHECK(derived(linux_host(), "linux-64", {{"CONDA_OVERRIDE_GLIBC", "2.17"}, {"CONDA_OVERRIDE_LINUX", "3.10"},
                                           {"CONDA_OVERRIDE_ARCHSPEC", "x86_64_v3"}, {"CONDA_OVERRIDE_CUDA", "11.8"}}) ==
        "__archspec=1=x86_64_v3, __cuda=11.8=0, __glibc=2.17=0, __linux=3.10=0, __unix=0=0");
  // Those of another platform do nothing.
  CHECK(derived(linux_host(), "osx-64", {{"CONDA_OVERRIDE_OSX", "14.2"}, {"CONDA_OVERRIDE_GLIBC", "2.17"},
                                         {"CONDA_OVERRIDE_UNIX", "7"}, {"CONDA_OVERRIDE_WIN", "11"}}) ==
        "__archspec=1=x86_64, __osx=14.2=0, __unix=0=0");
}

TEST_CASE("an empty override takes the package away", "[virtual_packages]") {
  HostFacts gpu = linux_host();
  gpu.cuda_version = "12.4";
  gpu.cuda_arch = "8.6";
  CHECK(derived(gpu, "linux-64", {{"CONDA_OVERRIDE_CUDA", ""}, {"CONDA_OVERRIDE_GLIBC", ""}, {"CONDA_OVERRIDE_LINUX", ""}}) ==
        "__archspec=1=zen3, __unix=0=0");
  CHECK(derived(gpu, "linux-64", {{"CONDA_OVERRIDE_CUDA_ARCH", ""}, {"CONDA_OVERRIDE_ARCHSPEC", ""}}) ==
        "__archspec=1=zen3, __cuda=12.4=0, __glibc=2.36=0, __linux=6.1.0=0, __unix=0=0");
}

TEST_CASE("__cuda_arch needs __cuda", "[virtual_packages]") {
  CHECK(derived(linux_host(), "linux-64", {{"CONDA_OVERRIDE_CUDA_ARCH", "8.6"}}).find("__cuda") == std::string::npos);
  CHECK(derived(linux_host(), "win-64", {{"CONDA_OVERRIDE_CUDA", "12.4"}, {"CONDA_OVERRIDE_CUDA_ARCH", "8.6"}}) ==
        "__archspec=1=x86_64, __cuda=12.4=0, __cuda_arch=8.6=0, __win=0=0");
  CHECK(derived(linux_host(), "win-64", {{"CONDA_OVERRIDE_CUDA", "12.4"}, {"CONDA_OVERRIDE_CUDA_ARCH", "9.0=H100"}}) ==
        "__archspec=1=x86_64, __cuda=12.4=0, __cuda_arch=9.0=H100, __win=0=0");
}

TEST_CASE("an override that is nonsense is refused", "[virtual_packages]") {
  CHECK_THROWS_AS(derived(linux_host(), "linux-64", {{"CONDA_OVERRIDE_CUDA", "12 point 4"}}), Error);
  CHECK_THROWS_AS(derived(linux_host(), "linux-64", {{"CONDA_OVERRIDE_ARCHSPEC", "a b"}}), Error);
  CHECK_THROWS_AS(derived(linux_host(), "linux-64", {{"CONDA_OVERRIDE_CUDA", "12"}, {"CONDA_OVERRIDE_CUDA_ARCH", "9.0a"}}), Error);
}
