#include <CLI/CLI.hpp>

#include "../plan_output.hpp"
#include "../session.hpp"
#include "envtool/base/error.hpp"
#include "move_environment.hpp"
#include "solving_options.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/environments.hpp"
#include "../terminal.hpp"

namespace envtool {

namespace {
struct CreateOptions : SolvingOptions {
  bool force = false;
  /// Name or path of the environment to copy.
  std::string clone;
};

int run_clone(const CommandContext& context, const Settings& settings, const CreateOptions& options) {
  if (!options.specs.empty() || !options.files.empty())
    throw Error("`--clone` copies an environment as it is", ErrorKind::usage).hint("leave specs and files out; `envtool install` can change the copy");
  TargetOptions source;
  source.name = options.clone;
  const Prefix from = existing_target(context, settings, source);
  const Prefix to = new_target(context, settings, options.target, "", "");
  const bool may_ask = !context.global.json && is_terminal(0);
  MoveChoices choices;
  choices.replace = settings.always_yes || may_ask;
  choices.override_frozen = options.choices.override_frozen;
  return show_and_move(context, settings, CopyRequest::Kind::clone, from, to, choices, options.dry_run, may_ask);
}

int run_create(const CommandContext& context, CreateOptions options) {
  use_default_file(context, options);
  Settings settings = load_settings(context, options.channels);
  if (options.copy) settings.always_copy = true;
  // `--force` is the answer to the one question; `env create` never asks, as conda's does not.
  if (options.force || options.never_asks) settings.always_yes = true;
  if (!options.clone.empty()) return run_clone(context, settings, options);
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  const EnvironmentRequest request = load_request(options.request(), settings, context.environment);
  const Prefix prefix = new_target(context, settings, options.target, request.name, request.prefix);
  // conda asks before it replaces an environment; `--yes` is the answer. A dry run answers as the command would.
  const bool may_replace = options.force || (settings.always_yes && !options.never_asks) || (!context.global.json && !options.never_asks && is_terminal(0));
  const Plan plan = plan_create(inputs, prefix, request, options.choices, may_replace);
  return show_and_execute(context, inputs, reporter, plan, options.dry_run);
}
}  // namespace

void add_create_command(CLI::App& parent, CommandContext& context) {
  auto* command = parent.add_subcommand("create", "Make a new environment from files, specs, or a lock");
  auto options = std::make_shared<CreateOptions>();
  options->never_asks = parent.get_name() == "env";
  add_global_options(*command, context.global);
  add_solving_options(*command, *options);
  command->add_flag("--override-frozen", options->choices.override_frozen, "Replace an environment although it is frozen");
  command->add_flag("--force", options->force, "Replace an environment of that name (also: `--yes`)");
  if (!options->never_asks) command->add_option("--clone", options->clone, "Copy this environment (a name or a path)");
  command->add_flag("--no-default-packages", options->choices.no_default_packages, "Leave the configured `create_default_packages` out");
  command->callback([&context, options] { context.action = [&context, options] { return run_create(context, *options); }; });
}

void register_create(CLI::App& app, CommandContext& context) { add_create_command(app, context); }

}  // namespace envtool
