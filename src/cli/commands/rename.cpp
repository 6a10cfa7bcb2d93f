#include <CLI/CLI.hpp>

#include "../session.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/prefix/environments.hpp"
#include "move_environment.hpp"
#include "rename.hpp"

namespace envtool {

namespace {
struct RenameOptions {
  TargetOptions source;
  std::string source_word;
  std::string destination;
  bool dry_run = false;
  MoveChoices choices;
};

/// `a/b` is a slip as often as a path.
bool is_clearly_path(const std::string& word) {
  return word.starts_with('/') || word.starts_with("./") || word.starts_with("../") || word.starts_with('~') || word == "." || word == "..";
}

/// A new name stays in the folder of the old one.
Prefix destination_of(const CommandContext& context, const Settings& settings, const Prefix& from, const std::string& word, bool is_path) {
  if (is_path) return Prefix(absolute_path(word, context.environment));
  if (word.find('/') != std::string::npos)
    throw Error("this cannot be the name of an environment", ErrorKind::invalid_input)
        .at(escape_control(word))
        .because("it has a slash")
        .hint("a path starts with `/`, `./`, `../` or `~`: `./" + escape_control(word) + "`");
  const Prefix usual = new_environment_prefix(word, settings.root_prefix, settings.envs_dirs);
  if (word == "base" || word == "root" || environment_name(from, settings.root_prefix, settings.envs_dirs).empty() ||
      from.path() == settings.root_prefix)
    return usual;
  return Prefix(from.path().substr(0, from.path().rfind('/')) + "/" + word);
}

void add_common_options(CLI::App& command, CommandContext& context, const std::shared_ptr<RenameOptions>& options) {
  add_global_options(command, context.global);
  command.add_flag("-d,--dry-run", options->dry_run, "Show what would be done and stop");
  command.add_flag("--force", options->choices.replace, "Replace an environment that is there already");
  command.add_flag("--override-frozen", options->choices.override_frozen, "Move the environment although it is frozen");
}
}  // namespace

void register_rename(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("rename", "Give an environment another name, or another place");
  auto options = std::make_shared<RenameOptions>();
  add_common_options(*command, context, options);
  add_target_options(*command, options->source);
  command->add_option("destination", options->destination, "The new name, or the new path")->required();
  command->callback([&context, options] {
    context.action = [&context, options] {
      const Settings settings = load_settings(context);
      const Prefix from = existing_target(context, settings, options->source);
      return show_and_move(context, settings, CopyRequest::Kind::move, from,
                           destination_of(context, settings, from, options->destination, is_clearly_path(options->destination)), options->choices, options->dry_run, false);
    };
  });
}

void add_move_command(CLI::App& parent, CommandContext& context) {
  auto* command = parent.add_subcommand("move", "Bring an environment to another path, or give it another name");
  auto options = std::make_shared<RenameOptions>();
  add_common_options(*command, context, options);
  command->add_option("source", options->source_word, "Name or path of the environment")->required();
  command->add_option("destination", options->destination, "Its new path, or its new name")->required();
  command->callback([&context, options] {
    context.action = [&context, options] {
      const Settings settings = load_settings(context);
      options->source.name = options->source_word;
      const Prefix from = existing_target(context, settings, options->source);
      return show_and_move(context, settings, CopyRequest::Kind::move, from,
                           destination_of(context, settings, from, options->destination, looks_like_path(options->destination)), options->choices, options->dry_run, false);
    };
  });
}

}  // namespace envtool
