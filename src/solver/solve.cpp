#include "envtool/solver/solve.hpp"

#include <algorithm>
#include <map>
#include <set>

#include "encoding.hpp"
#include "envtool/base/error.hpp"
#include "explanation.hpp"
#include "install_order.hpp"
#include "narrowing.hpp"
#include "universe.hpp"

namespace envtool {
namespace solving {

/// Installed packages that would like to stay, by name.
static std::vector<NameId> names_to_keep(Universe& universe) {
  const InstalledPackages& installed = universe.request().installed;
  if (installed.prune_orphans) return {};
  std::vector<std::string_view> texts;
  for (const auto* record : installed.records)
    if (!universe.is_removed(record->name)) texts.push_back(record->name);
  std::sort(texts.begin(), texts.end());
  std::vector<NameId> names;
  for (const auto text : texts) names.push_back(universe.intern_name(text));
  return names;
}

std::optional<Solution> find_solution(const SolveRequest& request, SolveStatistics* statistics) {
  Universe universe(request, Universe::Purpose::solve);
  const std::vector<NameId> keep = names_to_keep(universe);
  Narrowing narrowing(universe);
  const bool possible = narrowing.run(keep);
  if (statistics != nullptr) {
    statistics->names = universe.name_count();
    statistics->candidates = universe.candidate_count();
  }
  if (!possible) return std::nullopt;
  Encoding encoding(universe, narrowing);
  const auto chosen = encoding.solve(keep);
  if (statistics != nullptr) statistics->solver_candidates = encoding.candidate_count();
  if (!chosen) return std::nullopt;
  Solution solution;
  for (const CandidateId id : install_order(universe, *chosen)) {
    const Candidate& candidate = universe.candidate(id);
    if (candidate.row != nullptr) solution.packages.push_back({&universe.record(id), candidate.installed});
  }
  return solution;
}

}  // namespace solving

std::vector<std::string> removed_with(const std::vector<const RepoDataRecord*>& installed,
                                      const std::vector<std::string>& names) {
  std::set<std::string, std::less<>> removed(names.begin(), names.end());
  if (removed.empty()) return {};
  std::map<std::string, std::vector<const RepoDataRecord*>, std::less<>> dependents;
  for (const auto* record : installed)
    for (const std::string& text : record->depends) {
      try {
        const MatchSpec spec = MatchSpec::parse(text);
        if (spec.when.empty()) dependents[spec.name].push_back(record);
      } catch (const Error&) {
        // Nothing is known of what it needs.
      }
    }
  std::vector<std::string> open(removed.begin(), removed.end());
  while (!open.empty()) {
    const auto found = dependents.find(open.back());
    open.pop_back();
    if (found == dependents.end()) continue;
    for (const auto* record : found->second)
      if (removed.insert(record->name).second) open.push_back(record->name);
  }
  return {removed.begin(), removed.end()};
}

std::variant<Solution, Unsolvable> solve(const SolveRequest& request, SolveStatistics* statistics) {
  static const CandidateIndex no_candidates;
  SolveRequest complete = request;
  if (complete.candidates == nullptr) complete.candidates = &no_candidates;
  if (auto solution = solving::find_solution(complete, statistics)) return std::move(*solution);
  return solving::find_reasons(complete);
}

}  // namespace envtool
