#include <catch2/catch.hpp>

#include "envtool/specs/package_name.hpp"

using namespace envtool;

TEST_CASE("package names", "[names]") {
  for (const char* name : {"numpy", "_libgcc_mutex", "a", "7zip", "r-base", "zope.interface", "__glibc", "__cuda_arch",
                           "libstdcxx-ng", "a_b-c.d", "x-", "_"}) {
    INFO(name);
    CHECK(is_valid_package_name(name));
  }
  for (const char* name : {"", "NumPy", "a b", "a/b", "-a", ".a", "a__b", "a--b", "a.-b", "___a", "__", "__-a", "_-a",
                           "a:b", "..", "a\n", "ä", "__anaconda__core"}) {
    INFO(name);
    CHECK_FALSE(is_valid_package_name(name));
  }
  CHECK(is_valid_package_name(std::string(64, 'a')));
  CHECK_FALSE(is_valid_package_name(std::string(65, 'a')));
}

TEST_CASE("version and build strings of file names", "[names]") {
  CHECK(is_valid_version_string("1!2.0_rc1+local"));
  CHECK_FALSE(is_valid_version_string("1.0-1"));
  CHECK_FALSE(is_valid_version_string("1.0A"));
  CHECK_FALSE(is_valid_version_string(""));
  CHECK_FALSE(is_valid_version_string("../x"));
  CHECK(is_valid_version_string(std::string(64, '1')));
  CHECK_FALSE(is_valid_version_string(std::string(65, '1')));
  CHECK(is_valid_build_string("py311h64a7726_0"));
  CHECK(is_valid_build_string("Cuda+1.2_X"));
  CHECK_FALSE(is_valid_build_string("a-b"));
  CHECK_FALSE(is_valid_build_string("a/b"));
  CHECK_FALSE(is_valid_build_string(""));
  CHECK(is_valid_build_string(std::string(64, 'b')));
  CHECK_FALSE(is_valid_build_string(std::string(65, 'b')));
}

TEST_CASE("subdirs", "[names]") {
  for (const char* subdir : {"noarch", "linux-64", "osx-arm64", "zos-z", "plan9-68000"}) {
    INFO(subdir);
    CHECK(is_valid_subdir(subdir));
  }
  for (const char* subdir : {"", "linux", "linux-", "-64", "linux-64-512", "Linux-64", "linux_64", "..", "a/b-c"}) {
    INFO(subdir);
    CHECK_FALSE(is_valid_subdir(subdir));
  }
  CHECK(is_valid_subdir("a-" + std::string(30, 'b')));
  CHECK_FALSE(is_valid_subdir("a-" + std::string(31, 'b')));
}

TEST_CASE("environment names", "[names]") {
  for (const char* name : {"test", "My_Env-1.0", "ünï", "py3.11"}) {
    INFO(name);
    CHECK(environment_name_problem(name).empty());
  }
  for (const char* name : {"", "base", "root", "a/b", "a b", "a:b", "a#b", ".", "..", "a\\b", "a\tb", "a\x7f", "-n"}) {
    INFO(name);
    CHECK_FALSE(environment_name_problem(name).empty());
  }
  CHECK(environment_name_problem("a b") == "the name contains a space");
  CHECK_FALSE(environment_name_problem(std::string(256, 'a')).empty());
}
