#include "envtool/specs/platform.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/specs/package_name.hpp"

using namespace envtool;

namespace {

std::vector<std::string> sorted_selectors(std::string_view platform) {
  std::vector<std::string> names = Platform::parse(platform).selectors();
  std::sort(names.begin(), names.end());
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("platforms", "[platform]") {
  for (const std::string& name : Platform::known()) {
    INFO(name);
    const Platform platform = Platform::parse(name);
    CHECK(platform.str() == name);
    CHECK(is_valid_subdir(name));
    CHECK(platform.is_unix() == !platform.is_windows());
  }
  CHECK(Platform::parse("linux-64").is_linux());
  CHECK(Platform::parse("osx-arm64").is_osx());
  CHECK(Platform::parse("win-64").is_windows());
  const std::vector<std::string>& known = Platform::known();
  CHECK(std::find(known.begin(), known.end(), Platform::current().str()) != known.end());
#if defined(__linux__) && defined(__x86_64__)
  CHECK(Platform::current().str() == "linux-64");
#endif
}

TEST_CASE("unknown platforms are errors with a hint", "[platform]") {
  for (const char* name : {"", "noarch", "linux64", "linux-65", "Linux-64", "../x", "windows"}) {
    INFO(name);
    CHECK_THROWS_AS(Platform::parse(name), Error);
  }
  try {
    Platform::parse("linux64");
    FAIL("no error");
  } catch (const Error& error) {
    REQUIRE(!error.hints().empty());
    CHECK_THAT(error.hints().front(), Catch::Contains("linux-64"));
  }
}

TEST_CASE("selectors of environment.yml", "[platform]") {
  CHECK(sorted_selectors("linux-64") == Names{"linux", "linux64", "unix", "x86", "x86_64"});
  CHECK(sorted_selectors("linux-32") == Names{"linux", "linux32", "unix", "x86"});
  CHECK(sorted_selectors("linux-aarch64") == Names{"aarch64", "linux", "unix"});
  CHECK(sorted_selectors("linux-armv7l") == Names{"arm", "armv7l", "linux", "unix"});
  CHECK(sorted_selectors("linux-ppc64le") == Names{"linux", "ppc64le", "unix"});
  CHECK(sorted_selectors("osx-64") == Names{"osx", "osx64", "unix", "x86", "x86_64"});
  CHECK(sorted_selectors("osx-arm64") == Names{"arm64", "osx", "unix"});
  CHECK(sorted_selectors("win-64") == Names{"win", "win64", "x86", "x86_64"});
  CHECK(sorted_selectors("win-32") == Names{"win", "win32", "x86"});
  CHECK(sorted_selectors("win-arm64") == Names{"arm64", "win"});
}
