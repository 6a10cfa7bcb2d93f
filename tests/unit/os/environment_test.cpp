#include <catch2/catch.hpp>

#include <unistd.h>

#include <cstdlib>

#include "envtool/base/error.hpp"
#include "envtool/os/clock.hpp"
#include "envtool/os/environment.hpp"

using namespace envtool;

TEST_CASE("variables of a snapshot") {
  EnvSnapshot environment({{"A", "1"}, {"EMPTY", ""}, {"HOME", "/h"}});
  CHECK(environment.get("A") == "1");
  CHECK_FALSE(environment.get("EMPTY"));
  CHECK(environment.get_raw("EMPTY") == "");
  CHECK_FALSE(environment.get_raw("B"));
  const EnvSnapshot changed = environment.with("B", "2").with("A", "3").without("EMPTY");
  CHECK(changed.to_strings() == std::vector<std::string>{"A=3", "B=2", "HOME=/h"});
  CHECK(environment.get("A") == "1");
  CHECK(environment.with("HOME", "/other").home == "/other");
}

TEST_CASE("a captured snapshot is this process's own") {
  ::setenv("ENVTOOL_TEST_VARIABLE", "a=b", 1);
  const EnvSnapshot environment = EnvSnapshot::capture();
  ::unsetenv("ENVTOOL_TEST_VARIABLE");
  CHECK(environment.get("ENVTOOL_TEST_VARIABLE") == "a=b");
  char* directory = ::getcwd(nullptr, 0);
  CHECK(environment.working_directory == directory);
  std::free(directory);
  const char* home = std::getenv("HOME");
  if (home != nullptr && *home != '\0') CHECK(environment.home == home);
}

TEST_CASE("without HOME the password file is asked") {
  const char* before = std::getenv("HOME");
  const std::string saved = before == nullptr ? "" : before;
  ::unsetenv("HOME");
  const EnvSnapshot environment = EnvSnapshot::capture();
  if (before != nullptr) ::setenv("HOME", saved.c_str(), 1);
  if (::getuid() == 0) CHECK(environment.home == "/root");
  CHECK(environment.home.substr(0, 1) != "~");
}

TEST_CASE("paths are made absolute without looking at the disk") {
  EnvSnapshot environment;
  environment.home = "/home/u";
  environment.working_directory = "/work/dir";
  const std::pair<const char*, const char*> table[] = {
      {"a", "/work/dir/a"}, {"", "/work/dir"}, {".", "/work/dir"}, {"./a/", "/work/dir/a"}, {"../a", "/work/a"},
      {"../../../a", "/a"}, {"/", "/"}, {"//a///b/", "/a/b"}, {"/a/./b/../c", "/a/c"}, {"/..", "/"}, {"~", "/home/u"},
      {"~/x", "/home/u/x"}, {"~x", "/work/dir/~x"}, {"a~", "/work/dir/a~"}, {"/~", "/~"}, {"a b", "/work/dir/a b"}};
  for (const auto& [path, expected] : table) {
    CAPTURE(path);
    CHECK(absolute_path(path, environment) == expected);
  }
  CHECK(absolute_path("/a", EnvSnapshot()) == "/a");
  CHECK_THROWS_AS(absolute_path("a", EnvSnapshot()), Error);
  CHECK_THROWS_AS(absolute_path("~", EnvSnapshot()), Error);
}

TEST_CASE("variables in texts") {
  const EnvSnapshot environment({{"A", "1"}, {"LONG_1", "$A"}, {"EMPTY", ""}});
  const std::pair<const char*, const char*> table[] = {
      {"", ""}, {"x", "x"}, {"$A", "1"}, {"${A}", "1"}, {"-$A-${A}-", "-1-1-"}, {"$LONG_1", "$A"}, {"$EMPTY.", "."},
      {"$NONE", "$NONE"}, {"${NONE}", "${NONE}"}, {"$", "$"}, {"$$A", "$1"}, {"${A", "${A"}, {"${}", "${}"}, {"$1", "$1"},
      {"${A:-x}", "${A:-x}"}, {"$AB", "$AB"}, {"a$", "a$"}, {"${", "${"}};
  for (const auto& [text, expected] : table) {
    CAPTURE(text);
    CHECK(expand_variables(text, environment) == expected);
  }
}

TEST_CASE("times") {
  const std::chrono::system_clock::time_point time{std::chrono::seconds(1'700'000'000)};
  CHECK(format_history_time(time) == "2023-11-14 22:13:20");
  CHECK(format_iso_time(time) == "2023-11-14T22:13:20Z");
  CHECK(format_iso_time(std::chrono::system_clock::time_point{}) == "1970-01-01T00:00:00Z");
  CHECK(now() > time);
}
