#include <algorithm>
#include <set>

#include "envtool/app/change.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/history.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "solving.hpp"

namespace envtool {

namespace {

using RequestedSpecs = std::map<std::string, std::vector<std::string>>;

void add_requested(RequestedSpecs& requested, const std::vector<MatchSpec>& specs) {
  std::set<std::string> fresh;
  for (const MatchSpec& spec : specs) {
    // A new wish for a name takes the place of the older ones.
    if (fresh.insert(spec.name).second) requested[spec.name].clear();
    requested[spec.name].push_back(spec.str());
  }
}

std::vector<std::string> texts(const std::vector<MatchSpec>& specs) {
  std::vector<std::string> result;
  for (const MatchSpec& spec : specs) result.push_back(spec.str());
  return result;
}

/// An existing environment as a change finds it.
struct Existing {
  PrefixData data;
  /// The wishes of earlier commands that still hold, by name.
  RequestedSpecs requested;

  std::vector<const RepoDataRecord*> records() const {
    std::vector<const RepoDataRecord*> result;
    for (const PrefixRecord& record : data.records()) result.push_back(&record);
    return result;
  }
};

Existing open_existing(const AppInputs& inputs, const Prefix& prefix, const SolveChoices& choices) {
  if (!is_environment(prefix))
    throw Error("there is no environment", ErrorKind::environment_not_found)
        .at(prefix.path())
        .hint("`envtool env list` shows the environments, `envtool create` makes one");
  InstallOptions options;
  options.reporter = &inputs.reporter;
  recover(prefix, options);
  if (!choices.override_frozen) refuse_if_frozen(prefix);
  Existing existing;
  existing.data = PrefixData::load(prefix);
  for (const auto& [name, spec] : History::load(prefix).requested_specs())
    if (existing.data.find(name) != nullptr) existing.requested[name] = {spec};
  // Tools that write no history (CEP 32 allows an empty one) leave the wishes in the records.
  for (const PrefixRecord& record : existing.data.records())
    if (!record.requested_specs.empty()) existing.requested[record.name] = record.requested_specs;
  return existing;
}

std::vector<MatchSpec> all_pins(const AppInputs& inputs, const Prefix& prefix, const SolveChoices& choices) {
  std::vector<MatchSpec> pins;
  if (choices.no_pin) return pins;
  for (const std::string& text : inputs.settings.pinned_packages) pins.push_back(MatchSpec::parse(text));
  for (const std::string& text : pinned_specs(prefix)) pins.push_back(MatchSpec::parse(text));
  return pins;
}

/// Earlier wishes, with those for the names of the new specs left out.
std::vector<MatchSpec> earlier_wishes(const Existing& existing, const std::vector<MatchSpec>& specs) {
  std::set<std::string> named;
  for (const MatchSpec& spec : specs) named.insert(spec.name);
  std::vector<MatchSpec> wishes;
  for (const auto& [name, list] : existing.requested) {
    if (named.count(name) != 0) continue;
    for (const std::string& text : list) {
      MatchSpec spec = MatchSpec::parse(text);
      // An archive's URL was a wish for that moment; the package itself stays wanted.
      if (!spec.url.empty()) spec = MatchSpec::from_name(name);
      wishes.push_back(std::move(spec));
    }
  }
  return wishes;
}

/// A new minor version of Python is a new environment; nobody gets one by asking for something else.
void pin_python_series(const Existing& existing, const std::vector<MatchSpec>& specs, std::vector<MatchSpec>& pins) {
  const PrefixRecord* python = existing.data.find("python");
  if (python == nullptr) return;
  for (const MatchSpec& spec : specs)
    if (spec.name == "python") return;
  pins.push_back(MatchSpec::parse("python " + Version::parse(python->version).truncated(2).str() + ".*"));
}

/// Without the packages that were asked for (`--only-deps`), unless they were there before.
void keep_only_dependencies(std::vector<RepoDataRecord>& records, const std::vector<MatchSpec>& specs,
                            const PrefixData* installed) {
  std::erase_if(records, [&](const RepoDataRecord& record) {
    const bool asked = std::any_of(specs.begin(), specs.end(), [&](const MatchSpec& spec) { return spec.name == record.name; });
    return asked && (installed == nullptr || installed->find(record.name) == nullptr);
  });
}

void finish(const AppInputs& inputs, Plan& plan) {
  const PackageCache cache(inputs.settings.pkgs_dirs);
  plan.to_download = cache.missing(plan.transaction.to_link());
}

void take_request(Plan& plan, const EnvironmentRequest& request, const SolveChoices& choices) {
  plan.platform = request.platform;
  plan.channels = request.channels;
  plan.variables = request.variables;
  if (!choices.skip_pip) plan.pip = request.pip;
  plan.upgrade_pip_packages = choices.upgrade_pip_packages;
  plan.warnings = request.warnings;
}

/// `pip:` needs a pip: conda adds it with a warning, and so do we.
void add_pip_if_needed(std::vector<MatchSpec>& specs, Plan& plan, const PrefixData* installed) {
  if (plan.pip.empty() || (installed != nullptr && installed->find("pip") != nullptr)) return;
  if (std::any_of(specs.begin(), specs.end(), [](const MatchSpec& spec) { return spec.name == "pip"; })) return;
  plan.warnings.push_back("the file has a `pip:` section but no `pip` in `dependencies`; pip was added");
  specs.push_back(MatchSpec::from_name("pip"));
}

/// The records of a lock: every one of its names that is installed goes to the locked record, others stay.
std::vector<RepoDataRecord> with_installed(const std::vector<RepoDataRecord>& records, const PrefixData& installed) {
  std::vector<RepoDataRecord> wanted = records;
  for (const PrefixRecord& record : installed.records())
    if (std::none_of(records.begin(), records.end(), [&](const RepoDataRecord& r) { return r.name == record.name; }))
      wanted.push_back(record);
  return wanted;
}

}  // namespace

std::uint64_t Plan::download_bytes() const {
  std::uint64_t bytes = 0;
  for (const RepoDataRecord& record : to_download) bytes += record.size;
  return bytes;
}

std::vector<RepoDataRecord> solve_request(const AppInputs& inputs, const EnvironmentRequest& request,
                                          const Platform& platform) {
  if (request.explicit_records) return *request.explicit_records;
  detail::Wishes wishes;
  wishes.specs = request.specs;
  std::vector<std::string> warnings;
  auto records = detail::solve_wishes(inputs, request.channels, platform, wishes, warnings);
  for (const std::string& text : warnings) inputs.reporter.on_warning(text);
  return records;
}

Plan plan_create(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& request,
                 const SolveChoices& choices, bool replace) {
  Plan plan;
  plan.kind = Plan::Kind::create;
  plan.prefix = prefix;
  if (exists_no_follow(prefix.path())) {
    if (is_environment(prefix)) {
      if (!replace)
        throw Error("there is an environment already", ErrorKind::prefix_exists)
            .at(prefix.path())
            .hint("`--force` replaces it; `envtool install` or `envtool update` change it");
      if (!choices.override_frozen) refuse_if_frozen(prefix);
      plan.replaces_existing = true;
    } else if (!is_directory(prefix.path()) || !list_directory(prefix.path()).empty()) {
      throw Error("the place of the new environment is taken", ErrorKind::prefix_exists)
          .at(prefix.path())
          .because("it exists and is no conda environment")
          .hint("choose another name or path; envtool never deletes what it did not make");
    }
  }
  take_request(plan, request, choices);
  std::vector<RepoDataRecord> wanted;
  std::vector<MatchSpec> specs = request.specs;
  if (request.explicit_records) {
    wanted = *request.explicit_records;
  } else {
    const auto& defaults = inputs.settings.create_default_packages;
    for (const std::string& text : choices.no_default_packages ? std::vector<std::string>{} : defaults) {
      MatchSpec spec = MatchSpec::parse(text);
      if (std::none_of(specs.begin(), specs.end(), [&](const MatchSpec& s) { return s.name == spec.name; }))
        specs.push_back(std::move(spec));
    }
    add_pip_if_needed(specs, plan, nullptr);
    if (!specs.empty()) {
      detail::Wishes wishes;
      wishes.specs = specs;
      wishes.pins = all_pins(inputs, prefix, choices);
      if (choices.no_deps) wishes.dependencies = DependencyMode::none;
      wanted = detail::solve_wishes(inputs, request.channels, request.platform, wishes, plan.warnings);
      if (choices.only_deps) keep_only_dependencies(wanted, specs, nullptr);
    }
  }
  add_requested(plan.requested, specs);
  plan.update_specs = texts(specs);
  plan.transaction = diff({}, wanted);
  finish(inputs, plan);
  return plan;
}

Plan plan_install(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& request,
                  const SolveChoices& choices) {
  Plan plan;
  plan.kind = Plan::Kind::modify;
  plan.prefix = prefix;
  const Existing existing = open_existing(inputs, prefix, choices);
  take_request(plan, request, choices);
  plan.requested = existing.requested;
  std::vector<std::string> reinstall;
  if (choices.force_reinstall)
    for (const MatchSpec& spec : request.specs) reinstall.push_back(spec.name);

  std::vector<RepoDataRecord> wanted;
  std::vector<MatchSpec> specs = request.specs;
  if (request.explicit_records) {
    wanted = choices.prune ? *request.explicit_records : with_installed(*request.explicit_records, existing.data);
  } else {
    add_pip_if_needed(specs, plan, &existing.data);
    detail::Wishes wishes;
    wishes.specs = specs;
    if (!choices.prune)
      for (MatchSpec& spec : earlier_wishes(existing, specs)) wishes.specs.push_back(std::move(spec));
    wishes.pins = all_pins(inputs, prefix, choices);
    pin_python_series(existing, specs, wishes.pins);
    wishes.installed.records = existing.records();
    wishes.installed.freeze_all = choices.freeze_installed;
    wishes.installed.prune_orphans = choices.prune;
    if (choices.no_deps) wishes.dependencies = DependencyMode::none;
    wanted = detail::solve_wishes(inputs, request.channels, request.platform, wishes, plan.warnings);
    if (choices.no_deps) wanted = with_installed(wanted, existing.data);
    if (choices.only_deps) keep_only_dependencies(wanted, specs, &existing.data);
  }
  if (choices.prune) plan.requested.clear();
  add_requested(plan.requested, specs);
  plan.update_specs = texts(specs);
  plan.transaction = diff(existing.data.records(), wanted, reinstall);
  finish(inputs, plan);
  return plan;
}

Plan plan_update(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& request,
                 const SolveChoices& choices) {
  Plan plan;
  plan.kind = Plan::Kind::modify;
  plan.prefix = prefix;
  const Existing existing = open_existing(inputs, prefix, choices);
  take_request(plan, request, choices);
  plan.requested = existing.requested;
  for (const MatchSpec& spec : request.specs)
    if (existing.data.find(spec.name) == nullptr)
      throw Error("`" + spec.name + "` is not installed", ErrorKind::packages_not_found)
          .at(prefix.path())
          .hint("`envtool install` adds a package")
          .with("packages", {spec.name});

  detail::Wishes wishes;
  wishes.specs = request.specs;
  for (MatchSpec& spec : earlier_wishes(existing, request.specs)) wishes.specs.push_back(std::move(spec));
  wishes.pins = all_pins(inputs, prefix, choices);
  wishes.installed.records = existing.records();
  wishes.installed.update_all = choices.update_all;
  for (const MatchSpec& spec : request.specs) wishes.installed.update.push_back(spec.name);
  pin_python_series(existing, request.specs, wishes.pins);
  const auto wanted = detail::solve_wishes(inputs, request.channels, request.platform, wishes, plan.warnings);
  add_requested(plan.requested, request.specs);
  plan.update_specs = texts(request.specs);
  plan.transaction = diff(existing.data.records(), wanted);
  finish(inputs, plan);
  return plan;
}

Plan plan_remove(const AppInputs& inputs, const Prefix& prefix, const std::vector<std::string>& spec_texts,
                 const SolveChoices& choices) {
  Plan plan;
  plan.kind = Plan::Kind::modify;
  plan.prefix = prefix;
  const Existing existing = open_existing(inputs, prefix, choices);
  plan.requested = existing.requested;

  std::set<std::string> names;
  std::vector<std::string> unknown;
  for (const std::string& text : spec_texts) {
    const MatchSpec spec = MatchSpec::parse(text);
    bool found = false;
    for (const PrefixRecord& record : existing.data.records()) {
      const Version version = Version::parse(record.version);
      MatchTarget target;
      target.name = record.name;
      target.version = &version;
      target.build = record.build;
      target.build_number = record.build_number;
      target.subdir = record.subdir;
      target.channel_url = record.channel;
      target.channel_name = record.channel;
      if (!spec.matches(target)) continue;
      names.insert(record.name);
      found = true;
    }
    if (!found) unknown.push_back(text);
  }
  if (!unknown.empty()) {
    std::vector<std::string> installed;
    for (const PrefixRecord& record : existing.data.records()) installed.push_back(record.name);
    Error error("not installed: " + join(unknown, ", "), ErrorKind::packages_not_found);
    error.at(prefix.path()).with("packages", unknown);
    for (const std::string& text : unknown)
      if (auto close = closest_matches(text, installed, 1); !close.empty()) error.hint("did you mean `" + close[0] + "`?");
    throw error;
  }

  std::vector<RepoDataRecord> wanted;
  if (choices.no_deps) {
    for (const PrefixRecord& record : existing.data.records())
      if (names.count(record.name) == 0) wanted.push_back(record);
  } else {
    // Nothing new is wanted, so no channel is asked: what needs a removed package goes with it.
    std::set<std::string> going = names;
    for (bool grew = true; grew;) {
      grew = false;
      for (const PrefixRecord& record : existing.data.records()) {
        if (going.count(record.name) != 0) continue;
        for (const std::string& depends : record.depends)
          if (going.count(std::string(MatchSpec::parse(depends).name)) != 0) {
            grew = going.insert(record.name).second;
            break;
          }
      }
    }
    for (const PrefixRecord& record : existing.data.records())
      if (going.count(record.name) == 0) wanted.push_back(record);
    names = going;
  }
  if (choices.prune) {
    // What no wish and no remaining package needs goes, too.
    std::set<std::string> needed;
    std::vector<std::string> open;
    for (const auto& [name, specs] : existing.requested)
      if (names.count(name) == 0) open.push_back(name);
    while (!open.empty()) {
      const std::string name = open.back();
      open.pop_back();
      if (!needed.insert(name).second) continue;
      if (const PrefixRecord* record = existing.data.find(name))
        for (const std::string& depends : record->depends) open.push_back(MatchSpec::parse(depends).name);
    }
    std::erase_if(wanted, [&](const RepoDataRecord& record) { return needed.count(record.name) == 0; });
  }
  for (const std::string& name : names)
    if (plan.requested.erase(name) != 0) plan.remove_specs.push_back(name);
  for (const std::string& text : spec_texts)
    if (std::find(plan.remove_specs.begin(), plan.remove_specs.end(), text) == plan.remove_specs.end())
      plan.remove_specs.push_back(text);
  plan.transaction = diff(existing.data.records(), wanted);
  finish(inputs, plan);
  return plan;
}

}  // namespace envtool
