#include "envtool/app/history.hpp"

#include <algorithm>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/prefix/environments.hpp"
#include "envtool/prefix/prefix_data.hpp"

namespace envtool {

namespace {
/// A line of the history as name and package. A line that is none gives its whole text as the name.
std::pair<std::string, ListedPackage> listed(std::string_view line) {
  ListedPackage package;
  if (const std::size_t colons = line.rfind("::"); colons != std::string_view::npos) {
    package.channel = std::string(line.substr(0, colons));
    line.remove_prefix(colons + 2);
  }
  for (std::string_view extension : {".tar.bz2", ".conda"})
    if (line.ends_with(extension)) line.remove_suffix(extension.size());
  const std::size_t build = line.rfind('-');
  const std::size_t version = build == std::string_view::npos || build == 0 ? std::string_view::npos : line.rfind('-', build - 1);
  if (version == std::string_view::npos) return {std::string(line), package};
  package.version = std::string(line.substr(version + 1, build - version - 1));
  package.build = std::string(line.substr(build + 1));
  return {to_lower(line.substr(0, version)), package};
}

template <typename Value>
std::vector<RevisionDifference::Change<Value>> differences(const std::map<std::string, Value>& from, const std::map<std::string, Value>& to) {
  std::vector<RevisionDifference::Change<Value>> changes;
  for (const auto& [name, value] : from) {
    const auto found = to.find(name);
    if (found == to.end()) changes.push_back({name, value, std::nullopt});
    else if (!(found->second == value)) changes.push_back({name, value, found->second});
  }
  for (const auto& [name, value] : to)
    if (!from.contains(name)) changes.push_back({name, std::nullopt, value});
  std::sort(changes.begin(), changes.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  return changes;
}

/// The wishes after a revision that nobody wrote down, for what is there.
std::map<std::string, std::vector<std::string>> requested_until(const std::vector<HistoryEntry>& entries, std::size_t number,
                                                                const std::map<std::string, ListedPackage>& packages) {
  std::string text;
  for (std::size_t i = 0; i <= number; ++i) text += render(entries[i]);
  std::map<std::string, std::vector<std::string>> requested;
  for (const auto& [name, spec] : History::parse(text).requested_specs())
    if (packages.contains(name)) requested[name] = {spec};
  return requested;
}
}  // namespace

std::vector<RevisionView> view_history(const Prefix& prefix) {
  const RevisionStore store = RevisionStore::load(prefix);
  std::vector<RevisionView> views;
  for (std::size_t number = 0; number < store.size(); ++number) {
    RevisionView view;
    view.number = number;
    view.entry = store.history().entries()[number];
    view.is_current = number + 1 == store.size();
    view.problem = store.problem(number);
    for (const std::string& line : store.history().state_at(number)) view.packages.insert(listed(line));
    if (store.is_recorded(number)) {
      view.is_recorded = true;
      const EnvironmentState& state = store.surroundings(number);
      view.requested = state.requested;
      view.pinned = state.pinned;
      view.variables = state.variables.value_or(EnvironmentVariables());
      for (const PipDistribution& pip : state.pip) view.pip.emplace(pip.name, pip.version);
    } else {
      view.requested = requested_until(store.history().entries(), number, view.packages);
    }
    views.push_back(std::move(view));
  }
  return views;
}

RevisionDifference compare(const RevisionView& from, const RevisionView& to) {
  RevisionDifference difference;
  difference.packages = differences(from.packages, to.packages);
  difference.requested = differences(from.requested, to.requested);
  difference.is_partial = !from.is_recorded || !to.is_recorded;
  if (difference.is_partial) return difference;
  difference.pip = differences(from.pip, to.pip);
  difference.variables = differences(from.variables, to.variables);
  const std::vector<std::string> before = parse_pinned(from.pinned.value_or("")), after = parse_pinned(to.pinned.value_or(""));
  const auto without = [](const std::vector<std::string>& all, const std::vector<std::string>& others) {
    std::vector<std::string> rest;
    for (const std::string& line : all)
      if (std::find(others.begin(), others.end(), line) == others.end()) rest.push_back(line);
    return rest;
  };
  difference.pins_removed = without(before, after);
  difference.pins_added = without(after, before);
  return difference;
}

KeptRevisions kept_revisions(const Settings& settings, const EnvSnapshot& environment) {
  KeptRevisions kept;
  if (settings.keep_revisions == 0) return kept;
  std::set<std::string> known;
  for (const FoundEnvironment& found :
       list_environments(settings.root_prefix, settings.envs_dirs, EnvironmentRegistry(environment.home))) {
    try {
      const RevisionStore store = RevisionStore::load(Prefix(found.path));
      const std::size_t first = store.size() - std::min<std::size_t>(store.size(), settings.keep_revisions);
      bool counts = false;
      for (std::size_t number = first; number < store.size(); ++number) {
        if (!store.problem(number).empty())
          kept.warnings.push_back("revision " + std::to_string(number) + " of " + found.path + " cannot be read: nothing is kept for it");
        if (!store.is_recorded(number)) continue;
        counts = true;
        for (const PipDistribution& pip : store.pip(number)) kept.needs.bundles.insert(pip.bundle);
        for (RepoDataRecord& record : store.state(number).packages)
          if (known.insert(record.url + (record.sha256 ? record.sha256->hex() : "")).second) kept.needs.packages.push_back(std::move(record));
      }
      kept.environments += counts ? 1 : 0;
    } catch (const Error& error) {
      kept.warnings.push_back("the revisions of " + found.path + " cannot be read: nothing is kept for them (" + error.message() + ")");
    }
  }
  return kept;
}

void add_packages_in_use(KeptRevisions& kept, const Settings& settings, const EnvSnapshot& environment) {
  for (const FoundEnvironment& found :
       list_environments(settings.root_prefix, settings.envs_dirs, EnvironmentRegistry(environment.home))) {
    try {
      const PrefixData data = PrefixData::load(Prefix(found.path));
      kept.needs.in_use.insert(kept.needs.in_use.end(), data.records().begin(), data.records().end());
    } catch (const Error& error) {
      kept.warnings.push_back("the packages of " + found.path + " cannot be read, and some may be taken for unused (" + error.message() + ")");
    }
  }
}

}  // namespace envtool
