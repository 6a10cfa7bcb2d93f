#include <algorithm>
#include <set>

#include "envtool/app/history.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "history_state.hpp"
#include "pip_distributions.hpp"

namespace envtool {

namespace {

using detail::DistributionFile;

/// The state to go back to. What another tool's revision does not tell stays as it is.
EnvironmentState target_state(const AppInputs& inputs, const RevisionStore& store, std::size_t number, const EnvironmentState& present,
                              std::span<const PrefixRecord> installed, Plan& plan) {
  if (store.is_recorded(number)) return store.state(number);
  if (!store.problem(number).empty()) {
    // Loud: the file says more than the names do.
    throw Error("revision " + std::to_string(number) + " cannot be brought back", ErrorKind::corrupt)
        .at(plan.prefix / revision_file(number))
        .because(store.problem(number))
        .hint("remove the file to go back to the packages that `conda-meta/history` names");
  }
  EnvironmentState state = present;
  state.packages = detail::find_unrecorded(store, number, installed, inputs.settings.pkgs_dirs);
  const std::vector<RevisionView> views = view_history(plan.prefix);
  state.requested = views[number].requested;
  if (!present.pip.empty() || present.pinned || present.variables)
    plan.warnings.push_back("another tool made revision " + std::to_string(number) + ": pip packages, pins and variables stay as they are");
  return state;
}

void plan_pip(const AppInputs& inputs, const Prefix& prefix, const EnvironmentState& present, const EnvironmentState& target,
              Restoration& restoration) {
  const BundleStore bundles(inputs.settings.pkgs_dirs);
  const auto has = [](const std::vector<PipDistribution>& list, const PipDistribution& wanted) {
    return std::any_of(list.begin(), list.end(), [&](const PipDistribution& item) { return same_distribution(item, wanted); });
  };
  for (const PipDistribution& wanted : target.pip) {
    if (has(present.pip, wanted)) {
      restoration.pip.push_back(wanted);
      continue;
    }
    std::string problem = wanted.bundle.empty() ? "its files were not kept" : "";
    std::optional<Bundle> bundle;
    if (problem.empty()) {
      bundle = bundles.find(wanted.bundle);
      if (!bundle) problem = "its files are no longer in the package cache";
      else if (bundle->prefix != prefix.path()) problem = "its files were kept for " + bundle->prefix;
      else problem = bundle_problem(*bundle, inputs.stop);
    }
    if (problem.empty()) {
      restoration.pip_coming.emplace_back(wanted, std::move(*bundle));
      restoration.pip.push_back(wanted);
    } else {
      restoration.pip_lost.emplace_back(wanted, problem);
    }
  }
  for (const PipDistribution& item : present.pip) {
    if (has(target.pip, item)) continue;
    const auto lost = std::find_if(restoration.pip_lost.begin(), restoration.pip_lost.end(),
                                   [&](const auto& other) { return to_lower(other.first.name) == to_lower(item.name); });
    std::string stays = lost != restoration.pip_lost.end() ? lost->second : detail::distribution_files(prefix, item).problem;
    if (stays.empty()) {
      restoration.pip_leaving.push_back(item);
      continue;
    }
    if (lost == restoration.pip_lost.end()) restoration.pip_lost.emplace_back(item, "it cannot be removed: " + stays);
    restoration.pip.push_back(item);
  }
  std::sort(restoration.pip.begin(), restoration.pip.end(), [](const auto& a, const auto& b) { return to_lower(a.name) < to_lower(b.name); });
}

/// Packages of conda's whose files pip has replaced with ones that go now: they are linked anew.
std::vector<std::string> damaged_by_pip(const Prefix& prefix, const Restoration& restoration, std::span<const PrefixRecord> installed) {
  std::set<std::string> going;
  for (const PipDistribution& item : restoration.pip_leaving)
    for (const DistributionFile& file : detail::distribution_files(prefix, item).files) going.insert(file.path);
  std::set<std::string> coming;
  for (const auto& [item, bundle] : restoration.pip_coming)
    for (const BundleFile& file : bundle.files) coming.insert(file.path);
  std::vector<std::string> names;
  if (going.empty()) return names;
  for (const PrefixRecord& record : installed)
    if (std::any_of(record.files.begin(), record.files.end(), [&](const std::string& path) { return going.contains(path) && !coming.contains(path); }))
      names.push_back(record.name);
  return names;
}

/// The words for conda and for later commands of ours: what was asked for, and what no longer is.
void plan_wishes(const History& history, const EnvironmentState& target, Plan& plan) {
  plan.requested = target.requested;
  const auto now = history.requested_specs();
  for (const auto& [name, specs] : target.requested) {
    const auto found = now.find(name);
    if (specs.empty() || (found != now.end() && specs.size() == 1 && found->second == specs.front())) continue;
    plan.update_specs.insert(plan.update_specs.end(), specs.begin(), specs.end());
  }
  for (const auto& [name, spec] : now)
    if (!target.requested.contains(name) && !name.empty()) plan.remove_specs.push_back(name);
}

void describe(const EnvironmentState& present, const Restoration& restoration, Plan& plan) {
  const auto name = [](const PipDistribution& item) { return item.name + " " + item.version; };
  for (const PipDistribution& item : restoration.pip_leaving) plan.notes.push_back("pip package goes: " + name(item));
  for (const auto& [item, bundle] : restoration.pip_coming) plan.notes.push_back("pip package comes back: " + name(item));
  for (const auto& [item, why] : restoration.pip_lost) plan.warnings.push_back("the pip package " + name(item) + " cannot be brought back: " + why);
  if (restoration.pinned) plan.notes.push_back(*restoration.pinned ? "pins are restored" : "pins are removed");
  if (restoration.removes_variables) plan.notes.push_back("variables are removed");
  else if (plan.variables) plan.notes.push_back("variables are restored");
  if (present.requested != plan.requested) plan.notes.push_back("what was asked for is as it was then");
}
}  // namespace

Plan plan_rollback(const AppInputs& inputs, const Prefix& prefix, std::optional<std::size_t> revision, const std::vector<Channel>& channels,
                   const SolveChoices& choices) {
  if (!is_environment(prefix))
    throw Error("there is no environment", ErrorKind::environment_not_found)
        .at(prefix.path())
        .hint("`envtool env list` shows the environments");
  InstallOptions options;
  options.reporter = &inputs.reporter;
  recover(prefix, options);
  if (!choices.override_frozen) refuse_if_frozen(prefix);
  const RevisionStore store = RevisionStore::load(prefix);
  // Going back one step is not going back to where the environment was called something else.
  std::size_t last = store.size() - (store.size() > 0 ? 1 : 0);
  while (last > 0 && only_changes_place(store.history(), last)) --last;
  if (!revision && last == 0)
    throw Error("there is no revision to go back to", ErrorKind::usage)
        .at(prefix.path())
        .because(store.size() == 0 ? "the environment has no history" : "its first revision is the current one");
  const std::size_t number = revision.value_or(last == 0 ? 0 : last - 1);
  if (number >= store.size())
    throw Error("there is no revision " + std::to_string(number), ErrorKind::usage)
        .at(prefix.path())
        .because(store.size() == 0 ? std::string("the environment has no history")
                                   : "its revisions are 0 to " + std::to_string(store.size() - 1))
        .hint("`envtool history` lists them");

  Plan plan;
  plan.kind = Plan::Kind::modify;
  plan.prefix = prefix;
  plan.channels = channels;
  plan.nothing_to_do = "The environment is as it was after revision " + std::to_string(number) + " already:";
  const PrefixData data = PrefixData::load(prefix);
  const EnvironmentState present = detail::observe_state(prefix, data.records(), store, inputs.settings.pkgs_dirs);
  const EnvironmentState target = target_state(inputs, store, number, present, data.records(), plan);

  auto restoration = std::make_shared<Restoration>();
  restoration->revision = number;
  plan_pip(inputs, prefix, present, target, *restoration);
  if (present.pinned != target.pinned) {
    // A pin with credentials was stored without them and cannot be written again.
    if (target.pinned && target.pinned->find("***") != std::string::npos)
      plan.warnings.push_back("the pins of revision " + std::to_string(number) + " had credentials, which are not kept: `conda-meta/pinned` stays as it is");
    else
      restoration->pinned = target.pinned;
  }
  if (present.variables != target.variables) {
    plan.variables = target.variables;
    restoration->removes_variables = !target.variables;
  }
  plan_wishes(store.history(), target, plan);
  plan.transaction = diff(data.records(), target.packages, damaged_by_pip(prefix, *restoration, data.records()));
  plan.to_download = PackageCache(inputs.settings.pkgs_dirs).missing(plan.transaction.to_link());
  if (inputs.settings.offline && !plan.to_download.empty()) {
    std::vector<std::string> names;
    for (const RepoDataRecord& record : plan.to_download) names.push_back(record.dist());
    throw Error("revision " + std::to_string(number) + " needs " + (names.size() == 1 ? "a package that is" : "packages that are") + " in no cache", ErrorKind::offline)
        .at(prefix.path())
        .because(join(names, ", "))
        .hint("run the command without `--offline` (setting `offline`)")
        .with("packages", names);
  }
  const bool changes = !plan.transaction.empty() || plan.variables || restoration->removes_variables || restoration->pinned ||
                       !restoration->pip_leaving.empty() || !restoration->pip_coming.empty() || !restoration->pip_lost.empty() ||
                       present.requested != target.requested;
  describe(present, *restoration, plan);
  if (changes) plan.restoration = std::move(restoration);
  return plan;
}

}  // namespace envtool
