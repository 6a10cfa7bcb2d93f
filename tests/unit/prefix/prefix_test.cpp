#include "envtool/prefix/prefix.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"

using namespace envtool;
namespace fs = std::filesystem;

namespace {
struct Place {
  TemporaryDirectory folder{"/tmp", "envtool-prefix-"};
  Prefix prefix{folder.path() + "/env"};
  Place() { fs::create_directories(prefix.conda_meta()); }
  void write(const std::string& path, const std::string& text) { write_atomically(path, text); }
};
ErrorKind kind_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("no error");
  return ErrorKind::internal;
}
}  // namespace

TEST_CASE("a prefix is an absolute path without control characters") {
  CHECK(Prefix("/a/b//").path() == "/a/b");
  CHECK(Prefix("/a") / "x" == "/a/x");
  for (const char* path : {"", "relative", "/a\nb", "/a\x7f"}) CHECK_THROWS_AS(Prefix(path), Error);
}

TEST_CASE("an environment is what has a history") {
  Place place;
  CHECK_FALSE(is_environment(place.prefix));
  place.write(place.prefix.history_file(), "");
  CHECK(is_environment(place.prefix));
}

TEST_CASE("a frozen environment says why (CEP 22)") {
  Place place;
  CHECK_FALSE(frozen(place.prefix));
  CHECK_NOTHROW(refuse_if_frozen(place.prefix));
  for (const char* text : {"", "  \n", "not json", "[]", "{\"message\": 3}", "{\"message\": \"\"}"}) {
    place.write(place.prefix.frozen_file(), text);
    REQUIRE(frozen(place.prefix));
    CHECK_FALSE(frozen(place.prefix)->message.empty());
  }
  place.write(place.prefix.frozen_file(), "{\"message\": \"keep\\nout\"}");
  CHECK(frozen(place.prefix)->message == "keep\nout");
  CHECK(kind_of([&] { refuse_if_frozen(place.prefix); }) == ErrorKind::permission);
}

TEST_CASE("pinned specs") {
  Place place;
  CHECK(pinned_specs(place.prefix).empty());
  place.write(place.prefix.pinned_file(), "# all\nnumpy 1.*\n\n  scipy=1.2  # why\r\nhttps://h/c/linux-64/x-1-0.conda#abc\n");
  CHECK(pinned_specs(place.prefix) ==
        std::vector<std::string>{"numpy 1.*", "scipy=1.2", "https://h/c/linux-64/x-1-0.conda#abc"});
}

TEST_CASE("variables round-trip, foreign files are checked") {
  Place place;
  CHECK(read_state(place.prefix).empty());
  const EnvironmentVariables variables{{"A", "1"}, {"QUOTE", "it's \"x\" $HOME\nline"}, {"UNI", "ü"}};
  write_state(place.prefix, variables);
  CHECK(read_state(place.prefix) == variables);
  CHECK(parse_state("{\"version\": 1, \"env_vars\": {\"N\": 3, \"B\": true}}", "x") == EnvironmentVariables{{"B", "true"}, {"N", "3"}});
  CHECK(parse_state("{}", "x").empty());
  CHECK(parse_state(" \n", "x").empty());
  for (const char* text : {"[", "[]", "{\"env_vars\": []}", "{\"env_vars\": {\"A\": []}}", "{\"env_vars\": {\"A=B\": \"x\"}}",
                           "{\"env_vars\": {\"\": \"x\"}}", "{\"env_vars\": {\"A\": \"a\\u0000b\"}}"})
    CHECK(kind_of([&] { parse_state(text, "x"); }) == ErrorKind::corrupt);
}
