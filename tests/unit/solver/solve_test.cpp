#include <algorithm>
#include <catch2/catch.hpp>

#include "scenario.hpp"

using namespace envtool;
using envtool::test::Scenario;
using Lines = std::vector<std::string>;

TEST_CASE("dependencies come before what needs them", "[solver]") {
  Scenario world;
  world.add("app 1.0", {"lib >=1", "python"});
  world.add("lib 1.0", {"python"});
  world.add("lib 2.0", {"python"});
  world.add("python 3.12.1", {"pip"});
  world.add("pip 24.0", {"python"});
  CHECK(world.solved({"app"}) == Lines{"python 3.12.1 0", "lib 2.0 0", "app 1.0 0", "pip 24.0 0"});
}

TEST_CASE("preference among candidates", "[solver]") {
  SECTION("version before build number") {
    Scenario world;
    world.add("a 1.9 5");
    world.add("a 1.10 0");
    CHECK(world.solved({"a"}) == Lines{"a 1.10 0"});
  }
  SECTION("build number before timestamp") {
    Scenario world;
    world.add("a 1 x_1");
    world.add("a 1 y_0").timestamp = 5;
    CHECK(world.solved({"a"}) == Lines{"a 1 x_1"});
  }
  SECTION("timestamp last") {
    Scenario world;
    world.add("a 1 x_0").timestamp = 4;
    world.add("a 1 y_0").timestamp = 5;
    world.add("a 1 z_0").timestamp = 3;
    CHECK(world.solved({"a"}) == Lines{"a 1 y_0"});
  }
  SECTION("track_features weigh a candidate down, whatever its version") {
    Scenario world;
    world.add("a 2").track_features = {"debug"};
    world.add("a 1");
    CHECK(world.solved({"a"}) == Lines{"a 1 0"});
    CHECK(world.solved({"a >=2"}) == Lines{"a 2 0"});
  }
  SECTION("newer dependencies before the timestamp") {
    Scenario world;
    world.add("a 1 py311_0", {"python 3.11.*"}).timestamp = 9;
    world.add("a 1 py312_0", {"python 3.12.*"}).timestamp = 1;
    world.add("python 3.11.0");
    world.add("python 3.12.0");
    CHECK(world.solved({"a"}) == Lines{"python 3.12.0 0", "a 1 py312_0"});
  }
  SECTION("the .conda archive of the same build") {
    Scenario world;
    world.add("a 1").fn = "a-1-0.tar.bz2";
    const auto* modern = &world.add("a 1");
    auto result = world.run({"a"});
    REQUIRE(std::holds_alternative<Solution>(result));
    CHECK(std::get<Solution>(result).packages.at(0).record == modern);
  }
  SECTION("a build of the platform before noarch") {
    Scenario world;
    auto& noarch = world.add("a 1 pure_0");
    noarch.noarch = NoarchType::python;
    noarch.timestamp = 9;
    world.add("a 1 built_0").timestamp = 1;
    CHECK(world.solved({"a"}) == Lines{"a 1 built_0"});
  }
}

TEST_CASE("what is on top decides over what it stands on", "[solver]") {
  Scenario world;
  world.add("tool 2.0", {"base <2"});
  world.add("tool 1.0", {"base"});
  world.add("base 1.5");
  world.add("base 2.0");
  const Lines expected{"base 1.5 0", "tool 2.0 0"};
  CHECK(world.solved({"base", "tool"}) == expected);
  CHECK(world.solved({"tool", "base"}) == expected);
}

TEST_CASE("the versions of all wishes come before the builds of any", "[solver]") {
  Scenario world;
  world.add("python 3.13");
  world.add("python 3.14");
  world.add("a 1 py313_0", {"python 3.13.*"});
  world.add("a 1 py314_0", {"python 3.14.*"});
  world.add("b 1 py314_0", {"python 3.14.*"});
  world.add("b 2 py313_0", {"python 3.13.*"});
  // The newer python of `a` is not worth the older `b`.
  CHECK(world.solved({"a", "b"}) == Lines{"python 3.13 0", "a 1 py313_0", "b 2 py313_0"});
  CHECK(world.solved({"a"}) == Lines{"python 3.14 0", "a 1 py314_0"});
}

TEST_CASE("constraints bind only what is installed", "[solver]") {
  Scenario world;
  world.add("a 1", {}, {"b <2"});
  world.add("b 1");
  world.add("b 2");
  CHECK(world.solved({"a"}) == Lines{"a 1 0"});
  CHECK(world.solved({"a", "b"}) == Lines{"a 1 0", "b 1 0"});
}

TEST_CASE("virtual packages", "[solver]") {
  Scenario world;
  world.add("a 2", {"__glibc >=2.38"});
  world.add("a 1", {"__glibc >=2.17"});
  world.add("gpu 1", {"__cuda"});
  world.add("gpu 0", {}, {"__cuda >=12"});
  SECTION("an old machine") {
    world.offer("__glibc", "2.36");
    CHECK(world.solved({"a"}) == Lines{"a 1 0"});
    CHECK(world.solved({"gpu"}) == Lines{"gpu 0 0"});
  }
  SECTION("a new machine") {
    world.offer("__glibc", "2.39");
    world.offer("__cuda", "11.8");
    CHECK(world.solved({"a"}) == Lines{"a 2 0"});
    CHECK(world.solved({"gpu"}) == Lines{"gpu 1 0"});
    CHECK(world.reasons({"gpu <1"}) != "");
  }
}

TEST_CASE("channel priority", "[solver]") {
  Scenario world;
  const auto second = world.channel("second");
  world.add("a 1");
  world.add("a 2", {}, {}, second);
  world.add("b 3", {"a >=2"}, {}, second);
  SECTION("strict") {
    CHECK(world.solved({"a"}) == Lines{"a 1 0"});
    CHECK(world.reasons({"b"}) != "");
    CHECK(world.solved({"second::a"}) == Lines{"a 2 0"});
  }
  SECTION("flexible") {
    world.request.options.channel_priority = ChannelPriority::flexible;
    CHECK(world.solved({"a"}) == Lines{"a 1 0"});
    CHECK(world.solved({"b"}) == Lines{"a 2 0", "b 3 0"});
  }
  SECTION("disabled") {
    world.request.options.channel_priority = ChannelPriority::disabled;
    CHECK(world.solved({"a"}) == Lines{"a 2 0"});
  }
}

TEST_CASE("pins hold only for what gets installed", "[solver]") {
  Scenario world;
  world.add("a 1", {"python"});
  world.add("python 3.11");
  world.add("python 3.12");
  world.add("z 1");
  world.request.pins = {MatchSpec::parse("python 3.11.*")};
  CHECK(world.solved({"a"}) == Lines{"python 3.11 0", "a 1 0"});
  CHECK(world.solved({"z"}) == Lines{"z 1 0"});
  world.request.pins = {MatchSpec::parse("pyth*[version='<3.12']")};
  CHECK(world.solved({"a"}) == Lines{"python 3.11 0", "a 1 0"});
}

TEST_CASE("records newer than the limit do not count", "[solver]") {
  Scenario world;
  world.add("a 1").timestamp = 100;
  world.add("a 2").timestamp = 200;
  auto& late = world.add("a 3");
  late.timestamp = 50;
  late.indexed_timestamp = 300;
  world.request.options.exclude_newer_ms = 150;
  CHECK(world.solved({"a"}) == Lines{"a 1 0"});
}

TEST_CASE("installed packages stay where possible", "[solver]") {
  Scenario world;
  world.install("lib 1.0");
  world.install("tool 1.0", {"lib"});
  world.add("lib 1.0");
  world.add("lib 2.0");
  world.add("lib 3.0");
  world.add("tool 1.0", {"lib"});
  world.add("tool 2.0", {"lib"});
  world.add("new 1.0", {"lib"});
  world.add("newer 1.0", {"lib >=2"});

  SECTION("an addition leaves the rest alone") {
    auto result = world.run({"new"});
    REQUIRE(std::holds_alternative<Solution>(result));
    for (const auto& package : std::get<Solution>(result).packages) {
      CHECK(package.installed == (package.record->name != "new"));
      if (package.record->name != "new") CHECK(package.record->version == "1.0");
    }
  }
  SECTION("only what has to move moves") {
    CHECK(world.solved({"newer"}) == Lines{"lib 3.0 0", "newer 1.0 0", "tool 1.0 0"});
  }
  SECTION("frozen packages do not move") {
    world.request.installed.freeze = {"lib"};
    CHECK(world.reasons({"newer"}) != "");
    world.request.installed.freeze = {};
    world.request.installed.freeze_all = true;
    CHECK(world.solved({"new"}) == Lines{"lib 1.0 0", "new 1.0 0", "tool 1.0 0"});
  }
  SECTION("update one") {
    world.request.installed.update = {"tool"};
    CHECK(world.solved({"tool"}) == Lines{"lib 1.0 0", "tool 2.0 0"});
  }
  SECTION("update all") {
    world.request.installed.update_all = true;
    CHECK(world.solved({}) == Lines{"lib 3.0 0", "tool 2.0 0"});
  }
  SECTION("removal takes the dependents along") {
    world.request.installed.remove = {"lib"};
    CHECK(world.solved({}) == Lines{});
    world.request.installed.remove = {"tool"};
    CHECK(world.solved({}) == Lines{"lib 1.0 0"});
  }
  SECTION("what a removal takes along") {
    CHECK(removed_with(world.request.installed.records, {"lib"}) == Lines{"lib", "tool"});
    CHECK(removed_with(world.request.installed.records, {}) == Lines{});
  }
  SECTION("orphans go when asked for") {
    world.request.installed.prune_orphans = true;
    CHECK(world.solved({"lib"}) == Lines{"lib 1.0 0"});
  }
  SECTION("a requested version moves the installed package") {
    CHECK(world.solved({"lib 2.*"}) == Lines{"lib 2.0 0", "tool 1.0 0"});
  }
}

TEST_CASE("an installed package that no channel has any more stays", "[solver]") {
  Scenario world;
  world.install("local 1.0", {"lib"});
  world.install("lib 1.0");
  world.add("lib 2.0");
  world.add("other 1.0");
  CHECK(world.solved({"other"}) == Lines{"lib 1.0 0", "local 1.0 0", "other 1.0 0"});
}

TEST_CASE("conditional dependencies (CEP 43)", "[solver]") {
  Scenario world;
  world.offer("__unix", "0");
  world.add("python 3.8");
  world.add("python 3.12");
  world.add("typing 1");
  world.add("win 1");
  world.add("nix 1");
  world.add("a 1", {"python", "typing[when=\"python<3.9\"]", "win[when=\"__win\"]", "nix[when=\"__unix and (python or __win)\"]"});
  CHECK(world.solved({"a"}) == Lines{"nix 1 0", "python 3.12 0", "a 1 0"});
  CHECK(world.solved({"a", "python <3.9"}) == Lines{"nix 1 0", "python 3.8 0", "typing 1 0", "a 1 0"});
  CHECK(world.solved({"python", "typing[when=\"python>=3.12\"]"}) == Lines{"python 3.12 0", "typing 1 0"});
  CHECK(world.solved({"python <3.9", "typing[when=\"python>=3.12\"]"}) == Lines{"python 3.8 0"});
}

TEST_CASE("optional dependency groups (CEP 44)", "[solver]") {
  Scenario world;
  world.add("a 1").extra_depends = {{"fast", {"accel"}}};
  world.add("a 2").extra_depends = {{"fast", {"accel >=2"}}, {"docs", {"sphinx"}}};
  world.add("accel 1");
  world.add("sphinx 7");
  CHECK(world.solved({"a"}) == Lines{"a 2 0"});
  CHECK(world.solved({"a[extras=[docs]]"}) == Lines{"a 2 0", "sphinx 7 0"});
  // Version 2 would need an accel that is not there.
  CHECK(world.solved({"a[extras=[fast]]"}) == Lines{"a 1 0", "accel 1 0"});
  CHECK(world.solved({"a[extras=[unknown]]"}) == Lines{"a 2 0"});
}

TEST_CASE("the order of the input does not matter", "[solver]") {
  const auto build = [](bool reverse) {
    Scenario world;
    std::vector<std::string> lines;
    for (int i = 0; i < 30; ++i) lines.push_back("p" + std::to_string(i % 6) + " 1." + std::to_string(i / 6) + " b" + std::to_string(i) + "_0");
    if (reverse) std::reverse(lines.begin(), lines.end());
    for (const auto& line : lines) {
      std::vector<std::string> depends;
      if (line[1] != '5') depends.push_back(std::string("p") + static_cast<char>(line[1] + 1) + " <1." + std::to_string(4 - (line[1] - '0') / 2));
      world.add(line, depends);
    }
    return reverse ? world.solved({"p3", "p0", "p1"}) : world.solved({"p0", "p1", "p3"});
  };
  CHECK(build(false).size() == 6);
  CHECK(build(false) == build(true));
}

TEST_CASE("no_deps takes only what is named", "[solver]") {
  Scenario world;
  world.add("a 1", {"missing"});
  world.request.options.dependencies = DependencyMode::none;
  CHECK(world.solved({"a"}) == Lines{"a 1 0"});
}

TEST_CASE("records that cannot be understood do no harm", "[solver]") {
  Scenario world;
  world.add("a 2", {"b >=1,,<<2"});
  world.add("a 1");
  world.add("a !!x");
  CHECK(world.solved({"a"}) == Lines{"a 1 0"});
}

TEST_CASE("a record may have very many dependencies", "[solver]") {
  constexpr int count = 30'000;
  Scenario world;
  std::vector<std::string> depends, missing;
  for (int i = 0; i < count; ++i) {
    depends.push_back("p" + std::to_string(i));
    missing.push_back("q" + std::to_string(i));
    world.add(depends.back() + " 1");
  }
  world.add("all 2", missing);
  world.add("all 1", depends);
  CHECK(world.solved({"all"}).size() == count + 1);
  CHECK(world.reasons({"all >=2"}).find("q0") != std::string::npos);
}
