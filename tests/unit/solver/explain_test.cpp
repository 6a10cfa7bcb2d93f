// Golden texts: the explanation as the user sees it.
#include <catch2/catch.hpp>

#include "scenario.hpp"

using namespace envtool;
using envtool::test::Scenario;

TEST_CASE("an unknown name comes with suggestions", "[solver][explain]") {
  Scenario world;
  world.add("numpy 1.26");
  world.add("scipy 1.11");
  auto result = world.run({"nunpy"});
  REQUIRE(std::holds_alternative<Unsolvable>(result));
  const auto& unsolvable = std::get<Unsolvable>(result);
  CHECK(unsolvable.kind == Unsolvable::Kind::packages_not_found);
  REQUIRE(unsolvable.missing.size() == 1);
  CHECK(unsolvable.missing[0].spec == "nunpy");
  CHECK(unsolvable.missing[0].closest.at(0) == "numpy");
  CHECK(explain(unsolvable) == "no channel has\n  - `nunpy`, did you mean `numpy`?");
}

TEST_CASE("suggestions come from all names that the channels have", "[solver][explain]") {
  Scenario world;
  world.add("other 1.0");
  world.request.known_names = [] { return std::vector<std::string>{"python", "pytorch", "zlib"}; };
  CHECK(world.reasons({"pytoch"}) == "no channel has\n  - `pytoch`, did you mean `pytorch`?");
}

TEST_CASE("a version that nobody has", "[solver][explain]") {
  Scenario world;
  for (const char* line : {"numpy 1.20", "numpy 1.21", "numpy 1.22", "numpy 1.25", "numpy 1.26"}) world.add(line);
  CHECK(world.reasons({"numpy >=3"}) == "no channel has\n  - `numpy >=3`, available: 1.20, 1.21, ..., 1.26");
}

TEST_CASE("two wishes meet in a dependency", "[solver][explain]") {
  Scenario world;
  for (const char* line : {"a 1.0", "a 1.1", "a 1.2", "a 1.3", "a 1.4"}) world.add(line, {"c >=2"});
  world.add("b 1.0", {"c <2"});
  world.add("c 1.0");
  world.add("c 2.0");
  world.add("bystander 1.0");
  CHECK(world.reasons({"bystander", "a", "b"}) == R"(the wishes contradict each other:
├─ `a` is requested
│  └─ a 1.0, 1.1, ..., 1.4 needs `c >=2`, but b 1.0 needs `c <2`
└─ `b` is requested
   └─ b 1.0 needs `c <2`)");
}

TEST_CASE("versions that would be a way out are accounted for", "[solver][explain]") {
  Scenario world;
  world.add("a 1.0", {"c <2"});
  world.add("a 2.0", {"ghost"});
  world.add("b 1.0", {"c >=2"});
  world.add("c 1.0");
  world.add("c 2.0");
  CHECK(world.reasons({"a", "b"}) == R"(the wishes contradict each other:
├─ `b` is requested
│  └─ b 1.0 needs `c >=2`
└─ `a` is requested
   ├─ a 1.0 needs `c <2`, but b 1.0 needs `c >=2`
   └─ a 2.0 needs `ghost`, but no channel has this package)");
}

TEST_CASE("builds for other versions of an interpreter are told together", "[solver][explain]") {
  Scenario world;
  for (const char* version : {"3.9", "3.10", "3.11"}) {
    const std::string minor(version);
    world.add("python " + minor + ".1");
    world.add("ext 2.0 py" + minor + "_0", {"python " + minor + ".*"});
    world.add("ext 2.1 py" + minor + "_0", {"python " + minor + ".*"});
  }
  world.add("python 3.12.0");
  CHECK(world.reasons({"python=3.12", "ext"}) == R"(the wishes contradict each other:
├─ `python 3.12.*` is requested
└─ `ext` is requested
   └─ ext 2.0, 2.1 needs `python 3.9.*`, `python 3.10.*` or `python 3.11.*`, but `python 3.12.*` is requested)");
}

TEST_CASE("what the machine lacks is named", "[solver][explain]") {
  Scenario world;
  world.offer("__glibc", "2.36");
  world.add("app 1.0", {"lib"});
  world.add("lib 1.0", {"__glibc >=2.38"});
  world.add("gpu 1.0", {"__cuda >=12"});
  CHECK(world.reasons({"app"}) == R"(`app` cannot be installed:
└─ app 1.0 needs `lib`
   └─ lib 1.0 needs `__glibc >=2.38`, but this machine has 2.36)");
  CHECK(world.reasons({"gpu"}) == R"(`gpu` cannot be installed:
└─ gpu 1.0 needs `__cuda >=12`, but this machine has no `__cuda`)");
  CHECK(world.reasons({"__glibc >=2.38"}) == "`__glibc >=2.38` cannot be installed: this machine has 2.36");
}

TEST_CASE("a dependency that does not exist", "[solver][explain]") {
  Scenario world;
  world.add("app 1.0", {"lib >=3", "ghost"});
  world.add("app 0.9", {"lib >=3"});
  world.add("lib 1.0");
  world.add("lib 2.0");
  CHECK(world.reasons({"app"}) == R"(`app` cannot be installed:
└─ app 0.9, 1.0 needs `lib >=3`, but no channel has such a version or build (available: 1.0, 2.0))");
  world.add("puzzle 1.0", {"ghost"});
  CHECK(world.reasons({"puzzle"}) == R"(`puzzle` cannot be installed:
└─ puzzle 1.0 needs `ghost`, but no channel has this package)");
}

TEST_CASE("pins and frozen packages", "[solver][explain]") {
  Scenario world;
  world.add("app 1.0", {"python >=3.11"});
  world.add("python 3.10");
  world.add("python 3.11");
  SECTION("a pin") {
    world.request.pins = {MatchSpec::parse("python 3.10.*")};
    CHECK(world.reasons({"app"}) == R"(the wishes contradict each other:
└─ `app` is requested
   └─ app 1.0 needs `python >=3.11`
      └─ python 3.11 is out: `python 3.10.*` is pinned)");
  }
  SECTION("a frozen package") {
    world.install("python 3.10");
    world.request.installed.freeze = {"python"};
    CHECK(world.reasons({"app"}) == R"(the wishes contradict each other:
└─ `app` is requested
   └─ app 1.0 needs `python >=3.11`
      └─ python 3.11 is out: another build of it is installed and must stay)");
  }
}

TEST_CASE("restrictions that are in the way are named with the way out", "[solver][explain]") {
  Scenario world;
  const auto second = world.channel("second");
  world.add("lib 1.0");
  world.add("lib 2.0", {}, {}, second);
  world.add("app 1.0", {"lib >=2"}, {}, second);
  auto& late = world.add("tool 2.0");
  late.timestamp = 2000;
  world.add("tool 1.0").timestamp = 1000;
  CHECK(world.reasons({"app"}) == R"(`app` cannot be installed:
└─ app 1.0 needs `lib >=2`
   └─ lib 2.0 is out: a channel of higher priority has the package too
with the channel priority `flexible` there is a solution)");
  world.request.options.exclude_newer_ms = 1500;
  CHECK(world.reasons({"tool >=2"}) == R"(`tool >=2` cannot be installed:
└─ tool 2.0 is out: newer than the date limit
without the limit on dates there is a solution)");
}

TEST_CASE("constraints", "[solver][explain]") {
  Scenario world;
  world.add("a 1.0", {}, {"b <2"});
  world.add("b 2.0");
  CHECK(world.reasons({"a", "b"}) == R"(the wishes contradict each other:
├─ `b` is requested
└─ `a` is requested
   └─ a 1.0 works only with `b <2`)");
}

TEST_CASE("a contradiction that takes cases to show", "[solver][explain]") {
  Scenario world;
  // Every x pulls in a y and a z of different kinds.
  world.add("x 1", {"y 1", "z 2"});
  world.add("x 2", {"y 2", "z 1"});
  world.add("y 1", {"w 1"});
  world.add("y 2", {"w 2"});
  world.add("z 1", {"w 1"});
  world.add("z 2", {"w 2"});
  world.add("w 1");
  world.add("w 2");
  CHECK(world.reasons({"x"}) == R"(`x` cannot be installed:
├─ with x 2
│  ├─ x 2 needs `z ==1`
│  │  └─ z 1 needs `w ==1`, but y 2 needs `w ==2`
│  └─ x 2 needs `y ==2`
│     └─ y 2 needs `w ==2`
└─ with x 1
   ├─ x 1 needs `z ==2`
   │  └─ z 2 needs `w ==2`, but y 1 needs `w ==1`
   └─ x 1 needs `y ==1`
      └─ y 1 needs `w ==1`)");
}

TEST_CASE("the structured form", "[solver][explain]") {
  Scenario world;
  world.add("a 1.0", {"c >=2"});
  world.add("b 1.0", {"c <2"});
  world.add("c 1.0");
  world.add("c 2.0");
  world.add("d 1.0");
  const auto result = world.run({"a", "b", "d"});
  REQUIRE(std::holds_alternative<Unsolvable>(result));
  const auto& unsolvable = std::get<Unsolvable>(result);
  CHECK(unsolvable.kind == Unsolvable::Kind::conflict);
  CHECK(unsolvable.conflicting_specs == std::vector<std::string>{"a", "b"});
  REQUIRE(unsolvable.reasons.size() == 2);
  CHECK(unsolvable.reasons[0].kind == ConflictReason::Kind::requested);
  REQUIRE(unsolvable.reasons[0].causes.size() == 1);
  CHECK(unsolvable.reasons[0].causes[0].kind == ConflictReason::Kind::needs);
  CHECK(unsolvable.reasons[0].causes[0].package == "a 1.0");
  CHECK(unsolvable.reasons[0].causes[0].spec == "c >=2");
}
