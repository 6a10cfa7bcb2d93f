#include "envtool/app/move.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include "envtool/app/sources.hpp"
#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/environments.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "envtool/transaction/link_order.hpp"
#include "history_state.hpp"
#include "install_options.hpp"

namespace envtool {

namespace {
/// Without symlinks; what does not exist yet keeps its name below the nearest folder that does.
std::string real_path(const std::string& path) {
  if (const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), &free); real) return real.get();
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos || slash == 0) return path;
  return real_path(path.substr(0, slash)) + path.substr(slash);
}

bool is_inside(const std::string& path, const std::string& folder) {
  return path == folder || path.starts_with(folder == "/" ? folder : folder + "/");
}

bool is_symlink(const std::string& path) {
  struct stat status{};
  return lstat(path.c_str(), &status) == 0 && S_ISLNK(status.st_mode);
}

/// What the history of the environment says from now on. Revisions are whole states, and this one is that of the copy:
/// pip's records name other files than before.
EnvironmentChange note_of_move(const AppInputs& inputs, const MovePlan& plan, const Prefix& built) {
  EnvironmentChange change;
  change.history.command = inputs.command;
  change.history.tool_version = ENVTOOL_VERSION;
  change.history.note = std::string(plan.kind == CopyRequest::Kind::move ? moved_note : copied_note) + plan.from.path();
  const PrefixData data = PrefixData::load(built);
  change.state = detail::observe_state(built, data.records(), RevisionStore::load(built), inputs.settings.pkgs_dirs);
  return change;
}

/// `CONDA_PREFIX` and, for environments activated on top of each other, `CONDA_PREFIX_1`, ...
bool is_active(const EnvSnapshot& environment, const std::string& place) {
  return std::any_of(environment.all().begin(), environment.all().end(), [&](const auto& variable) {
    return variable.first.starts_with("CONDA_PREFIX") && !variable.second.empty() && variable.second.front() == '/' &&
           real_path(variable.second) == place;
  });
}

void check_move(const AppInputs& inputs, const Prefix& from, const std::string& place, const MoveChoices& choices) {
  const Settings& settings = inputs.settings;
  if (is_inside(real_path(settings.root_prefix), place))
    throw Error("the root prefix cannot be moved", ErrorKind::usage)
        .at(from.path())
        .because("the environments and the package cache are in it")
        .hint("`envtool create --clone base -n NAME` makes a copy");
  for (const auto* folders : {&settings.pkgs_dirs, &settings.envs_dirs})
    for (const std::string& folder : *folders)
      if (is_inside(real_path(folder), place))
        throw Error("the environment cannot be moved", ErrorKind::usage).at(from.path()).because("`" + folder + "` is in it");
  if (is_active(inputs.environment, place))
    throw Error("the active environment cannot be moved", ErrorKind::usage).at(from.path()).hint("`envtool deactivate` first");
  if (!choices.override_frozen) refuse_if_frozen(from);
}

void check_destination(const AppInputs& inputs, const MovePlan& plan, const std::string& place, const MoveChoices& choices) {
  if (!exists_no_follow(plan.to.path()) || (is_directory(plan.to.path()) && list_directory(plan.to.path()).empty())) return;
  if (!is_environment(plan.to))
    throw Error("the new place of the environment is taken", ErrorKind::prefix_exists)
        .at(plan.to.path())
        .because("it exists and is no conda environment")
        .hint("choose another name or path; envtool never deletes what it did not make");
  if (!choices.replace)
    throw Error("there is an environment already", ErrorKind::prefix_exists).at(plan.to.path()).hint("`--force` replaces it");
  if (is_active(inputs.environment, place) || is_inside(real_path(inputs.settings.root_prefix), place))
    throw Error("this environment cannot be replaced", ErrorKind::usage)
        .at(plan.to.path())
        .because(is_active(inputs.environment, place) ? "it is active" : "it is the root prefix");
  if (!choices.override_frozen) refuse_if_frozen(plan.to);
}
}  // namespace

MovePlan plan_move(const AppInputs& inputs, CopyRequest::Kind kind, const Prefix& from, const Prefix& to, const MoveChoices& choices) {
  if (!is_environment(from)) throw Error("there is no environment", ErrorKind::environment_not_found).at(from.path());
  InstallOptions options;
  options.reporter = &inputs.reporter;
  recover(from, options);
  if (is_environment(to)) recover(to, options);
  MovePlan plan;
  plan.kind = kind;
  plan.from = from;
  plan.to = to;
  if (kind == CopyRequest::Kind::move && is_symlink(from.path())) {
    plan.link = from.path();
    plan.from = Prefix(real_path(from.path()));
  }
  const std::string old_place = real_path(from.path()), new_place = real_path(to.path());
  if (kind == CopyRequest::Kind::move) check_move(inputs, from, old_place, choices);
  if (old_place == new_place)
    throw Error("the environment is there already", ErrorKind::prefix_exists).at(to.path());
  const bool is_root = old_place == real_path(inputs.settings.root_prefix);
  // conda's root prefix holds environments and caches that are no part of it; `envs` of it is a good place.
  if (is_inside(old_place, new_place) || (is_inside(new_place, old_place) && !(is_root && kind == CopyRequest::Kind::clone)))
    throw Error("one of the two places is inside the other", ErrorKind::usage).at(to.path()).because("the environment is at " + from.path());
  check_destination(inputs, plan, new_place, choices);
  plan.replaces_existing = is_environment(to);
  if (is_root) plan.left_out = {"envs", "pkgs", "conda-bld", ".condarc", ".byte-code"};

  const PrefixData data = PrefixData::load(from);
  std::vector<const PackageRecord*> records;
  for (const PrefixRecord& record : data.records()) records.push_back(&record);
  for (const std::size_t index : link_order(records)) plan.packages.push_back(data.records()[index]);
  const auto missing = PackageCache(inputs.settings.pkgs_dirs).missing(plan.packages);
  for (const RepoDataRecord& record : plan.packages) {
    const bool is_missing = std::any_of(missing.begin(), missing.end(), [&](const RepoDataRecord& m) { return m.name == record.name; });
    // Without a digest nobody knows whether a package of that name is the same.
    if (!is_missing && record.sha256) plan.cached.push_back(record);
  }
  return plan;
}

CopyResult execute(const AppInputs& inputs, const MovePlan& plan) {
  CopyRequest request;
  request.kind = plan.kind;
  request.from = plan.from;
  request.to = plan.to;
  request.left_out = plan.left_out;
  request.also_named = plan.link;
  request.note = [&](const Prefix& built) { return note_of_move(inputs, plan, built); };
  Fetcher fetcher(fetch_options(inputs.settings, inputs.environment));
  PackageCache cache(inputs.settings.pkgs_dirs);
  for (const RepoDataRecord& record : plan.cached) {
    try {
      auto found = cache.ensure(std::vector{record}, fetcher, nullptr, inputs.stop);
      request.cached.push_back(std::move(found.front()));
    } catch (const Error& error) {
      // Damaged or cleaned away meanwhile: the installed files are there.
      if (error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::no_space) throw;
      inputs.reporter.on_warning("the files of " + record.dist() + " are copied: " + error.message());
    }
  }
  const EnvironmentRegistry registry(inputs.environment.home);
  // Before the old one can vanish the list knows the new one; entries of nothing are never shown.
  request.before_commit = [&] { registry.add(plan.to); };
  InstallOptions options = install_options(inputs);
  if (plan.replaces_existing) options.existing = ExistingPrefix::replace;
  CopyResult result;
  try {
    result = copy_prefix(request, options, inputs.stop);
  } catch (const Error&) {
    if (!is_environment(plan.to)) registry.remove(plan.to);
    throw;
  }
  if (plan.kind == CopyRequest::Kind::move) registry.remove(plan.from);
  if (plan.link.empty()) return result;
  registry.remove(Prefix(plan.link));
  // Unless somebody has made something else of it.
  if (is_symlink(plan.link) && !exists(plan.link) && unlink(plan.link.c_str()) != 0)
    inputs.reporter.on_warning("the environment is moved, but the symlink to its old place could not be removed: " + plan.link);
  return result;
}

}  // namespace envtool
