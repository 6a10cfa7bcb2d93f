#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/settings/machine_profile.hpp"

using namespace envtool;

namespace {
/// The place of the error that reading gives.
std::string place_of_error(std::string_view text) {
  try {
    parse_machine_profiles(text, "m.yml");
  } catch (const Error& error) {
    return error.where();
  }
  return "none";
}

std::string selected(std::string_view text, const std::string& name, const std::string& platform) {
  const auto profiles = parse_machine_profiles(text, "m.yml");
  const MachineProfile& profile = select_machine_profile(profiles, name, platform, "m.yml");
  std::string result = profile.name + ":";
  for (const auto& entry : profile.packages) result += " " + entry.name + "=" + entry.value;
  return result;
}

constexpr const char* several = R"(
profiles:
  gpu:
    platform: linux-64
    packages: {__cuda: "12.4"}
  cpu:
    platform: linux-64
    packages: {__glibc: 2.28}
  mac:
    platform: osx-arm64
    packages: {__osx: '14.0'}
)";
}  // namespace

TEST_CASE("one profile", "[settings]") {
  const auto profiles = parse_machine_profiles("platform: linux-64\npackages:\n  __cuda: 12.4\n  __archspec: 1=zen4\n  __glibc: null\n", "m.yml");
  REQUIRE(profiles.size() == 1);
  CHECK(profiles[0].platform == "linux-64");
  REQUIRE(profiles[0].packages.size() == 3);
  CHECK(profiles[0].packages[0].value == "12.4");
  CHECK(profiles[0].packages[0].where == "m.yml:3:3");
  CHECK(profiles[0].packages[2].value.empty());
  // Read again what is written.
  const std::string text = to_machine_profile(profiles[0]);
  CHECK(to_machine_profile(parse_machine_profiles(text, "m.yml")[0]) == text);
  CHECK(selected(R"({"platform": "linux-64", "packages": {"__cuda": "12.10"}})", "", "linux-64") == ": __cuda=12.10");
}

TEST_CASE("a number keeps its zeros", "[settings]") {
  CHECK(selected("packages: {__cuda: 12.10}", "", "linux-64") == ": __cuda=12.10");
}

TEST_CASE("several profiles", "[settings]") {
  CHECK(selected(several, "gpu", "linux-64") == "gpu: __cuda=12.4");
  CHECK(selected(several, "", "osx-arm64") == "mac: __osx=14.0");
  CHECK_THROWS_WITH(selected(several, "", "linux-64"), Catch::Contains("`gpu` (linux-64), `cpu` (linux-64)") && Catch::Contains("m.yml#gpu"));
  CHECK_THROWS_WITH(selected(several, "gpus", "linux-64"), Catch::Contains("no profile `gpus`"));
  CHECK_THROWS_WITH(selected(several, "mac", "linux-64"), Catch::Contains("it is for osx-arm64") && Catch::Contains("m.yml:9:3"));
  CHECK_THROWS_WITH(selected(several, "", "win-64"), Catch::Contains("no profile for win-64"));
  CHECK(selected("subdirs:\n  linux-64:\n    packages:\n      __glibc: 2.17\n  osx-64:\n    packages: {__osx: 11}\n", "", "linux-64") ==
        "linux-64: __glibc=2.17");
}

TEST_CASE("what is no file of profiles", "[settings]") {
  CHECK(place_of_error("- a") == "m.yml");
  CHECK(place_of_error("") == "m.yml");
  CHECK(place_of_error("platform: linux-64\n") == "m.yml:1:1");
  CHECK(place_of_error("platform: linux-64\npackages: {}\n__cuda: 1\n") == "m.yml:3:1");
  CHECK(place_of_error("packages:\n  __cuda: [1]\n") == "m.yml:2:3");
  CHECK(place_of_error("packages:\n  __cuda: ''\n") == "m.yml:2:3");
  CHECK(place_of_error("profiles: {a: {packages: {}}}\nplatform: x\n") == "m.yml:2:1");
  CHECK(place_of_error("profiles: []\n") != "none");
  CHECK(place_of_error("subdirs:\n  linux-64: {platform: linux-64, packages: {}}\n") == "m.yml:2:14");
  CHECK(place_of_error("packages: {__cuda: 1, __cuda: 2}\n") != "none");
}
