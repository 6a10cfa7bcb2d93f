#pragma once

#include <map>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/app/reporter.hpp"
#include "envtool/app/request.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/settings/settings.hpp"
#include "envtool/solver/solve.hpp"
#include "envtool/transaction/transaction.hpp"

namespace envtool {

/// What every use case is given: values, a reporter, and a token that asks to stop.
struct AppInputs {
  const EnvSnapshot& environment;
  const Settings& settings;
  AppReporter& reporter;
  std::stop_token stop;
  /// The command line, for the history.
  std::vector<std::string> command;
};

struct Restoration;

/// A change to one environment, decided but not begun.
struct Plan {
  enum class Kind { create, modify };
  Kind kind = Kind::create;
  Prefix prefix{"/"};
  Platform platform = Platform::current();
  /// A `create` that takes the place of an environment that is there.
  bool replaces_existing = false;
  std::vector<Channel> channels;
  Transaction transaction;
  /// Those that are in no package cache yet.
  std::vector<RepoDataRecord> to_download;
  /// Name to specs, for the records and the history.
  std::map<std::string, std::vector<std::string>> requested;
  std::vector<std::string> update_specs;
  std::vector<std::string> remove_specs;
  std::optional<EnvironmentVariables> variables;
  std::vector<PipSection> pip;
  bool upgrade_pip_packages = false;
  /// Said again at the end.
  std::vector<std::string> warnings;
  /// Said when there is nothing to do.
  std::string nothing_to_do = "All requested packages are already installed";
  /// The packages stay as they are, but the user asked for one by name for the first time or in other
  /// words: that is noted for later commands.
  bool has_new_wishes = false;
  /// Packages that stay although, after this, no wish and no other package needs them.
  std::vector<std::string> orphans;

  /// What a rollback does besides the packages (history.hpp).
  std::shared_ptr<const Restoration> restoration;
  /// Lines that say what else the plan does.
  std::vector<std::string> notes;

  /// True when nothing would change.
  bool empty() const { return transaction.empty() && pip.empty() && !variables && !restoration && kind == Kind::modify; }
  std::uint64_t download_bytes() const;
};

/// Options that the solving commands share.
struct SolveChoices {
  bool no_deps = false;
  bool only_deps = false;
  bool freeze_installed = false;
  /// The named packages go to their newest versions although those that are there would do.
  bool update_specs = false;
  /// So do all that they need.
  bool update_deps = false;
  bool update_all = false;
  /// Nothing is looked up when the installed packages satisfy the named specs.
  bool satisfied_skip_solve = false;
  bool no_pin = false;
  /// Another minor version of Python may come in although nobody asked for it.
  bool no_python_pin = false;
  bool force_reinstall = false;
  bool prune = false;
  bool skip_pip = false;
  bool no_default_packages = false;
  bool upgrade_pip_packages = false;
  bool override_frozen = false;
};

/// A request without solution, as an error for the user: the tree of reasons, closest names.
Error unsolvable_error(const Unsolvable& unsolvable, const std::vector<Channel>& channels);

/// A new environment at `prefix`. Throws `Error` (prefix_exists) when there is something that is no
/// environment, or an environment and not `replace`.
Plan plan_create(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& request,
                 const SolveChoices& choices, bool replace);
/// More packages, or other versions, in an existing environment.
Plan plan_install(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& request,
                  const SolveChoices& choices);
/// Newer versions of the named packages, or of all with `update_all`.
Plan plan_update(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& request,
                 const SolveChoices& choices);
/// Without these packages and without what needs them; with `no_deps` only these.
Plan plan_remove(const AppInputs& inputs, const Prefix& prefix, const std::vector<std::string>& specs,
                 const SolveChoices& choices);

/// Carries a plan out: fetches, links, records, runs pip. Throws `Error`; before the commit point
/// nothing has changed, and a failed create leaves no environment.
InstallResult execute(const AppInputs& inputs, const Plan& plan);

/// The records that satisfy a request on one platform without an environment: for locks and
/// searches. Throws `Error` (unsatisfiable, packages_not_found).
std::vector<RepoDataRecord> solve_request(const AppInputs& inputs, const EnvironmentRequest& request,
                                          const Platform& platform);

}  // namespace envtool
