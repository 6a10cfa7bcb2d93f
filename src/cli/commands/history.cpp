#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include "../history_output.hpp"
#include "../json_output.hpp"
#include "../plan_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "envtool/app/history.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/install/installer.hpp"
#include "rollback.hpp"

namespace envtool {

namespace {
struct HistoryOptions {
  TargetOptions target;
  std::size_t revision = 0, other = 0;
};

const RevisionView& pick(const std::vector<RevisionView>& views, std::size_t number, const Prefix& prefix) {
  if (number < views.size()) return views[number];
  throw Error("there is no revision " + std::to_string(number), ErrorKind::usage)
      .at(prefix.path())
      .because(views.empty() ? std::string("the environment has no history") : "its revisions are 0 to " + std::to_string(views.size() - 1))
      .hint("`envtool history` lists them");
}

Prefix open_target(const CommandContext& context, const HistoryOptions& options) {
  const Settings settings = load_settings(context);
  Prefix prefix = existing_target(context, settings, options.target);
  recover_and_tell(context, prefix);
  return prefix;
}

int run_history(const CommandContext& context, const HistoryOptions& options) {
  const Prefix prefix = open_target(context, options);
  const auto views = view_history(prefix);
  if (context.global.json) print_json(history_json(views));
  else print_out(history_text(views, prefix.path()));
  return 0;
}

int run_show(const CommandContext& context, const HistoryOptions& options) {
  const Prefix prefix = open_target(context, options);
  const auto views = view_history(prefix);
  const RevisionView& view = pick(views, options.revision, prefix);
  if (!view.problem.empty())
    print_note("warning: revision " + std::to_string(view.number) + " can only be shown in part: " + escape_control(view.problem));
  if (context.global.json) print_json(revision_json(view));
  else print_out(revision_text(view));
  return 0;
}

int run_diff(const CommandContext& context, const HistoryOptions& options) {
  const Prefix prefix = open_target(context, options);
  const auto views = view_history(prefix);
  const RevisionDifference difference = compare(pick(views, options.revision, prefix), pick(views, options.other, prefix));
  if (context.global.json) print_json(difference_json(difference, options.revision, options.other));
  else print_out(difference_text(difference));
  return 0;
}
}  // namespace

int roll_back(const CommandContext& context, const TargetOptions& target, const RollbackOptions& options) {
  ChannelOptions channels;
  Settings settings = load_settings(context, channels);
  const Prefix prefix = existing_target(context, settings, target);
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  // Records have no credentials; those of the configured channels serve where the cache does not.
  const auto known = select_channels({}, {}, false, settings, context.environment);
  SolveChoices choices;
  choices.override_frozen = options.override_frozen;
  const Plan plan = plan_rollback(inputs, prefix, options.revision, known, choices);
  return show_and_execute(context, inputs, reporter, plan, options.dry_run);
}

void register_history(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("history", "The revisions of an environment: what was changed, and when");
  auto options = std::make_shared<HistoryOptions>();
  add_global_options(*command, context.global);
  add_target_options(*command, options->target);
  command->require_subcommand(0, 1);
  command->callback([&context, options, command] {
    if (command->get_subcommands().empty()) context.action = [&context, options] { return run_history(context, *options); };
  });

  auto* show = command->add_subcommand("show", "The packages, wishes, pins and variables of a revision");
  add_global_options(*show, context.global);
  add_target_options(*show, options->target);
  show->add_option("revision", options->revision, "Number of the revision")->required()->check(revision_problem);
  show->callback([&context, options] { context.action = [&context, options] { return run_show(context, *options); }; });

  auto* diff = command->add_subcommand("diff", "What differs between two revisions");
  add_global_options(*diff, context.global);
  add_target_options(*diff, options->target);
  diff->add_option("from", options->revision, "Number of the first revision")->required()->check(revision_problem);
  diff->add_option("to", options->other, "Number of the second revision")->required()->check(revision_problem);
  diff->callback([&context, options] { context.action = [&context, options] { return run_diff(context, *options); }; });

  auto* rollback = app.add_subcommand("rollback", "Bring an environment back to an earlier revision");
  struct Rollback {
    TargetOptions target;
    RollbackOptions choices;
  };
  auto back = std::make_shared<Rollback>();
  add_global_options(*rollback, context.global);
  add_target_options(*rollback, back->target);
  rollback->add_option("revision", back->choices.revision, "Number of the revision (default: the one before the current)")->check(revision_problem);
  rollback->add_flag("-d,--dry-run", back->choices.dry_run, "Show what would be done and stop");
  rollback->add_flag("--override-frozen", back->choices.override_frozen, "Change the environment although it is frozen");
  rollback->callback([&context, back] { context.action = [&context, back] { return roll_back(context, back->target, back->choices); }; });
}

}  // namespace envtool
