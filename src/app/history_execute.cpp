#include "history_execute.hpp"

#include <algorithm>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "history_state.hpp"
#include "install_options.hpp"
#include "pip_distributions.hpp"

namespace envtool {

namespace detail {

namespace {
/// From here on a link is worth more than a file of one's own.
constexpr std::uint64_t large = std::uint64_t{1} << 20;

/// True when site-packages move or go, and the pip packages in them are left behind.
bool python_moves(const Transaction& transaction) {
  const auto is_python = [](const PackageRecord& record) { return record.name == "python"; };
  if (std::any_of(transaction.remove.begin(), transaction.remove.end(), is_python)) return true;
  return std::any_of(transaction.change.begin(), transaction.change.end(), [&](const PackageChange& change) {
    return is_python(change.from) && python_layout(change.from) != python_layout(change.to);
  });
}

/// What changes nothing but conda-meta.
LinkPlan no_files(const Prefix& prefix) {
  LinkPlan plan;
  plan.prefix = prefix.path();
  plan.basis = PrefixData::load(prefix).file_names();
  std::sort(plan.basis.begin(), plan.basis.end());
  return plan;
}

bool same_pip(const std::vector<PipDistribution>& a, const std::vector<PipDistribution>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const PipDistribution& x, const PipDistribution& y) {
    return same_distribution(x, y) && x.bundle == y.bundle;
  });
}

bool same_files(const std::vector<PipDistribution>& a, const std::vector<PipDistribution>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_distribution);
}
}  // namespace

std::vector<PrefixRecord> installed_records(const Transaction& transaction) {
  std::vector<PrefixRecord> records = transaction.keep;
  records.insert(records.end(), transaction.remove.begin(), transaction.remove.end());
  for (const PackageChange& change : transaction.change) records.push_back(change.from);
  return records;
}

EnvironmentState state_after(const Plan& plan, const Transaction& transaction, const EnvironmentState& before) {
  EnvironmentState state;
  state.packages.assign(transaction.keep.begin(), transaction.keep.end());
  state.packages.insert(state.packages.end(), transaction.install.begin(), transaction.install.end());
  for (const PackageChange& change : transaction.change) state.packages.push_back(change.to);
  std::sort(state.packages.begin(), state.packages.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  for (const RepoDataRecord& record : state.packages)
    if (const auto found = plan.requested.find(record.name); found != plan.requested.end()) state.requested.insert(*found);
  state.pinned = before.pinned;
  state.variables = plan.variables ? plan.variables : before.variables;
  if (!python_moves(transaction)) state.pip = before.pip;
  if (!plan.restoration) return state;
  if (plan.restoration->pinned) state.pinned = *plan.restoration->pinned;
  if (plan.restoration->removes_variables) state.variables.reset();
  state.pip = plan.restoration->pip;
  return state;
}

void add_pip_files(LinkPlan& links, const Plan& plan, const Restoration& restoration) {
  std::map<std::string, OwnedPath, std::less<>> leaving, kept;
  for (const PipDistribution& item : restoration.pip_leaving)
    for (const DistributionFile& file : distribution_files(plan.prefix, item).files) {
      OwnedPath owned;
      owned.path = owned.entry.path = file.path;
      owned.entry.sha256 = file.sha256;
      if (file.path.ends_with(".pyc")) owned.entry.path_type = PathType::pyc_file;
      owned.owner = item.name + "-" + item.version;
      leaving.emplace(file.path, std::move(owned));
    }
  for (const PrefixRecord& record : plan.transaction.keep)
    for (const PathEntry& entry : record.paths) kept.emplace(entry.path, OwnedPath{entry.path, entry, record.dist()});

  std::set<std::string, std::less<>> coming;
  for (const auto& [item, bundle] : restoration.pip_coming) {
    PlannedPackage package;
    package.is_foreign = true;
    package.extracted_directory = bundle.folder;
    package.record.name = item.name;
    package.record.version = item.version;
    const auto number = static_cast<std::uint32_t>(links.packages.size());
    for (const BundleFile& file : bundle.files) {
      if (!coming.insert(file.path).second) continue;
      PathEntry entry;
      entry.path = file.path;
      entry.sha256 = file.sha256;
      entry.size_in_bytes = file.size;
      FileAction action;
      action.target = action.source = file.path;
      action.package = number;
      action.entry = static_cast<std::uint32_t>(package.record.paths.size());
      action.kind = file.size >= large ? FileAction::Kind::link : FileAction::Kind::copy;
      package.record.paths.push_back(std::move(entry));
      // What pip had put over a file of conda's is over it again.
      std::erase_if(links.files, [&](const FileAction& other) { return other.target == file.path; });
      links.files.push_back(std::move(action));
      const auto removal = std::find_if(links.removals.begin(), links.removals.end(), [&](const OwnedPath& owned) { return owned.path == file.path; });
      if (const auto old = leaving.find(file.path); old != leaving.end()) links.replaced.insert_or_assign(file.path, old->second);
      else if (removal != links.removals.end()) links.replaced.insert_or_assign(file.path, *removal);
      else if (const auto owner = kept.find(file.path); owner != kept.end()) links.replaced.insert_or_assign(file.path, owner->second);
      if (removal != links.removals.end()) links.removals.erase(removal);
    }
    links.packages.push_back(std::move(package));
  }
  std::set<std::string_view> placed;
  for (const FileAction& action : links.files) placed.insert(action.target);
  for (const auto& [path, owned] : leaving) {
    if (coming.contains(path)) continue;
    if (placed.contains(path)) {
      links.replaced.insert_or_assign(path, owned);
      continue;
    }
    const auto removal = std::find_if(links.removals.begin(), links.removals.end(), [&](const OwnedPath& other) { return other.path == path; });
    if (removal != links.removals.end()) *removal = owned;
    else if (!kept.contains(path)) links.removals.push_back(owned);
  }
  std::sort(links.files.begin(), links.files.end(), [](const auto& a, const auto& b) { return a.target < b.target; });
  std::sort(links.removals.begin(), links.removals.end(), [](const auto& a, const auto& b) { return a.path < b.path; });
}

void record_pip(const AppInputs& inputs, const Prefix& prefix, PrefixLock& lock, std::size_t expected, const PipChange* alone) {
  const RevisionStore store = RevisionStore::load(prefix);
  if (store.size() != expected) return;
  const PrefixData data = PrefixData::load(prefix);
  EnvironmentState state = observe_state(prefix, data.records(), store, inputs.settings.pkgs_dirs);
  BundleStore bundles(inputs.settings.pkgs_dirs);
  keep_bundles(inputs, prefix, state.pip, bundles);
  EnvironmentChange change;
  if (alone != nullptr) {
    if (same_files(alone->found.pip, state.pip)) return;
    change.history = alone->entry;
    change.found = alone->found;
  } else {
    if (expected == 0 || !store.is_recorded(expected - 1) || same_pip(store.pip(expected - 1), state.pip)) return;
    change.amends = true;
    // The wishes are those of the change itself.
    state.requested = store.surroundings(expected - 1).requested;
  }
  change.state = std::move(state);
  InstallOptions options = install_options(inputs);
  options.reporter = nullptr;
  apply_to_prefix(lock, no_files(prefix), change, options);
}

}  // namespace detail

void change_variables(const AppInputs& inputs, const Prefix& prefix, const std::function<void(EnvironmentVariables&)>& change,
                      bool override_frozen) {
  const InstallOptions options = install_options(inputs);
  PrefixLock lock = PrefixLock::acquire(prefix, options);
  EnvironmentVariables variables = read_state(prefix);
  const EnvironmentVariables before = variables;
  change(variables);
  if (!override_frozen) refuse_if_frozen(prefix);
  if (variables == before) return;
  const PrefixData data = PrefixData::load(prefix);
  EnvironmentChange written;
  written.history.command = inputs.command;
  written.history.tool_version = ENVTOOL_VERSION;
  written.found = detail::observe_state(prefix, data.records(), RevisionStore::load(prefix), inputs.settings.pkgs_dirs);
  written.state = written.found;
  written.state->variables = written.variables = std::move(variables);
  apply_to_prefix(lock, detail::no_files(prefix), written, options);
}

}  // namespace envtool
