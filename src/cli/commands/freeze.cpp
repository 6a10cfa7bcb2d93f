#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "../terminal_reporter.hpp"
#include "envtool/app/freeze.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {
struct FreezeOptions {
  TargetOptions target;
  std::string message;
};

void show(const CommandContext& context, const Prefix& prefix, const FreezeResult& result, bool is_frozen) {
  if (context.global.json) {
    nlohmann::ordered_json document;
    document["success"] = true;
    document["prefix"] = prefix.path();
    document["frozen"] = is_frozen;
    document["was_frozen"] = result.was_frozen;
    if (result.externally_managed.empty()) document["externally_managed"] = nullptr;
    else document["externally_managed"] = result.externally_managed;
    print_json(document);
    return;
  }
  if (result.is_foreign && !context.global.quiet)
    print_note("warning: `" + escape_control(result.externally_managed) + "` is not from envtool; it stays as it is and keeps pip and uv out");
  if (context.global.quiet) return;
  if (is_frozen) print_out(prefix.path() + " is frozen" + (result.externally_managed.empty() ? "" : ", for pip and uv, too") + "\n");
  else print_out(prefix.path() + (result.was_frozen ? " can be changed again\n" : " was not frozen\n"));
}

void add(CLI::App& app, CommandContext& context, bool freezes) {
  auto* command = freezes ? app.add_subcommand("freeze", "Refuse changes to an environment from now on, also by pip and uv")
                          : app.add_subcommand("unfreeze", "Allow changes to a frozen environment again");
  auto options = std::make_shared<FreezeOptions>();
  add_global_options(*command, context.global);
  add_target_options(*command, options->target);
  if (freezes) command->add_option("--message,-m", options->message, "Why; shown to whoever wants to change it");
  command->callback([&context, options, freezes] {
    context.action = [&context, options, freezes] {
      const Settings settings = load_settings(context);
      const Prefix prefix = existing_target(context, settings, options->target);
      if (options->message.find('\0') != std::string::npos || !is_valid_utf8(options->message))
        throw Error("the message is no text", ErrorKind::usage);
      TerminalReporter reporter(context.global);
      const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
      show(context, prefix, freezes ? freeze_environment(inputs, prefix, options->message) : unfreeze_environment(inputs, prefix), freezes);
      return 0;
    };
  });
}
}  // namespace

void register_freeze(CLI::App& app, CommandContext& context) {
  add(app, context, true);
  add(app, context, false);
}

}  // namespace envtool
