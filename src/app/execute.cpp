#include "envtool/app/change.hpp"
#include "envtool/app/sources.hpp"
#include "envtool/base/error.hpp"
#include "envtool/prefix/environments.hpp"

namespace envtool {

namespace {

InstallOptions install_options(const AppInputs& inputs) {
  InstallOptions options;
  options.link.hardlink = !inputs.settings.always_copy;
  options.durability = inputs.settings.durable ? Durability::full : Durability::none;
  options.reporter = &inputs.reporter;
  try {
    options.byte_code_folder = PackageCache(inputs.settings.pkgs_dirs).writable_directory() + "/.byte-code";
  } catch (const Error&) {
    // No cache that can be written: everything is compiled then.
  }
  return options;
}

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

std::vector<CachedPackage> fetch(const AppInputs& inputs, const Plan& plan) {
  const std::vector<RepoDataRecord> records = plan.transaction.to_link();
  if (records.empty()) return {};
  Fetcher fetcher(fetch_options(inputs.settings, inputs.environment));
  CacheOptions cache_options;
  cache_options.sources = [&plan](const RepoDataRecord& record) { return credentialed_urls(record, plan.channels); };
  PackageCache cache(inputs.settings.pkgs_dirs, std::move(cache_options));
  CacheReporter* reporter = inputs.reporter.on_fetch_start(plan.to_download.size(), plan.download_bytes());
  auto cached = cache.ensure(records, fetcher, reporter, inputs.stop);
  inputs.reporter.on_fetch_finish();
  return cached;
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

EnvironmentChange environment_change(const AppInputs& inputs, const Plan& plan) {
  EnvironmentChange change;
  change.history.command = inputs.command;
  change.history.tool_version = ENVTOOL_VERSION;
  change.history.update_specs = plan.update_specs;
  change.history.remove_specs = plan.remove_specs;
  change.variables = plan.variables;
  return change;
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

InstallResult execute_create(const AppInputs& inputs, const Plan& plan, const LinkPlan& links) {
  InstallOptions options = install_options(inputs);
  if (plan.replaces_existing) options.existing = ExistingPrefix::replace;
  InstallResult result = create_prefix(links, environment_change(inputs, plan), options, inputs.stop);
  try {
    run_pip(inputs, plan);
  } catch (const Error&) {
    // An environment without its pip packages looks complete and is not.
    if (result.replaced) result.replaced->restore();
    else remove_prefix(plan.prefix, options);
    throw;
  }
  EnvironmentRegistry(inputs.environment.home).add(plan.prefix);
  return result;
}

}  // namespace

InstallResult execute(const AppInputs& inputs, const Plan& plan) {
  if (plan.kind == Plan::Kind::create) {
    const auto cached = fetch(inputs, plan);
    return execute_create(inputs, plan, link_plan(inputs, plan, cached));
  }
  InstallResult result;
  if (!plan.transaction.empty() || plan.variables || plan.has_new_wishes) {
    const InstallOptions options = install_options(inputs);
    const auto cached = fetch(inputs, plan);
    PrefixLock lock = PrefixLock::acquire(plan.prefix, options);
    const LinkPlan links = link_plan(inputs, plan, cached);
    result = apply_to_prefix(lock, links, environment_change(inputs, plan), options, inputs.stop);
    EnvironmentRegistry(inputs.environment.home).add(plan.prefix);
  }
  run_pip(inputs, plan);
  return result;
}

}  // namespace envtool
