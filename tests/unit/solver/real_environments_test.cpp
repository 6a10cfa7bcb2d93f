// Environments that somebody really had: what their lock files say, and the records of their
// channels. Not in the default run because it takes long: `test_solver "[real]"`. Skipped, and said
// so, where the data is not at hand.
#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "channel_data.hpp"
#include "solution_checker.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

bool skipped(const ChannelData& data) {
  if (data.available()) return false;
  WARN("SKIPPED: no channel data at " ENVTOOL_SHARED_DATA);
  return true;
}

std::map<std::string, Version> versions_of(const Solution& solution) {
  std::map<std::string, Version> versions;
  for (const auto& package : solution.packages)
    versions.emplace(package.record->name, Version::parse(package.record->version));
  return versions;
}

}  // namespace

TEST_CASE("the roots of real environments can be solved for", "[.][real]") {
  ChannelData data(ENVTOOL_SHARED_DATA);
  if (skipped(data)) return;
  int environments = 0, older = 0, not_newest = 0;
  for (const auto& environment : data.environments()) {
    ++environments;
    INFO("environment " << environment.id << " for " << environment.platform);
    const CandidateIndex index = data.index(environment.channels, environment.platform);
    const SolveRequest request = request_for(data, environment, index);
    const auto result = solve(request);
    if (const auto* unsolvable = std::get_if<Unsolvable>(&result)) {
      FAIL_CHECK(explain(*unsolvable));
      continue;
    }
    const auto& solution = std::get<Solution>(result);
    for (const auto& problem : check_solution(request, solution)) FAIL_CHECK(problem);
    CHECK(!solution.packages.empty());

    // Nothing that was asked for could be newer without making another wish older. (So what is
    // older than in the lock file has a reason, which is told.)
    const auto chosen = versions_of(solution);
    for (const auto& root : environment.roots) {
      Version newest;
      for (const auto& entry : index.find(root)) newest = std::max(newest, Version::parse(entry.record->version));
      if (chosen.at(root) == newest) continue;
      ++not_newest;
      SolveRequest better = request;
      better.specs.clear();
      for (const auto& other : environment.roots)
        better.specs.push_back(MatchSpec::parse(other + (other == root ? " >" : " >=") + chosen.at(other).str()));
      const auto attempt = solve(better);
      const auto* reason = std::get_if<Unsolvable>(&attempt);
      INFO(root << " could be newer than " << chosen.at(root).str());
      CHECK(reason != nullptr);
      if (reason != nullptr) CHECK(explain(*reason).size() > 50);
    }
    for (const auto& path : environment.solution) {
      const auto* locked = data.find(path);
      if (locked == nullptr || std::find(environment.roots.begin(), environment.roots.end(), locked->name) == environment.roots.end())
        continue;
      if (chosen.at(locked->name) < Version::parse(locked->version)) ++older;
    }
  }
  CHECK(environments == 116);
  CHECK(older <= 1);
  CHECK(not_newest < 30);
}

TEST_CASE("what is installed stays as it is", "[.][real]") {
  ChannelData data(ENVTOOL_SHARED_DATA);
  if (skipped(data)) return;
  int checked = 0;
  for (const auto& environment : data.environments()) {
    INFO("environment " << environment.id << " for " << environment.platform);
    const CandidateIndex index = data.index(environment.channels, environment.platform);
    SolveRequest request = request_for(data, environment, index);
    Solution locked;
    for (const auto& path : environment.solution)
      if (const auto* record = data.find(path)) locked.packages.push_back({record, true});
    // Some lock files do not obey the metadata as it is today.
    if (locked.packages.size() != environment.solution.size() || !check_solution(request, locked).empty()) continue;
    ++checked;
    for (const auto& package : locked.packages) request.installed.records.push_back(package.record);
    for (const bool freeze : {false, true}) {
      request.installed.freeze_all = freeze;
      const auto result = solve(request);
      REQUIRE(std::holds_alternative<Solution>(result));
      const auto& solution = std::get<Solution>(result);
      CHECK(solution.packages.size() == locked.packages.size());
      CHECK(std::all_of(solution.packages.begin(), solution.packages.end(), [](const auto& package) { return package.installed; }));
    }
    request.installed.freeze_all = false;
    request.installed.update_all = true;
    const auto updated = solve(request);
    REQUIRE(std::holds_alternative<Solution>(updated));
    for (const auto& problem : check_solution(request, std::get<Solution>(updated))) FAIL_CHECK(problem);
  }
  CHECK(checked > 80);
}
