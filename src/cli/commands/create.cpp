#include <CLI/CLI.hpp>

#include "../plan_output.hpp"
#include "../session.hpp"
#include "solving_options.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/environments.hpp"
#include "../terminal.hpp"

namespace envtool {

namespace {
struct CreateOptions : SolvingOptions {
  bool force = false;
};

int run_create(const CommandContext& context, CreateOptions options) {
  use_default_file(context, options);
  Settings settings = load_settings(context, options.channels);
  if (options.copy) settings.always_copy = true;
  // `--force` is the answer to the one question; `env create` never asks, as conda's does not.
  if (options.force || options.never_asks) settings.always_yes = true;
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  const EnvironmentRequest request = load_request(options.request(), settings, context.environment);
  const Prefix prefix = new_target(context, settings, options.target, request.name, request.prefix);
  // conda asks before it replaces an environment; `--yes` is the answer.
  const bool may_replace = options.force || (settings.always_yes && !options.never_asks) || options.dry_run || (!context.global.json && !options.never_asks && is_terminal(0));
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
  command->add_flag("--no-default-packages", options->choices.no_default_packages, "Leave the configured `create_default_packages` out");
  command->callback([&context, options] { context.action = [&context, options] { return run_create(context, *options); }; });
}

void register_create(CLI::App& app, CommandContext& context) { add_create_command(app, context); }

}  // namespace envtool
