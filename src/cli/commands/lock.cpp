#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "../terminal_reporter.hpp"
#include "envtool/app/lock.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"

namespace envtool {

namespace {
struct LockCommand {
  ChannelOptions channels;
  std::vector<std::string> platforms;
  std::vector<std::string> files;
  std::vector<std::string> specs;
  std::string lockfile = "conda-lock.yml";
  bool dry_run = false;
  bool skip_pip = false;
};

int run_lock(const CommandContext& context, const LockCommand& command) {
  const Settings settings = load_settings(context, command.channels);
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  LockOptions options;
  options.request.files = command.files;
  options.request.specs = command.specs;
  options.request.channels = command.channels.channels;
  options.request.override_channels = command.channels.override_channels;
  options.platforms = command.platforms;
  options.lockfile = absolute_path(command.lockfile, context.environment);
  options.skip_pip = command.skip_pip;
  if (options.request.files.empty() && options.request.specs.empty() &&
      exists(context.environment.working_directory + "/environment.yml"))
    options.request.files = {"environment.yml"};
  const LockResult result = lock_environment(inputs, options);
  const bool chatty = !context.global.json && !context.global.quiet;
  if (chatty)
    for (const std::string& text : result.warnings) print_note("warning: " + escape_control(text));
  const bool unchanged = read_file_if_exists(options.lockfile).value_or("") == result.text;
  if (!command.dry_run && !unchanged) write_atomically(options.lockfile, result.text, 0644, Durability::full);
  if (context.global.json) {
    nlohmann::ordered_json document;
    document["success"] = true;
    document["dry_run"] = command.dry_run;
    document["lockfile"] = options.lockfile;
    document["changed"] = !unchanged;
    for (const auto& [platform, count] : result.packages) document["packages"][platform] = count;
    document["warnings"] = result.warnings;
    print_json(document);
  } else if (chatty) {
    for (const auto& [platform, count] : result.packages) print_out(platform + ": " + counted(count, "package", "packages") + "\n");
    print_out(options.lockfile + (unchanged ? " is up to date\n" : command.dry_run ? " would be changed\n" : " written\n"));
  }
  return 0;
}
}  // namespace

void register_lock(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("lock", "Solve for one or several platforms and write conda-lock.yml");
  auto options = std::make_shared<LockCommand>();
  add_global_options(*command, context.global);
  add_channel_options(*command, options->channels, PlatformOption::none);
  command->add_option("--platform,--subdir", options->platforms, "Platform to lock; may be repeated")->allow_extra_args(false);
  command->add_option("-f,--file", options->files, "environment.yml or spec list; may be repeated")->allow_extra_args(false);
  command->add_option("specs", options->specs, "Packages, in addition to or instead of files");
  command->add_option("--lockfile", options->lockfile, "Where to write the lock (default: conda-lock.yml)");
  command->add_flag("--no-pip", options->skip_pip, "Lock the conda packages alone although there is a `pip:` section");
  command->add_flag("-d,--dry-run", options->dry_run, "Solve, but write nothing");
  command->callback([&context, options] { context.action = [&context, options] { return run_lock(context, *options); }; });
}

}  // namespace envtool
