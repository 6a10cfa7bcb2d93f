#include <CLI/CLI.hpp>

#include "../json_output.hpp"
#include "../plan_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "envtool/base/error.hpp"
#include "remove_environment.hpp"

namespace envtool {

namespace {
struct RemoveOptions {
  TargetOptions target;
  std::vector<std::string> specs;
  bool dry_run = false;
  bool all = false;
  bool keep_orphans = false;
  SolveChoices choices;
};

int run_remove(const CommandContext& context, const RemoveOptions& options) {
  const Settings settings = load_settings(context);
  const Prefix prefix = existing_target(context, settings, options.target);
  if (options.all) return remove_environment(context, settings, prefix, options.dry_run, options.choices.override_frozen);
  if (options.specs.empty())
    throw Error("what shall be removed?", ErrorKind::usage).hint("name packages, or say `--all` for the whole environment");
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  const auto planner = [&] { return plan_remove(inputs, prefix, options.specs, options.choices); };
  return show_and_execute(context, inputs, reporter, planner(), options.dry_run, planner);
}
}  // namespace

void register_remove(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("remove", "Take packages, and what needs them, out of an environment");
  command->alias("uninstall");
  auto options = std::make_shared<RemoveOptions>();
  add_global_options(*command, context.global);
  add_target_options(*command, options->target);
  command->add_option("specs", options->specs, "Packages");
  command->add_flag("-d,--dry-run", options->dry_run, "Show what would be done and stop");
  command->add_flag("--all", options->all, "Remove the whole environment");
  command->add_flag("--force,--force-remove,--no-deps", options->choices.no_deps, "Only these packages, even when others need them");
  auto* prune = command->add_flag("--prune,--prune-deps", options->choices.prune, "Also dependencies that nothing needs any more");
  command->add_flag("--no-prune,--no-prune-deps", options->keep_orphans, "Leave dependencies that nothing needs any more (the default)")->excludes(prune);
  // Nothing is solved; scripts that were written for conda say which solver they want.
  command->add_option_function<std::string>("--solver,--experimental-solver", [](const std::string&) {})->group("");
  command->add_flag("--override-frozen", options->choices.override_frozen, "Change the environment although it is frozen");
  command->callback([&context, options] { context.action = [&context, options] { return run_remove(context, *options); }; });
}

}  // namespace envtool
