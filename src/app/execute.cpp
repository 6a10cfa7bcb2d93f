#include <algorithm>

#include "envtool/app/change.hpp"
#include "envtool/app/history.hpp"
#include "envtool/app/sources.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/prefix/environments.hpp"
#include "history_execute.hpp"
#include "history_state.hpp"
#include "install_options.hpp"
#include "link_scripts.hpp"
#include "pip_distributions.hpp"

namespace envtool {

namespace {

/// The record's URL with the credentials of the channel that it belongs to: records hold none.
std::vector<Url> credentialed_urls(const RepoDataRecord& record, const std::vector<Channel>& channels) {
  const Url url = Url::parse(record.url);
  for (const Channel& channel : channels) {
    if (!channel.base_url.has_credentials() || channel.base_url.origin() != url.origin()) continue;
    if (!record.url.starts_with(channel.base_url.str() + "/")) continue;
    return {url.with_token(channel.base_url.token()).with_user_info(channel.base_url.user_info())};
  }
  return {url};
}

/// A rollback needs the very packages of then: says which ones cannot be had, and what can be done without them.
[[noreturn]] void throw_missing(const Plan& plan, const std::vector<RepoDataRecord>& missing, const Error& cause) {
  std::vector<std::string> names;
  for (const RepoDataRecord& record : missing) names.push_back(record.dist());
  if (names.empty()) throw;  // what is being handled
  const std::string number = std::to_string(plan.restoration->revision);
  throw Error("revision " + number + " needs " + (names.size() == 1 ? "a package" : "packages") + " that could not be fetched", cause.kind())
      .at(plan.prefix.path())
      .because("no cache has " + join(names, ", "))
      .caused_by(cause)
      .hint("nothing was changed; a cache or mirror that still has " + std::string(names.size() == 1 ? "it" : "them") + " can be named by `pkgs_dirs` or a channel")
      .hint("`envtool install` with other builds of what `envtool history show " + number + "` lists comes close")
      .with("packages", names);
}

std::vector<CachedPackage> fetch(const AppInputs& inputs, const Plan& plan) {
  const std::vector<RepoDataRecord> records = plan.transaction.to_link();
  if (records.empty()) return {};
  Fetcher fetcher(fetch_options(inputs.settings, inputs.environment));
  CacheOptions cache_options;
  cache_options.sources = [&plan](const RepoDataRecord& record) { return credentialed_urls(record, plan.channels); };
  PackageCache cache(inputs.settings.pkgs_dirs, std::move(cache_options));
  CacheReporter* reporter = inputs.reporter.on_fetch_start(plan.to_download.size(), plan.download_bytes());
  try {
    auto cached = cache.ensure(records, fetcher, reporter, inputs.stop);
    inputs.reporter.on_fetch_finish();
    return cached;
  } catch (const Error& error) {
    if (!plan.restoration || error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::no_space) throw;
    inputs.reporter.on_fetch_finish();
    throw_missing(plan, cache.missing(records), error);
  }
}

/// The transaction with what only the unpacked archives know (locks and @EXPLICIT lists name no more
/// than a URL): dependencies, which decide the order, and `noarch`, which decides the places.
Transaction completed(Transaction transaction, const std::vector<CachedPackage>& cached) {
  auto complete = [&](RepoDataRecord& record) {
    if (!record.needs_index) return;
    for (const CachedPackage& package : cached)
      if (package.record.name == record.name) {
        record = package.record;
        return;
      }
  };
  for (RepoDataRecord& record : transaction.install) complete(record);
  for (PackageChange& change : transaction.change) complete(change.to);
  return transaction;
}

LinkPlan link_plan(const AppInputs& inputs, const Plan& plan, const std::vector<CachedPackage>& cached) {
  LinkPlanOptions options;
  switch (inputs.settings.path_conflict) {
    case PathConflictSetting::clobber: options.conflicts = PathConflictPolicy::clobber; break;
    case PathConflictSetting::warn: options.conflicts = PathConflictPolicy::warn; break;
    case PathConflictSetting::prevent: options.conflicts = PathConflictPolicy::prevent; break;
  }
  options.requested_specs = plan.requested;
  // Byte code is for this machine's Python: another platform's interpreter cannot run here.
  options.compile_python = plan.platform == Platform::current();
  if (plan.kind == Plan::Kind::modify) options.parked = parked_files(plan.prefix);
  return plan_links(plan.prefix.path(), completed(plan.transaction, cached), package_sources(cached), options);
}

HistoryEntry history_entry(const AppInputs& inputs, const Plan& plan) {
  HistoryEntry entry;
  entry.command = inputs.command;
  entry.tool_version = ENVTOOL_VERSION;
  entry.update_specs = plan.update_specs;
  entry.remove_specs = plan.remove_specs;
  return entry;
}

void run_pip(const AppInputs& inputs, const Plan& plan) {
  for (const PipSection& section : plan.pip) {
    PipOptions options;
    options.offline = inputs.settings.offline;
    options.upgrade = plan.upgrade_pip_packages;
    options.on_output = [&](std::string_view text) { inputs.reporter.on_pip_output(text); };
    inputs.reporter.on_pip_start(section.origin);
    install_pip_section(plan.prefix, section, inputs.environment, options, inputs.stop);
  }
}

InstallResult execute_create(const AppInputs& inputs, const Plan& plan, const std::vector<CachedPackage>& cached) {
  InstallOptions options = install_options(inputs);
  if (plan.replaces_existing) options.existing = ExistingPrefix::replace;
  EnvironmentChange change;
  change.history = history_entry(inputs, plan);
  change.variables = plan.variables;
  change.state = detail::state_after(plan, completed(plan.transaction, cached), {});
  LinkPlan links = link_plan(inputs, plan, cached);
  const detail::LinkScriptRun scripts(inputs, links);
  change.link_scripts = scripts.pending();
  change.pip_follows = !plan.pip.empty() || !scripts.empty();
  InstallResult result = create_prefix(links, change, options, inputs.stop);
  if (change.pip_follows) {
    try {
      scripts.run_after();
      run_pip(inputs, plan);
    } catch (const Error&) {
      // An environment without its pip packages looks complete and is not.
      if (result.replaced) result.replaced->restore();
      else remove_prefix(plan.prefix, options);
      throw;
    }
    PrefixLock lock = PrefixLock::acquire(plan.prefix, options);
    if (!plan.pip.empty()) detail::record_pip(inputs, plan.prefix, lock, 1, nullptr);
    mark_finished(plan.prefix);
  }
  EnvironmentRegistry(inputs.environment.home).add(plan.prefix);
  return result;
}

/// Should a link script fail, the packages that go have to come back.
void keep_for_undo(const AppInputs& inputs, const Plan& plan) {
  std::vector<RepoDataRecord> records;
  for (const PrefixRecord& record : plan.transaction.to_unlink()) records.push_back(record);
  PackageCache cache(inputs.settings.pkgs_dirs);
  records = cache.missing(records);
  if (records.empty()) return;
  try {
    Fetcher fetcher(fetch_options(inputs.settings, inputs.environment));
    cache.ensure(records, fetcher, nullptr, inputs.stop);
  } catch (const Error& error) {
    throw Error("the change could not be undone if a link script failed", ErrorKind::child_failed)
        .at(plan.prefix.path())
        .caused_by(error)
        .hint("`link_scripts: off` leaves such scripts out");
  }
}

/// Packages, wishes, variables, and what a rollback brings back: one change.
InstallResult change_packages(const AppInputs& inputs, const Plan& plan, PrefixLock& lock, const std::vector<CachedPackage>& cached,
                              EnvironmentState found) {
  Plan known = plan;
  known.transaction = completed(plan.transaction, cached);
  EnvironmentChange change;
  change.history = history_entry(inputs, plan);
  change.variables = plan.variables;
  LinkPlan links = link_plan(inputs, plan, cached);
  if (plan.restoration) {
    change.pinned = plan.restoration->pinned;
    change.removes_variables = plan.restoration->removes_variables;
    detail::add_pip_files(links, plan, *plan.restoration);
  }
  change.state = detail::state_after(plan, known.transaction, found);
  change.found = std::move(found);
  change.pip_follows = !plan.pip.empty();
  const detail::LinkScriptRun scripts(inputs, links);
  change.link_scripts = scripts.pending();
  std::shared_ptr<const detail::FilesBefore> files_before;
  if (!scripts.empty()) {
    keep_for_undo(inputs, plan);
    files_before = std::make_shared<detail::FilesBefore>(plan.prefix, plan.transaction);
  }
  try {
    scripts.run_before();
  } catch (const Error& error) {
    throw files_before ? files_before->told(error, "") : error;
  }
  InstallResult result = apply_to_prefix(lock, links, change, install_options(inputs), inputs.stop);
  try {
    scripts.run_after();
  } catch (detail::LinkScriptFailure& failure) {
    failure.files_before = files_before;
    throw;
  }
  return result;
}

/// pip goes its own way, outside of the change; what it has done is written down afterwards, also when it failed.
/// `alone` is null when the packages' revision is there already.
void change_pip(const AppInputs& inputs, const Plan& plan, PrefixLock& lock, const detail::PipChange* alone) {
  const std::size_t revisions = RevisionStore::load(plan.prefix).size();
  try {
    run_pip(inputs, plan);
  } catch (const Error&) {
    detail::record_pip(inputs, plan.prefix, lock, revisions, alone);
    mark_finished(plan.prefix);  // the user is told
    throw;
  }
  detail::record_pip(inputs, plan.prefix, lock, revisions, alone);
  mark_finished(plan.prefix);
}

/// Loud: the environment is not what was asked for.
[[noreturn]] void fail_incomplete(const Plan& plan) {
  std::vector<std::string> packages;
  Error error("the environment is back at revision " + std::to_string(plan.restoration->revision) + " but for pip packages", ErrorKind::general);
  error.at(plan.prefix.path());
  for (const auto& [item, why] : plan.restoration->pip_lost) {
    packages.push_back(item.name + "==" + item.version);
    error.hint(packages.back() + " cannot be brought back: " + why);
  }
  throw error.because("not as then: " + join(packages, ", ")).with("packages", packages);
}

std::vector<std::string> basis_of(std::span<const PrefixRecord> installed) {
  std::vector<std::string> names;
  for (const PrefixRecord& record : installed) names.push_back(record.file_name());
  std::sort(names.begin(), names.end());
  return names;
}

enum class Purpose { change, undo };

InstallResult execute_change(const AppInputs& inputs, const Plan& plan, Purpose purpose) {
  const auto cached = fetch(inputs, plan);
  PrefixLock lock = PrefixLock::acquire(plan.prefix, install_options(inputs));
  const std::vector<PrefixRecord> installed = detail::installed_records(plan.transaction);
  // Before any script is run for a change that will not happen.
  refuse_changed(lock, basis_of(installed));
  if (purpose == Purpose::change) detail::run_pending_link_scripts(inputs, plan.prefix);
  EnvironmentState found = detail::observe_state(plan.prefix, installed, RevisionStore::load(plan.prefix), inputs.settings.pkgs_dirs);
  if (!found.pip.empty() && (plan.restoration || !plan.pip.empty())) {
    // Whatever goes or is replaced can come back.
    BundleStore bundles(inputs.settings.pkgs_dirs);
    detail::keep_bundles(inputs, plan.prefix, found.pip, bundles);
  }
  InstallResult result;
  const bool has_revision = !plan.transaction.empty() || plan.variables || plan.has_new_wishes || plan.restoration;
  const detail::PipChange alone{history_entry(inputs, plan), found};
  if (has_revision) result = change_packages(inputs, plan, lock, cached, std::move(found));
  EnvironmentRegistry(inputs.environment.home).add(plan.prefix);
  if (!plan.pip.empty()) change_pip(inputs, plan, lock, has_revision ? nullptr : &alone);
  if (plan.restoration && !plan.restoration->pip_lost.empty()) fail_incomplete(plan);
  return result;
}

/// The packages are linked and one of their scripts failed: everything goes back to what it was. Also when the
/// user interrupted it, so nothing asks for the stop token.
[[noreturn]] void undo_change(const AppInputs& inputs, const Plan& plan, const detail::LinkScriptFailure& failure) {
  Settings settings = inputs.settings;
  settings.link_scripts = LinkScriptSetting::off;
  const AppInputs undoing{inputs.environment, settings, inputs.reporter, {}, inputs.command};
  SolveChoices choices;
  choices.override_frozen = true;
  try {
    execute_change(undoing, plan_rollback(undoing, plan.prefix, std::nullopt, plan.channels, choices), Purpose::undo);
    detail::forget_pending_link_scripts(plan.prefix);
  } catch (const Error& error) {
    throw Error("a link script failed, and the change could not be undone", failure.kind())
        .at(plan.prefix.path())
        .caused_by(failure)
        .caused_by(error)
        .hint("`envtool rollback` brings the environment back");
  }
  if (failure.files_before) throw failure.files_before->told(failure, "the change was undone");
  throw Error(failure).hint("the change was undone");
}

}  // namespace

InstallResult execute(const AppInputs& inputs, const Plan& plan) {
  if (plan.kind == Plan::Kind::create) return execute_create(inputs, plan, fetch(inputs, plan));
  try {
    return execute_change(inputs, plan, Purpose::change);
  } catch (const detail::LinkScriptFailure& failure) {
    undo_change(inputs, plan, failure);
  }
}

}  // namespace envtool
