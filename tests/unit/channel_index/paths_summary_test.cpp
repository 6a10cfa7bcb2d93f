#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "paths_summary.hpp"

using namespace envtool;
using Keys = std::vector<std::string>;

TEST_CASE("what the list of paths says") {
  const auto keys = [](const std::string& entries) { return summarise_paths(R"({"paths_version": 1, "paths": [)" + entries + "]}", "x"); };
  CHECK(keys("").empty());
  CHECK(keys(R"({"_path": "bin/x", "file_mode": "text"})").empty());
  CHECK(keys(R"({"_path": "bin/x", "file_mode": "binary", "prefix_placeholder": "/opt"})") == Keys{"binary_prefix"});
  CHECK(keys(R"({"_path": "bin/x", "prefix_placeholder": "/opt"})") == Keys{"text_prefix"});
  CHECK(keys(R"({"_path": "bin/x", "prefix_placeholder": ""})").empty());
  CHECK(keys(R"({"_path": "etc/conda/activate.d/x.sh"}, {"_path": "etc/conda/deactivate.d/x.sh"})") == Keys{"activate.d", "deactivate.d"});
  CHECK(keys(R"({"_path": "bin/.x-post-link.sh"}, {"_path": "Scripts/.x-pre-unlink.bat"}, {"_path": "bin/.x-pre-link.sh"})") ==
        Keys{"post_link", "pre_link", "pre_unlink"});
  CHECK(keys(R"({"_path": "bin/x-post-link.sh"}, {"_path": ".x-post-link.sh"})").empty());
  // A value does not carry over to the next entry, and deeper or other lists do not count.
  CHECK(keys(R"({"_path": "a", "file_mode": "binary"}, {"_path": "b", "prefix_placeholder": "/p"})") == Keys{"text_prefix"});
  CHECK(keys(R"({"_path": "a", "x": [{"_path": "bin/.x-post-link.sh", "prefix_placeholder": "/p"}]})").empty());
  CHECK(summarise_paths(R"({"other": [{"_path": "bin/.x-post-link.sh"}]})", "x").empty());
}

TEST_CASE("lists of paths that are no JSON") {
  for (const char* text : {"", "{", "[1", "{\"paths\": [}]", "\xff"}) CHECK_THROWS_AS(summarise_paths(text, "x"), Error);
  for (const char* text : {"[]", "3", "{\"paths\": 3}", "{\"paths\": [[{}]]}"}) CHECK(summarise_paths(text, "x").empty());
  const std::string deep(200'000, '[');
  CHECK_THROWS_AS(summarise_paths(deep, "x"), Error);
}
