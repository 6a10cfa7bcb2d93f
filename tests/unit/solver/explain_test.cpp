// The parts of an explanation; how it reads is in explanations_test.cpp.
#include <catch2/catch.hpp>

#include "scenario.hpp"

using namespace envtool;
using envtool::test::Scenario;

namespace {

Unsolvable unsolvable(Scenario& world, std::initializer_list<const char*> specs) {
  auto result = world.run(specs);
  REQUIRE(std::holds_alternative<Unsolvable>(result));
  return std::get<Unsolvable>(std::move(result));
}

const Suggestion* find(const Unsolvable& result, Suggestion::Kind kind) {
  for (const auto& suggestion : result.suggestions)
    if (suggestion.kind == kind) return &suggestion;
  return nullptr;
}

}  // namespace

TEST_CASE("an unknown name comes with names spelled alike", "[solver][explain]") {
  Scenario world;
  world.add("numpy 1.26");
  world.add("scipy 1.11");
  const auto result = unsolvable(world, {"nunpy"});
  CHECK(result.kind == Unsolvable::Kind::packages_not_found);
  REQUIRE(result.missing.size() == 1);
  CHECK(result.missing[0].spec == "nunpy");
  CHECK(result.missing[0].name == "nunpy");
  CHECK(result.missing[0].closest.at(0) == "numpy");
  const auto* other = find(result, Suggestion::Kind::other_name);
  REQUIRE(other != nullptr);
  CHECK(other->spec == "nunpy");
  CHECK(other->replacement == "numpy");
  CHECK(other->outcome == std::vector<std::string>{"numpy 1.26"});
}

TEST_CASE("names spelled alike come from all that the channels have", "[solver][explain]") {
  Scenario world;
  world.add("other 1.0");
  world.request.known_names = [] { return std::vector<std::string>{"python", "pytorch", "zlib"}; };
  const auto result = unsolvable(world, {"pytoch"});
  REQUIRE(result.missing.size() == 1);
  CHECK(result.missing[0].closest.at(0) == "pytorch");
  // Of which nothing is known but the name.
  CHECK(find(result, Suggestion::Kind::other_name) == nullptr);
}

TEST_CASE("each suggestion gives a solution", "[solver][explain]") {
  Scenario world;
  world.add("a 1.0", {"c <2"});
  world.add("a 2.0", {"c >=2"});
  world.add("b 1.0", {"c >=2"});
  world.add("c 1.0");
  world.add("c 2.0");
  const auto result = unsolvable(world, {"a <2", "b"});
  const auto* loosen = find(result, Suggestion::Kind::loosen_spec);
  REQUIRE(loosen != nullptr);
  CHECK(loosen->spec == "a <2");
  CHECK(loosen->replacement == "a");
  CHECK(loosen->outcome == std::vector<std::string>{"a 2.0", "b 1.0"});
  CHECK(std::holds_alternative<Solution>(world.run({"a", "b"})));
  const auto* drop = find(result, Suggestion::Kind::drop_spec);
  REQUIRE(drop != nullptr);
  CHECK(drop->spec == "b");
  CHECK(std::holds_alternative<Solution>(world.run({"a <2"})));
}

TEST_CASE("what does not help is not suggested", "[solver][explain]") {
  Scenario world;
  const auto second = world.channel("second");
  world.add("a 1.0", {"ghost"});
  world.add("other 1.0", {}, {}, second);
  world.add("other 2.0").timestamp = 5000;
  world.request.pins = {MatchSpec::parse("unrelated 1.*")};
  world.request.options.exclude_newer_ms = 1000;
  CHECK(unsolvable(world, {"a"}).suggestions.empty());
}

TEST_CASE("two conflicts at once: the first is explained with its own way out", "[solver][explain]") {
  Scenario world;
  for (const char* name : {"a", "b", "c", "d"}) {
    const bool first = *name == 'a' || *name == 'b';
    const bool low = *name == 'a' || *name == 'c';
    world.add(std::string(name) + " 1.0", {std::string(first ? "x" : "y") + (low ? " <2" : " >=2")});
  }
  for (const char* line : {"x 1.0", "x 2.0", "y 1.0", "y 2.0"}) world.add(line);
  const auto result = unsolvable(world, {"a", "b", "c", "d"});
  CHECK(result.conflicting_specs.size() == 2);
  REQUIRE(!result.suggestions.empty());
  CHECK(!result.suggestions[0].complete);
  const auto one = unsolvable(world, {"a", "b"});
  REQUIRE(!one.suggestions.empty());
  CHECK(one.suggestions[0].complete);
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

TEST_CASE("a long chain of dependencies is told from both ends", "[solver][explain]") {
  constexpr int length = 30000;
  const auto link = [](int i) { return "c" + std::to_string(i); };
  Scenario world;
  const auto check = [&] {
    const auto result = unsolvable(world, {"c0"});
    CHECK(result.conflicting_specs == std::vector<std::string>{"c0"});
    const std::string text = explain(result);
    CHECK(text.find("c0 1 needs `c1`") != std::string::npos);
    CHECK(text.find("... and 29983 more dependencies") != std::string::npos);
    CHECK(text.find("c29999 1 needs `nosuch`, but no channel has this package") != std::string::npos);
    // Wish, both ends and what is between: no deeper than anybody can read.
    std::size_t depth = 0;
    for (const auto* level = &result.reasons; !level->empty(); level = &level->front().causes) ++depth;
    CHECK(depth < 25);
  };
  SECTION("in the channel") {
    for (int i = 0; i < length; ++i) world.add(link(i) + " 1", {i + 1 < length ? link(i + 1) : "nosuch"});
    check();
  }
  SECTION("installed") {
    for (int i = 0; i < length; ++i) world.install(link(i) + " 1", {i + 1 < length ? link(i + 1) : "nosuch"});
    check();
  }
}

TEST_CASE("a removal takes along a long chain of what needs it", "[solver]") {
  Scenario world;
  for (int i = 0; i < 20000; ++i) world.install("c" + std::to_string(i) + " 1", {"c" + std::to_string(i + 1)});
  CHECK(removed_with(world.request.installed.records, {"c20000"}).size() == 20001);
  CHECK(removed_with(world.request.installed.records, {"c10000"}).size() == 10001);
  CHECK(removed_with(world.request.installed.records, {}).empty());
}

TEST_CASE("what a package does not have of a license, subdir or size is told as that", "[solver][explain]") {
  Scenario world;
  world.add("foo 1.0").license = "BSD-3-Clause";
  world.add("foo 1.1").license = "Apache-2.0";
  const auto said = [&](const char* spec) { return unsolvable(world, {spec}).missing.at(0).available; };
  CHECK(said("foo[license=MIT]") == "1.0, 1.1 have the licenses `Apache-2.0` and `BSD-3-Clause`");
  CHECK(said("foo 1.1[license=MIT]") == "1.1 has the license `Apache-2.0`");
  CHECK(said("foo[subdir=osx-64]").find("the subdir `") != std::string::npos);
  CHECK(said("foo[size=12345]").find(", with another size") != std::string::npos);
  CHECK(said("foo[build=nosuch]").find("the build") != std::string::npos);
}

TEST_CASE("a version that is left out with its whole series is told as that", "[solver][explain]") {
  Scenario world;
  world.add("foo 1.8.5");
  const auto said = [&](const char* spec) { return unsolvable(world, {spec}).missing.at(0).available; };
  CHECK(said("foo !=1.8") == "there is 1.8.5; `!=1.8` leaves out 1.8 and every 1.8.x (CEP 29), `<1.8|>1.8` only 1.8");
  CHECK(world.solved({"foo <1.8|>1.8"}) == std::vector<std::string>{"foo 1.8.5 0"});
  CHECK(said("foo !=1.8,>1.9") == "there is 1.8.5");
  CHECK(said("foo !=1.8.*") == "there is 1.8.5");
  CHECK(said("foo !=1.8.5") == "there is 1.8.5");
  CHECK(said("foo 2.*") == "there is 1.8.5");
}
