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
  CHECK(unsolvable.missing[0].closest.at(0) == "numpy");
}
