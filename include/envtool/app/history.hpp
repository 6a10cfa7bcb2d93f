#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envtool/app/change.hpp"
#include "envtool/package_cache/bundle.hpp"
#include "envtool/package_cache/package_cache.hpp"
#include "envtool/prefix/revision.hpp"

namespace envtool {

/// A package as a list shows it.
struct ListedPackage {
  std::string version;
  std::string build;
  /// `channel/subdir`, or empty.
  std::string channel;
  bool operator==(const ListedPackage&) const = default;
};

/// What can be said of a revision without the packages' records: also of those that other tools made.
struct RevisionView {
  std::size_t number = 0;
  HistoryEntry entry;
  /// The environment is (or was made to be) as after this one.
  bool is_current = false;
  /// envtool wrote the whole state down; otherwise only `packages` and `requested` are known.
  bool is_recorded = false;
  /// Why the state cannot be read although it was written down.
  std::string problem;
  std::map<std::string, ListedPackage> packages;
  std::map<std::string, std::vector<std::string>> requested;
  std::map<std::string, std::string> pip;
  std::optional<std::string> pinned;
  EnvironmentVariables variables;
};

/// Every revision, oldest first. The environment is not looked at.
std::vector<RevisionView> view_history(const Prefix& prefix);

/// What differs between two revisions; a missing side is empty.
struct RevisionDifference {
  template <typename Value>
  struct Change {
    std::string name;
    std::optional<Value> from, to;
  };
  std::vector<Change<ListedPackage>> packages;
  std::vector<Change<std::vector<std::string>>> requested;
  /// Names and versions.
  std::vector<Change<std::string>> pip;
  std::vector<Change<std::string>> variables;
  /// The lines of `conda-meta/pinned`.
  std::vector<std::string> pins_removed, pins_added;
  /// Of pip, pins and variables nothing is known for one of the two.
  bool is_partial = false;

  bool empty() const { return packages.empty() && requested.empty() && pip.empty() && variables.empty() && pins_removed.empty() && pins_added.empty(); }
};
RevisionDifference compare(const RevisionView& from, const RevisionView& to);

/// What a rollback does besides the packages of conda.
struct Restoration {
  std::size_t revision = 0;
  /// As in `EnvironmentChange`.
  std::optional<std::optional<std::string>> pinned;
  bool removes_variables = false;
  /// Pip packages that go, and those that come with the kept files.
  std::vector<PipDistribution> pip_leaving;
  std::vector<std::pair<PipDistribution, Bundle>> pip_coming;
  /// Those that cannot come back, and why; what is there of the same name stays.
  std::vector<std::pair<PipDistribution, std::string>> pip_lost;
  /// The pip packages afterwards.
  std::vector<PipDistribution> pip;
};

/// Brings an environment back to a revision (absent: the one before the last). A dry run, the question and
/// `execute` are as for any other plan; what is done becomes a new revision. Throws `Error`: usage for a revision
/// that does not exist, corrupt for one whose file is damaged, packages_not_found when another tool made it and
/// its packages are not known, offline when a package is in no cache.
Plan plan_rollback(const AppInputs& inputs, const Prefix& prefix, std::optional<std::size_t> revision,
                   const std::vector<Channel>& channels, const SolveChoices& choices);

/// Changes the variables that activation sets (`conda-meta/state`), as a revision. Nothing happens when `change`
/// changes nothing. Throws `Error` (permission) for a frozen environment.
void change_variables(const AppInputs& inputs, const Prefix& prefix, const std::function<void(EnvironmentVariables&)>& change,
                      bool override_frozen = false);

/// What the last `keep_revisions` revisions of every environment that is known need.
struct KeptRevisions {
  CacheNeeds needs;
  /// Environments whose revisions count.
  std::size_t environments = 0;
  std::vector<std::string> warnings;
};
KeptRevisions kept_revisions(const Settings& settings, const EnvSnapshot& environment);
/// Adds the packages that every known environment has now (`CacheNeeds::in_use`).
void add_packages_in_use(KeptRevisions& kept, const Settings& settings, const EnvSnapshot& environment);

}  // namespace envtool
