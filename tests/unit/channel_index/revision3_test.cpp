#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/specs/match_spec.hpp"
#include "revision3.hpp"

using namespace envtool;

TEST_CASE("specs of newer records have brackets or nothing") {
  CHECK(revision3_spec("pip") == "pip");
  CHECK(revision3_spec("python >=3.8,<4") == "python[version=\">=3.8,<4\"]");
  CHECK(revision3_spec("numpy 1.20.*") == "numpy[version=\"1.20.*\"]");
  CHECK(revision3_spec("numpy 1.20 py38_0") == "numpy[version=\"==1.20\",build=\"py38_0\"]");
  CHECK(revision3_spec("x[build_number=0]") == "x[build_number=\"0\"]");
  CHECK(revision3_spec("x[when=\"__unix\"]") == "x[when=\"__unix\"]");
  CHECK(revision3_spec("x >=2[extras=[b,a]]") == "x[version=\">=2\",extras=[\"a\",\"b\"]]");
  CHECK(revision3_spec("x[flags=['blas:*']]") == "x[flags=[\"blas:*\"]]");
}

TEST_CASE("a rewritten spec means the same") {
  for (const char* text : {"a", "a 1", "a =1.2", "a 1.2.*", "a >=1,<2|3", "a 1 *_cpu", "a[build_number='>=2']", "a 1.0 ^x.*$",
                           "a[version='>1', when=\"python >=3.8 and __unix\"]", "a[extras=x]"}) {
    INFO(text);
    CHECK(MatchSpec::parse(revision3_spec(text)) == MatchSpec::parse(text));
  }
}

TEST_CASE("specs that newer records must not have") {
  for (const char* text : {"conda-forge::a", "a[md5=d41d8cd98f00b204e9800998ecf8427e]", "a[subdir=linux-64]", "*", "py*", "a[license=MIT]",
                           "a[fn=a-1-0.conda]", "a[track_features=x]", "a[size='>3']"}) {
    INFO(text);
    CHECK_THROWS_AS(revision3_spec(text), Error);
  }
}

TEST_CASE("which records are for newer clients only") {
  PackageRecord record;
  record.depends = {"python >=3", "a[version='>1']"};
  CHECK_FALSE(needs_revision3(record));
  SECTION("a condition") { record.depends.push_back("b[when=__win]"); }
  SECTION("extras") { record.constrains.push_back("b[extras=[x]]"); }
  SECTION("flags") { record.depends.push_back("b[flags=[x]]"); }
  SECTION("groups") { record.extra_depends.push_back({"g", {"b"}}); }
  SECTION("flags of its own") { record.flags.push_back("cuda"); }
  CHECK(needs_revision3(record));
}
