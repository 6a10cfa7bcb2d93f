#include <CLI/CLI.hpp>

#include "../plan_output.hpp"
#include "../session.hpp"
#include "envtool/base/error.hpp"
#include "rollback.hpp"
#include "solving_options.hpp"

namespace envtool {

namespace {
enum class Verb { install, update };

int run_change(const CommandContext& context, SolvingOptions options, Verb verb) {
  use_default_file(context, options);
  Settings settings = load_settings(context, options.channels);
  if (options.copy) settings.always_copy = true;
  if (options.never_asks) settings.always_yes = true;
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  const EnvironmentRequest request = load_request(options.request(), settings, context.environment);
  if (options.target.name.empty() && options.target.prefix.empty() && !options.files.empty()) {
    options.target.name = request.name;
    if (request.name.empty()) options.target.prefix = request.prefix;
  }
  const Prefix prefix = existing_target(context, settings, options.target);
  if (request.specs.empty() && !request.explicit_records && request.pip.empty() && !request.variables && !options.choices.update_all)
    throw Error("what shall be done?", ErrorKind::usage)
        .because("no package was named")
        .hint(verb == Verb::update ? "name packages, or say `--all`" : "name packages, or give a file with `-f`");
  // `update -f FILE` brings the environment to the file, as `conda env update` does.
  const bool from_files = !options.files.empty();
  const auto planner = [&] {
    return verb == Verb::install || from_files ? plan_install(inputs, prefix, request, options.choices)
                                               : plan_update(inputs, prefix, request, options.choices);
  };
  return show_and_execute(context, inputs, reporter, planner(), options.dry_run, planner);
}

CLI::App* add_command(CLI::App& parent, CommandContext& context, const char* name, const char* text, Verb verb,
                      const std::shared_ptr<SolvingOptions>& options) {
  auto* command = parent.add_subcommand(name, text);
  add_global_options(*command, context.global);
  add_solving_options(*command, *options);
  command->add_flag("--force-reinstall", options->choices.force_reinstall, "Link the named packages anew");
  auto* freeze = command->add_flag("--freeze-installed,--no-update-deps", options->choices.freeze_installed, "Leave installed packages exactly as they are");
  command->add_flag("--update-specs", options->choices.update_specs, "Newest versions of the named packages (`update` does that anyway)")->excludes(freeze);
  command->add_flag("--update-deps", options->choices.update_deps, "Newest versions of the named packages and of all that they need")->excludes(freeze);
  command->add_flag(verb == Verb::update ? "-a,--all,--update-all" : "--update-all", options->choices.update_all, "Update every package")->excludes(freeze);
  command->add_flag("-S,--satisfied-skip-solve", options->choices.satisfied_skip_solve, "Do nothing when the installed packages satisfy the named specs");
  command->add_flag("--no-py-pin", options->choices.no_python_pin, "Let Python's minor version change although nobody asked for it");
  command->add_flag("--prune", options->choices.prune, "Remove packages that nothing asked for needs any more");
  command->add_flag("--override-frozen", options->choices.override_frozen, "Change the environment although it is frozen");
  command->callback([&context, options, verb] {
    context.action = [&context, options, verb] { return run_change(context, *options, verb); };
  });
  return command;
}
}  // namespace

void register_install(CLI::App& app, CommandContext& context) {
  auto options = std::make_shared<SolvingOptions>();
  auto revision = std::make_shared<std::optional<std::size_t>>();
  auto* command = add_command(app, context, "install", "Add packages to an environment, or other versions of them", Verb::install, options);
  command->add_option("--revision", *revision, "Bring the environment back to this revision (see `envtool rollback`)")->check(revision_problem);
  command->callback([&context, options, revision] {
    context.action = [&context, options, revision] {
      if (!*revision) return run_change(context, *options, Verb::install);
      if (!options->specs.empty() || !options->files.empty())
        throw Error("a revision has its own packages", ErrorKind::usage).hint("leave the packages and files out, or `--revision`");
      return roll_back(context, options->target, {*revision, options->dry_run, options->choices.override_frozen});
    };
  });
}

void add_update_command(CLI::App& parent, CommandContext& context) {
  auto options = std::make_shared<SolvingOptions>();
  options->never_asks = parent.get_name() == "env";
  auto* command = add_command(parent, context, "update", "Newer versions of the named packages, or of all", Verb::update, options);
  command->alias("upgrade");
}

void register_update(CLI::App& app, CommandContext& context) { add_update_command(app, context); }

}  // namespace envtool
