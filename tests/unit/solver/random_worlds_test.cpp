// Small random worlds, judged by trying out every combination.
#include <catch2/catch.hpp>
#include <functional>
#include <map>
#include <optional>
#include <random>

#include "scenario.hpp"
#include "solution_checker.hpp"

using namespace envtool;
using envtool::test::check_solution;

namespace {

constexpr int name_count = 5;
constexpr int version_count = 3;

struct Package {
  int name = 0, version = 0;
  /// For each other name: the versions that are accepted, as a set of bits; 0: nothing said.
  std::map<int, unsigned> needs, allows;
  /// Needs `second` of a name if `first` (name, versions) is there.
  struct Conditional {
    int name;
    unsigned accepted;
    int if_name;
    unsigned if_versions;
  };
  std::vector<Conditional> conditionals;
};

/// Versions 1, 2, 3 out of a set of bits as a spec: `n2 1.*|3.*`.
std::string spec_of(int name, unsigned accepted) {
  std::string versions;
  for (int v = 0; v < version_count; ++v)
    if ((accepted >> v) & 1U) versions += (versions.empty() ? "==" : "|==") + std::to_string(v + 1);
  if (versions.empty()) versions = ">9";
  return "n" + std::to_string(name) + " " + versions;
}

struct World {
  std::vector<Package> packages;
  std::map<int, unsigned> wishes;

  const Package* find(int name, int version) const {
    for (const auto& package : packages)
      if (package.name == name && package.version == version) return &package;
    return nullptr;
  }

  /// Calls for every combination that obeys all records and wishes; -1: the name is absent.
  void for_each_solution(const std::map<int, unsigned>& wanted, const std::function<void(const std::vector<int>&)>& found) const {
    std::vector<int> chosen(name_count, -1);
    const auto holds = [&](int name, unsigned accepted) {
      return chosen[static_cast<std::size_t>(name)] >= 0 &&
             ((accepted >> chosen[static_cast<std::size_t>(name)]) & 1U) != 0;
    };
    const auto valid = [&] {
      for (const auto& [name, accepted] : wanted)
        if (!holds(name, accepted)) return false;
      for (int name = 0; name < name_count; ++name) {
        const int version = chosen[static_cast<std::size_t>(name)];
        if (version < 0) continue;
        const Package& package = *find(name, version);
        for (const auto& [other, accepted] : package.needs)
          if (!holds(other, accepted)) return false;
        for (const auto& [other, accepted] : package.allows)
          if (chosen[static_cast<std::size_t>(other)] >= 0 && !holds(other, accepted)) return false;
        for (const auto& conditional : package.conditionals)
          if (holds(conditional.if_name, conditional.if_versions) && !holds(conditional.name, conditional.accepted))
            return false;
      }
      return true;
    };
    const std::function<void(int)> choose = [&](int name) {
      if (name == name_count) {
        if (valid()) found(chosen);
        return;
      }
      for (int version = -1; version < version_count; ++version) {
        if (version >= 0 && find(name, version) == nullptr) continue;
        chosen[static_cast<std::size_t>(name)] = version;
        choose(name + 1);
      }
    };
    choose(0);
  }
  bool solvable(const std::map<int, unsigned>& wanted) const {
    bool any = false;
    for_each_solution(wanted, [&](const auto&) { any = true; });
    return any;
  }
};

World make_world(std::mt19937& random) {
  const auto below = [&](int limit) { return static_cast<int>(random() % static_cast<unsigned>(limit)); };
  World world;
  for (int name = 0; name < name_count; ++name)
    for (int version = 0; version < version_count; ++version) {
      if (below(6) == 0) continue;
      Package package{name, version, {}, {}, {}};
      for (int other = 0; other < name_count; ++other) {
        if (other == name) continue;
        const auto accepted = static_cast<unsigned>(1 + below(7));
        if (below(5) == 0) package.needs[other] = accepted;
        else if (below(7) == 0) package.allows[other] = accepted;
        else if (below(12) == 0)
          package.conditionals.push_back({other, accepted, (other + 1 + below(name_count - 1)) % name_count,
                                          static_cast<unsigned>(1 + below(7))});
      }
      world.packages.push_back(package);
    }
  for (int name = 0; name < name_count; ++name)
    if (below(3) == 0) world.wishes[name] = static_cast<unsigned>(1 + below(7));
  return world;
}

/// True when something is said beyond what the user wished.
bool names_a_demand(const std::vector<ConflictReason>& reasons) {
  for (const auto& reason : reasons)
    if (reason.kind != ConflictReason::Kind::requested || names_a_demand(reason.causes)) return true;
  return false;
}

std::string condition_of(int name, unsigned versions) {
  std::string text;
  for (int v = 0; v < version_count; ++v)
    if ((versions >> v) & 1U) text += (text.empty() ? "n" : " or n") + std::to_string(name) + "==" + std::to_string(v + 1);
  return text;
}

struct Loaded {
  std::deque<RepoDataRecord> records;
  CandidateIndex index;
  SolveRequest request;
};

void load(const World& world, bool reverse, Loaded& loaded) {
  const auto channel = loaded.index.add_channel("main");
  for (const auto& package : world.packages) {
    RepoDataRecord& record = loaded.records.emplace_back();
    record.name = "n" + std::to_string(package.name);
    record.version = std::to_string(package.version + 1);
    record.build = "0";
    record.subdir = "linux-64";
    record.fn = record.dist() + ".conda";
    for (const auto& [other, accepted] : package.needs) record.depends.push_back(spec_of(other, accepted));
    for (const auto& [other, accepted] : package.allows) record.constrains.push_back(spec_of(other, accepted));
    for (const auto& conditional : package.conditionals) {
      std::string spec = spec_of(conditional.name, conditional.accepted);
      const std::size_t space = spec.find(' ');
      record.depends.push_back(spec.substr(0, space) + "[version=\"" + spec.substr(space + 1) + "\", when=\"" +
                               condition_of(conditional.if_name, conditional.if_versions) + "\"]");
    }
  }
  if (reverse)
    for (auto it = loaded.records.rbegin(); it != loaded.records.rend(); ++it) loaded.index.add(*it, channel);
  else
    for (const auto& record : loaded.records) loaded.index.add(record, channel);
  loaded.request.candidates = &loaded.index;
  for (const auto& [name, accepted] : world.wishes) loaded.request.specs.push_back(MatchSpec::parse(spec_of(name, accepted)));
  if (reverse) std::reverse(loaded.request.specs.begin(), loaded.request.specs.end());
}

}  // namespace

TEST_CASE("small random worlds are solved as trying everything does", "[solver][random]") {
  int solved = 0, unsolvable_worlds = 0;
  for (unsigned seed = 0; seed < 1500; ++seed) {
    std::mt19937 random(seed);
    const World world = make_world(random);
    INFO("seed " << seed);
    Loaded loaded, reversed;
    load(world, false, loaded);
    load(world, true, reversed);
    const auto result = solve(loaded.request);
    const auto again = solve(reversed.request);
    REQUIRE(std::holds_alternative<Solution>(result) == world.solvable(world.wishes));
    REQUIRE(result.index() == again.index());
    if (const auto* unsolvable = std::get_if<Unsolvable>(&result)) {
      ++unsolvable_worlds;
      CHECK(explain(*unsolvable) == explain(std::get<Unsolvable>(again)));
      if (unsolvable->kind != Unsolvable::Kind::conflict) continue;
      REQUIRE(!unsolvable->reasons.empty());
      CHECK(names_a_demand(unsolvable->reasons));
      // The core is enough, and nothing of it is too much.
      std::map<int, unsigned> core;
      for (const auto& text : unsolvable->conflicting_specs) {
        const int name = text[1] - '0';
        REQUIRE(world.wishes.contains(name));
        core[name] = world.wishes.at(name);
      }
      CHECK(!world.solvable(core));
      for (const auto& [name, accepted] : core) {
        auto less = core;
        less.erase(name);
        CHECK(world.solvable(less));
      }
      continue;
    }
    ++solved;
    const auto& solution = std::get<Solution>(result);
    std::vector<int> chosen(name_count, -1);
    for (const auto& package : solution.packages)
      chosen[static_cast<std::size_t>(package.record->name[1] - '0')] = package.record->version[0] - '1';
    bool valid = false;
    std::vector<int> best(name_count, -1);
    world.for_each_solution(world.wishes, [&](const std::vector<int>& possible) {
      valid = valid || possible == chosen;
      for (std::size_t i = 0; i < best.size(); ++i) best[i] = std::max(best[i], possible[i]);
    });
    CHECK(valid);
    // With one wish there is nothing to trade: it gets its newest possible version.
    if (world.wishes.size() == 1) {
      const auto wished = static_cast<std::size_t>(world.wishes.begin()->first);
      CHECK(chosen[wished] == best[wished]);
    }
    std::vector<std::string> first, second;
    for (const auto& package : solution.packages) first.push_back(package.record->dist());
    for (const auto& package : std::get<Solution>(again).packages) second.push_back(package.record->dist());
    CHECK(first == second);
  }
  CHECK(solved > 300);
  CHECK(unsolvable_worlds > 300);
}
