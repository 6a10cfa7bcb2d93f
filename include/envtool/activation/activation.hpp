#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "envtool/activation/shell.hpp"

namespace envtool {

/// What one environment contributes when it is activated; the caller reads it from the prefix.
struct ActivationEnvironment {
  /// Name and value in the order in which they are to be set: first those of
  /// `etc/conda/env_vars.d/*.json` sorted by file name, then `env_vars` of `conda-meta/state`;
  /// a later one replaces an earlier one. The value `***unset***` means what conda means by it.
  std::vector<std::pair<std::string, std::string>> variables;
  /// Absolute paths of every file in `etc/conda/activate.d`, in any order and of any shell.
  std::vector<std::string> activate_scripts;
  /// The same of `etc/conda/deactivate.d`.
  std::vector<std::string> deactivate_scripts;
};

/// What conda writes as a variable's value to say that it is to be unset.
inline constexpr std::string_view unset_variable_mark = "***unset***";

/// How the prompt shows the active environment.
struct PromptSettings {
  /// conda's `changeps1`: whether the prompt is changed at all.
  bool change = true;
  /// conda's `env_prompt`: `{default_env}`, `{stacked_env}`, `{prefix}` and `{name}` are filled in.
  std::string format = "({default_env}) ";
};

/// Everything that an activation depends on.
struct ActivationInput {
  Shell shell = Shell::posix;
  /// The variables of the shell that asks.
  std::map<std::string, std::string> environment;
  /// Its environment is called `base`.
  std::string root_prefix;
  /// What is known of the environments that take part, by absolute prefix; those that
  /// `involved_prefixes` names. One that is missing here counts as contributing nothing.
  std::map<std::string, ActivationEnvironment> environments;
  PromptSettings prompt;
  /// Whether `activate.d` and `deactivate.d` scripts are run.
  bool run_scripts = true;
  /// conda's `envvars_force_uppercase`, which it has on; off keeps `http_proxy` what it is.
  bool uppercase_variables = false;
};

/// One thing that the shell is to do.
struct ActivationStep {
  enum class Kind {
    export_variable,  ///< `name`, `value`
    unset_variable,   ///< `name`
    change_prompt,    ///< take `name` out of the prompt, put `value` in front
    source_script,    ///< `value` is the absolute path
  };
  Kind kind;
  std::string name;
  std::string value;
  bool operator==(const ActivationStep&) const = default;
};

/// The steps in the order in which the shell takes them, and what the user should be told.
struct ActivationPlan {
  std::vector<ActivationStep> steps;
  std::vector<std::string> warnings;
};

/// Whether an activation goes on top of the active environment or takes its place on PATH.
enum class Stacking { replace, stack };

/// The prefixes whose `ActivationEnvironment` the plans below can need: the active one, the one
/// below it, and `target` unless empty.
std::vector<std::string> involved_prefixes(const std::map<std::string, std::string>& environment,
                                           std::string_view target);

/// Activates the environment at an absolute prefix. As in conda, activating the active one is a
/// reactivation.
/// Throws `Error` (invalid_input) for a prefix that PATH or the shell cannot hold: not absolute, or
/// with a `:` or a line break.
ActivationPlan plan_activate(const ActivationInput& input, const std::string& prefix,
                             Stacking stacking = Stacking::replace);
/// Leaves the active environment; does nothing when none is active.
ActivationPlan plan_deactivate(const ActivationInput& input);
/// Runs the active environment's scripts and sets its variables anew, after its packages changed.
ActivationPlan plan_reactivate(const ActivationInput& input);

/// What conda calls the environment at this prefix: `base`, its folder name below an `envs` folder,
/// or the prefix.
std::string default_environment_name(std::string_view prefix, std::string_view root_prefix);

/// The variables after the plan, scripts and prompt left out: for running a program in an
/// environment without a shell.
std::map<std::string, std::string> variables_after(const ActivationPlan& plan,
                                         std::map<std::string, std::string> environment);

/// The plan as text for the shell to evaluate. Every value is a literal; a name or path in it
/// cannot run anything. Holds under `set -eu`, also when a script fails: that is said on stderr and
/// the next step follows.
std::string render(const ActivationPlan& plan, Shell shell);

}  // namespace envtool
