#include <catch2/catch.hpp>
#include <map>

#include "channel_data.hpp"
#include "solution_checker.hpp"

using namespace envtool;
using namespace envtool::test;

TEST_CASE("the roots of real environments can be solved for", "[solver][real]") {
  ChannelData data(ENVTOOL_SHARED_DATA);
  if (!data.available()) {
    WARN("SKIPPED: no channel data at " ENVTOOL_SHARED_DATA);
    return;
  }
  for (const auto& environment : data.environments()) {
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

    std::map<std::string, Version> chosen;
    for (const auto& package : solution.packages)
      chosen.emplace(package.record->name, Version::parse(package.record->version));
    for (const auto& path : environment.solution) {
      const auto* locked = data.find(path);
      if (locked == nullptr) continue;
      for (const auto& root : environment.roots)
        if (root == locked->name && chosen.at(root) < Version::parse(locked->version))
          FAIL_CHECK(root << " " << chosen.at(root).str() << " is older than the locked " << locked->version);
    }
  }
}
