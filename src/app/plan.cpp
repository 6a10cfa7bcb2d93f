#include <algorithm>
#include <map>
#include <set>

#include "envtool/app/change.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
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
  if (recover(prefix, options).outcome == RecoverResult::Outcome::rolled_forward)
    inputs.reporter.on_warning("a change to the environment that was cut short is finished now");
  sweep_leftovers(prefix);
  if (const auto note = unfinished_note(prefix)) inputs.reporter.on_warning(*note);
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

MatchSpec parse_pin(const std::string& text, const std::string& where) {
  const auto refuse = [&](const std::string& why) {
    return Error("cannot use the pin `" + escape_control(redact(text)) + "`", ErrorKind::invalid_input)
        .at(where)
        .because(why)
        .hint("a pin is a package's name and versions, such as `python 3.11.*`; `--no-pin` ignores all pins");
  };
  MatchSpec spec;
  try {
    spec = MatchSpec::parse(text);
  } catch (const Error& error) {
    throw refuse(error.why().empty() ? error.message() : error.why());
  }
  if (!spec.url.empty()) throw refuse("it is the URL or path of an archive");
  if (spec.name_matcher) throw refuse("it does not name one package");
  return spec;
}

std::vector<MatchSpec> all_pins(const AppInputs& inputs, const Prefix& prefix, const SolveChoices& choices) {
  std::vector<MatchSpec> pins;
  if (choices.no_pin) return pins;
  for (const std::string& text : inputs.settings.pinned_packages) {
    const auto place = inputs.settings.pinned_packages_sources.find(text);
    pins.push_back(parse_pin(text, "`pinned_packages` from " + (place == inputs.settings.pinned_packages_sources.end() ? "" : place->second)));
  }
  for (const std::string& text : pinned_specs(prefix)) pins.push_back(parse_pin(text, prefix.pinned_file()));
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
void pin_python_series(const Existing& existing, const std::vector<MatchSpec>& specs, const SolveChoices& choices,
                       std::vector<MatchSpec>& pins) {
  // Without dependencies Python stays, whatever else may change.
  if (choices.no_python_pin && !choices.no_deps) return;
  const PrefixRecord* python = existing.data.find("python");
  if (python == nullptr) return;
  for (const MatchSpec& spec : specs)
    if (spec.name == "python") return;
  pins.push_back(MatchSpec::parse("python " + Version::parse(python->version).truncated(2).str() + ".*"));
}

bool satisfies(const PackageRecord& record, const std::string& channel, const MatchSpec& spec) {
  const Version version = Version::parse(record.version);
  MatchTarget target;
  target.name = record.name;
  target.version = &version;
  target.build = record.build;
  target.build_number = record.build_number;
  target.subdir = record.subdir;
  target.channel_url = channel;
  target.channel_name = channel;
  return spec.matches(target);
}

/// Takes the packages that were asked for out again (`--only-deps`), unless they were there before. What
/// they need is wanted in their place: it must outlive a later `--prune`.
void keep_only_dependencies(std::vector<RepoDataRecord>& records, std::vector<MatchSpec>& specs, const PrefixData* installed) {
  std::vector<MatchSpec> of_asked;
  std::erase_if(records, [&](const RepoDataRecord& record) {
    const bool asked = std::any_of(specs.begin(), specs.end(), [&](const MatchSpec& spec) { return spec.name == record.name; });
    if (!asked) return false;
    for (const std::string& text : record.depends) {
      MatchSpec spec = MatchSpec::parse(text);
      if (!spec.name.starts_with("__") && spec.when.empty()) of_asked.push_back(std::move(spec));
    }
    return installed == nullptr || installed->find(record.name) == nullptr;
  });
  std::erase_if(of_asked, [&](const MatchSpec& spec) {
    return std::none_of(records.begin(), records.end(), [&](const RepoDataRecord& record) { return record.name == spec.name; });
  });
  std::erase_if(specs, [&](const MatchSpec& spec) { return installed == nullptr || installed->find(spec.name) == nullptr; });
  specs.insert(specs.end(), of_asked.begin(), of_asked.end());
}

/// The names and, among the records, all that they need directly or not.
template <typename Records>
std::set<std::string> with_dependencies(std::vector<std::string> open, const Records& records) {
  std::map<std::string, const PackageRecord*> by_name;
  for (const auto& record : records) by_name[record.name] = &record;
  std::set<std::string> needed;
  while (!open.empty()) {
    const std::string name = open.back();
    open.pop_back();
    if (!needed.insert(name).second) continue;
    if (const auto found = by_name.find(name); found != by_name.end())
      for (const std::string& depends : found->second->depends) open.push_back(MatchSpec::parse(depends).name);
  }
  return needed;
}

/// The inputs for a second solve of the same command: the channels were asked a moment ago.
Settings settings_for_another_solve(const AppInputs& inputs) {
  Settings settings = inputs.settings;
  settings.use_index_cache = true;
  return settings;
}

bool names_package(const std::vector<MatchSpec>& specs, const std::string& name) {
  return std::any_of(specs.begin(), specs.end(), [&](const MatchSpec& spec) {
    return spec.name_matcher ? spec.name_matcher->matches(name) : spec.name == name;
  });
}

/// `--no-deps`: solves with the dependencies, so that the builds fit the environment's Python and each other,
/// and then gives the named packages alone.
std::vector<RepoDataRecord> solve_without_dependencies(const AppInputs& inputs, const EnvironmentRequest& request,
                                                       const detail::Wishes& wishes, const std::vector<MatchSpec>& specs,
                                                       std::vector<std::string>& warnings) {
  const auto is_unsolvable = [](const Error& error) {
    return error.kind() == ErrorKind::unsatisfiable || error.kind() == ErrorKind::packages_not_found;
  };
  const auto only_named = [&](std::vector<RepoDataRecord> records) {
    std::erase_if(records, [&](const RepoDataRecord& record) {
      const auto& installed = wishes.installed;
      const bool may_change = installed.update_all && std::any_of(installed.records.begin(), installed.records.end(), [&](const RepoDataRecord* r) {
        return r->name == record.name;
      });
      return !may_change && !names_package(specs, record.name);
    });
    return records;
  };
  try {
    return only_named(detail::solve_wishes(inputs, request.channels, request.platform, wishes, warnings));
  } catch (const Error& error) {
    if (!is_unsolvable(error)) throw;
  }
  const Settings settings = settings_for_another_solve(inputs);
  const AppInputs again{inputs.environment, settings, inputs.reporter, inputs.stop, inputs.command};
  std::vector<std::string> said_already;
  if (!wishes.installed.records.empty() && !wishes.installed.update_all) {
    // The environment's other packages stand in the way. What stays of it is its Python: a pin.
    detail::Wishes alone;
    alone.specs = specs;
    alone.pins = wishes.pins;
    try {
      auto records = only_named(detail::solve_wishes(again, request.channels, request.platform, alone, said_already));
      warnings.push_back("the named packages with their dependencies do not fit the installed packages; `--no-deps` puts them there all the same");
      return records;
    } catch (const Error& error) {
      if (!is_unsolvable(error)) throw;
    }
  }
  detail::Wishes blind = wishes;
  blind.dependencies = DependencyMode::none;
  auto records = detail::solve_wishes(again, request.channels, request.platform, blind, warnings);
  warnings.push_back("the named packages cannot be installed with their dependencies; their builds were chosen without looking at them");
  return records;
}

void finish(const AppInputs& inputs, Plan& plan) {
  const PackageCache cache(inputs.settings.pkgs_dirs);
  plan.to_download = cache.missing(plan.transaction.to_link());
}

/// An archive of this machine that is named must be there; a dry run says so, too.
void refuse_missing_archives(const Plan& plan) {
  for (const RepoDataRecord& record : plan.to_download)
    if (record.url.starts_with("file://"))
      if (const std::string path = Url::parse(record.url).to_path(); !exists(path))
        throw Error("there is no such archive", ErrorKind::packages_not_found).at(path).because("the file does not exist");
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
  // An environment whose replacement was cut short may wait to be put back.
  sweep_leftovers(prefix);
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
      wanted = choices.no_deps ? solve_without_dependencies(inputs, request, wishes, specs, plan.warnings)
                               : detail::solve_wishes(inputs, request.channels, request.platform, wishes, plan.warnings);
      if (choices.only_deps) keep_only_dependencies(wanted, specs, nullptr);
    }
  }
  add_requested(plan.requested, specs);
  plan.update_specs = texts(specs);
  plan.transaction = diff({}, wanted);
  finish(inputs, plan);
  if (request.explicit_records) refuse_missing_archives(plan);
  return plan;
}

namespace {

enum class Change { install, update };

/// Pruning to files means: the environment shall be what they ask for, and nothing else.
bool replaces_wishes(const EnvironmentRequest& request, const SolveChoices& choices) {
  return choices.prune && !request.sources.empty();
}

bool all_satisfied(const std::vector<MatchSpec>& specs, const PrefixData& installed) {
  return std::all_of(specs.begin(), specs.end(), [&](const MatchSpec& spec) {
    const PrefixRecord* record = installed.find(spec.name);
    return record != nullptr && satisfies(*record, record->channel, spec);
  });
}

/// Solves once more with everything that the named packages need on the list of updates.
std::vector<RepoDataRecord> with_updated_dependencies(const AppInputs& inputs, const EnvironmentRequest& request,
                                                      detail::Wishes wishes, const std::vector<RepoDataRecord>& solution,
                                                      const std::vector<MatchSpec>& specs) {
  std::vector<std::string> names;
  for (const MatchSpec& spec : specs) names.push_back(spec.name);
  for (const std::string& name : with_dependencies(std::move(names), solution)) wishes.installed.update.push_back(name);
  const Settings settings = settings_for_another_solve(inputs);
  const AppInputs again{inputs.environment, settings, inputs.reporter, inputs.stop, inputs.command};
  std::vector<std::string> said_already;
  return detail::solve_wishes(again, request.channels, request.platform, wishes, said_already);
}

std::vector<RepoDataRecord> solve_change(const AppInputs& inputs, const Existing& existing, const EnvironmentRequest& request,
                                         std::vector<MatchSpec>& specs, const SolveChoices& choices, Change change,
                                         Plan& plan) {
  detail::Wishes wishes;
  wishes.specs = specs;
  if (!replaces_wishes(request, choices))
    for (MatchSpec& spec : earlier_wishes(existing, specs)) wishes.specs.push_back(std::move(spec));
  wishes.pins = all_pins(inputs, plan.prefix, choices);
  pin_python_series(existing, specs, choices, wishes.pins);
  wishes.installed.records = existing.records();
  wishes.installed.freeze_all = choices.freeze_installed;
  wishes.installed.update_all = choices.update_all;
  wishes.installed.prune_orphans = choices.prune;
  if (change == Change::update || choices.update_specs || choices.update_deps)
    for (const MatchSpec& spec : specs) wishes.installed.update.push_back(spec.name);
  if (choices.no_deps)
    return with_installed(solve_without_dependencies(inputs, request, wishes, specs, plan.warnings), existing.data);
  std::vector<RepoDataRecord> wanted = detail::solve_wishes(inputs, request.channels, request.platform, wishes, plan.warnings);
  if (choices.update_deps) wanted = with_updated_dependencies(inputs, request, wishes, wanted, specs);
  if (choices.only_deps) keep_only_dependencies(wanted, specs, &existing.data);
  return wanted;
}

Plan plan_change(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& request, const SolveChoices& choices,
                 Change change) {
  Plan plan;
  plan.kind = Plan::Kind::modify;
  plan.prefix = prefix;
  const Existing existing = open_existing(inputs, prefix, choices);
  take_request(plan, request, choices);
  plan.requested = existing.requested;
  if (choices.update_all) plan.nothing_to_do = "All packages are up to date";
  else if (change == Change::update) plan.nothing_to_do = "The named packages are up to date";
  for (const MatchSpec& spec : request.specs)
    if (change == Change::update && existing.data.find(spec.name) == nullptr)
      throw Error("`" + spec.name + "` is not installed", ErrorKind::packages_not_found)
          .at(prefix.path())
          .hint("`envtool install` adds a package")
          .with("packages", {spec.name});

  std::vector<std::string> reinstall;
  if (choices.force_reinstall)
    for (const MatchSpec& spec : request.specs) reinstall.push_back(spec.name);
  std::vector<RepoDataRecord> wanted;
  std::vector<MatchSpec> specs = request.specs;
  if (request.explicit_records) {
    wanted = replaces_wishes(request, choices) ? *request.explicit_records : with_installed(*request.explicit_records, existing.data);
  } else {
    add_pip_if_needed(specs, plan, &existing.data);
    if (choices.satisfied_skip_solve && reinstall.empty() && !choices.update_all && all_satisfied(specs, existing.data))
      wanted.assign(existing.data.records().begin(), existing.data.records().end());
    else
      wanted = solve_change(inputs, existing, request, specs, choices, change, plan);
  }
  if (replaces_wishes(request, choices)) plan.requested.clear();
  add_requested(plan.requested, specs);
  plan.update_specs = texts(specs);
  plan.transaction = diff(existing.data.records(), wanted, reinstall);
  plan.has_new_wishes = plan.requested != existing.requested;
  finish(inputs, plan);
  if (request.explicit_records) refuse_missing_archives(plan);
  return plan;
}

}  // namespace

Plan plan_install(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& request, const SolveChoices& choices) {
  return plan_change(inputs, prefix, request, choices, Change::install);
}

Plan plan_update(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& request, const SolveChoices& choices) {
  return plan_change(inputs, prefix, request, choices, Change::update);
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
      if (!satisfies(record, record.channel, spec)) continue;
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
    const auto going = removed_with(existing.records(), {names.begin(), names.end()});
    names = {going.begin(), going.end()};
    for (const PrefixRecord& record : existing.data.records())
      if (names.count(record.name) == 0) wanted.push_back(record);
  }
  // What no wish and no remaining package needs can go, too; what nothing needed before is not spoken of.
  const auto needed_by = [&](const RequestedSpecs& requested, const std::vector<RepoDataRecord>& records) {
    std::vector<std::string> roots;
    for (const auto& [name, specs] : requested) roots.push_back(name);
    return with_dependencies(std::move(roots), records);
  };
  const std::set<std::string> needed_before = needed_by(existing.requested, {existing.data.records().begin(), existing.data.records().end()});
  for (const std::string& name : names)
    if (plan.requested.erase(name) != 0) plan.remove_specs.push_back(name);
  for (const std::string& text : spec_texts)
    if (std::find(plan.remove_specs.begin(), plan.remove_specs.end(), text) == plan.remove_specs.end())
      plan.remove_specs.push_back(text);
  const std::set<std::string> needed = needed_by(plan.requested, wanted);
  if (choices.prune) std::erase_if(wanted, [&](const RepoDataRecord& record) { return needed.count(record.name) == 0; });
  else
    for (const RepoDataRecord& record : wanted)
      if (needed.count(record.name) == 0 && needed_before.count(record.name) != 0) plan.orphans.push_back(record.name);
  std::sort(plan.orphans.begin(), plan.orphans.end());
  plan.transaction = diff(existing.data.records(), wanted);
  finish(inputs, plan);
  return plan;
}

}  // namespace envtool
