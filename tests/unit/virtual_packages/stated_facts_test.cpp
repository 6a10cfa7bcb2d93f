#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/virtual_packages/stated_facts.hpp"

using namespace envtool;

namespace {
std::string derived(const std::vector<StatedPackage>& packages, const char* platform_name, std::map<std::string, std::string> variables = {}) {
  const Platform platform = Platform::parse(platform_name);
  const AssumedVersions assumed = AssumedVersions::for_locking();
  std::string text;
  for (const auto& record : derive_virtual_packages(facts_of_statement(packages, platform, assumed), platform,
                                                    EnvSnapshot(std::move(variables)), assumed))
    text += (text.empty() ? "" : ", ") + record.name + "=" + record.version + "=" + record.build;
  return text;
}
}  // namespace

TEST_CASE("a machine that a file describes", "[virtual_packages]") {
  CHECK(derived({{"__cuda", "12.4", ""}, {"__cuda_arch", "9.0=0", ""}, {"__archspec", "1=zen4", ""}, {"__glibc", "2.34=0", ""}, {"__linux", "5.14", ""}, {"__unix", "0=0", ""}},
                "linux-64") ==
        "__archspec=1=zen4, __cuda=12.4=0, __cuda_arch=9.0=0, __glibc=2.34=0, __linux=5.14=0, __unix=0=0");
  CHECK(derived({}, "linux-64") == "__archspec=1=x86_64, __glibc=2.28=0, __linux=4.18=0, __unix=0=0");
  CHECK(derived({{"__archspec", "x86_64_v3", ""}, {"__glibc", "", ""}, {"__cuda", "", ""}}, "linux-64") ==
        "__archspec=1=x86_64_v3, __linux=4.18=0, __unix=0=0");
  CHECK(derived({{"__osx", "14.2", ""}, {"__glibc", "", ""}}, "osx-arm64") == "__archspec=1=aarch64, __osx=14.2=0, __unix=0=0");
  CHECK(derived({{"__win", "10.0.19045", ""}, {"__cuda", "12.0", ""}}, "win-64") == "__archspec=1=x86_64, __cuda=12.0=0, __win=10.0.19045=0");
}

TEST_CASE("overrides come before a file", "[virtual_packages]") {
  const std::vector<StatedPackage> packages = {{"__cuda", "12.4", ""}, {"__cuda_arch", "9.0", ""}, {"__glibc", "2.34", ""}};
  CHECK(derived(packages, "linux-64", {{"CONDA_OVERRIDE_CUDA", "11.8"}, {"CONDA_OVERRIDE_GLIBC", "2.17"}}) ==
        "__archspec=1=x86_64, __cuda=11.8=0, __cuda_arch=9.0=0, __glibc=2.17=0, __linux=4.18=0, __unix=0=0");
  CHECK(derived(packages, "linux-64", {{"CONDA_OVERRIDE_CUDA", ""}}) == "__archspec=1=x86_64, __glibc=2.34=0, __linux=4.18=0, __unix=0=0");
}

TEST_CASE("what no machine has", "[virtual_packages]") {
  const auto why = [](StatedPackage package, const char* platform = "linux-64") {
    package.where = "m.yml:3:5";
    try {
      derived({package}, platform);
    } catch (const Error& error) {
      CHECK(error.where() == "m.yml:3:5");
      return error.why() + (error.hints().empty() ? "" : error.hints()[0]);
    }
    return std::string("accepted");
  };
  using Catch::Contains;
  CHECK_THAT(why({"__cdua", "12", ""}), Contains("did you mean `__cuda`?"));
  CHECK_THAT(why({"numpy", "1", ""}), Contains("there are `__archspec`"));
  CHECK_THAT(why({"__cuda", "twelve point!", ""}), Contains("is not a version"));
  CHECK_THAT(why({"__cuda", "12=a100", ""}), Contains("build string is always `0`"));
  CHECK_THAT(why({"__cuda_arch", "9.0", ""}), Contains("without `__cuda`"));
  CHECK_THAT(why({"__cuda_arch", "9", ""}), Contains("compute capability"));
  CHECK_THAT(why({"__linux", "5.14.0-el9", ""}), Contains("kernel version"));
  CHECK_THAT(why({"__linux", "", ""}), Contains("every machine"));
  CHECK_THAT(why({"__osx", "14", ""}), Contains("no machine of linux-64"));
  CHECK_THAT(why({"__glibc", "2.28", ""}, "osx-64"), Contains("no machine of osx-64"));
  CHECK_THAT(why({"__unix", "1", ""}), Contains("always `0`"));
  CHECK_THAT(why({"__unix", "0", ""}, "win-64"), Contains("no machine of win-64"));
  CHECK_THAT(why({"__archspec", "2=zen4", ""}), Contains("always `1`"));
  CHECK_THAT(why({"__archspec", "1=", ""}), Contains("microarchitecture"));
}
