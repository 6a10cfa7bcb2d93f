// How long solving takes: all environments of the collection, records in memory. Prints one line
// an environment and the percentiles of the best of several runs, in processor time, so that other
// work on the machine disturbs little. `solver_bench [runs [environment|all [depth]]]`: a depth of 8
// adds seven older copies of every record, which makes a channel as deep as the largest ones are.
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <deque>
#include <string>

#include "channel_data.hpp"

using namespace envtool;
using namespace envtool::test;

int main(int argc, char** argv) {
  const int runs = argc > 1 ? std::atoi(argv[1]) : 5;
  const std::string only = argc > 2 && std::string(argv[2]) != "all" ? argv[2] : "";
  const int depth = argc > 3 ? std::atoi(argv[3]) : 1;
  ChannelData data(ENVTOOL_SHARED_DATA);
  if (!data.available()) {
    std::puts("no channel data at " ENVTOOL_SHARED_DATA);
    return 1;
  }
  std::vector<double> times;
  for (const auto& environment : data.environments()) {
    if (!only.empty() && environment.id != only) continue;
    CandidateIndex index = data.index(environment.channels, environment.platform);
    std::deque<RepoDataRecord> copies;
    if (depth > 1) {
      for (const auto& name : index.names())
        for (const auto& entry : index.find(name))
          for (int i = 1; i < depth; ++i) {
            RepoDataRecord& copy = copies.emplace_back(*entry.record);
            copy.version = "0." + std::to_string(i) + "." + copy.version.substr(copy.version.find('!') + 1);
            copy.timestamp -= static_cast<std::uint64_t>(i) * 86'400'000;
          }
      for (const auto& copy : copies) index.add(copy, 0);
    }
    const SolveRequest request = request_for(data, environment, index);
    double best = 1e9;
    SolveStatistics statistics;
    bool solved = false;
    for (int i = 0; i < runs; ++i) {
      const std::clock_t start = std::clock();
      const auto result = solve(request, &statistics);
      const double took = 1000.0 * static_cast<double>(std::clock() - start) / CLOCKS_PER_SEC;
      best = std::min(best, took);
      solved = std::holds_alternative<Solution>(result);
    }
    times.push_back(best);
    std::printf("%8.2f ms  %-10s %-13s %3zu roots %4zu locked %5zu names %6zu candidates %5zu to solve%s\n", best,
                environment.id.c_str(), environment.platform.c_str(), environment.roots.size(),
                environment.solution.size(), statistics.names, statistics.candidates,
                statistics.solver_candidates, solved ? "" : "  UNSOLVABLE");
  }
  if (times.empty()) return 1;
  std::sort(times.begin(), times.end());
  const auto at = [&](double share) { return times[std::min(times.size() - 1, static_cast<std::size_t>(share * static_cast<double>(times.size())))]; };
  std::printf("median %.2f ms, 90%% %.2f ms, 99%% %.2f ms, max %.2f ms\n", at(0.5), at(0.9), at(0.99), times.back());
  return 0;
}
