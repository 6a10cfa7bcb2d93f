#include <CLI/CLI.hpp>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../session.hpp"
#include "../terminal_reporter.hpp"
#include "../terminal.hpp"
#include "envtool/activation/activation.hpp"
#include "envtool/app/export.hpp"
#include "envtool/app/history.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/environments.hpp"
#include "remove_environment.hpp"
#include "rename.hpp"
#include "solving_options.hpp"

namespace envtool {

int list_all_environments(const CommandContext& context) {
  const Settings settings = load_settings(context);
  const auto environments =
      list_environments(settings.root_prefix, settings.envs_dirs, EnvironmentRegistry(context.environment.home));
  const std::string active = context.environment.get("CONDA_PREFIX").value_or("");
  if (context.global.json) {
    nlohmann::ordered_json document;
    document["envs"] = nlohmann::ordered_json::array();
    document["envs_details"] = nlohmann::ordered_json::object();
    for (const FoundEnvironment& environment : environments) {
      document["envs"].push_back(environment.path);
      document["envs_details"][environment.path] = {{"name", environment.name},
                                                    {"active", environment.path == active},
                                                    {"base", environment.path == settings.root_prefix},
                                                    {"frozen", frozen(Prefix(environment.path)).has_value()}};
    }
    print_json(document);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  for (const FoundEnvironment& environment : environments)
    rows.push_back({escape_control(environment.name), environment.path == active ? "*" : " ",
                    frozen(Prefix(environment.path)) ? "+" : " ", escape_control(environment.path)});
  print_out("# conda environments:\n#\n# * -> active\n# + -> frozen\n" + format_table(rows));
  return 0;
}

namespace {


/// conda's form: what the YAML would say, as one JSON document.
std::string to_json_text(const EnvironmentSpec& spec) {
  nlohmann::ordered_json document;
  document["name"] = spec.name;
  document["channels"] = spec.channels;
  document["dependencies"] = nlohmann::ordered_json::array();
  for (const RequestedSpec& item : spec.dependencies) document["dependencies"].push_back(item.text);
  if (!spec.pip.empty()) {
    nlohmann::ordered_json lines = nlohmann::ordered_json::array();
    for (const PipRequirement& line : spec.pip) lines.push_back(line.text);
    document["dependencies"].push_back({{"pip", std::move(lines)}});
  }
  for (const auto& [variable, value] : spec.variables) document["variables"][variable] = value;
  document["prefix"] = spec.prefix;
  return document.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

struct ExportCommand {
  TargetOptions target;
  ExportOptions form;
  std::string file;
};

int run_env_export(const CommandContext& context, const ExportCommand& options) {
  const Settings settings = load_settings(context);
  const Prefix prefix = existing_target(context, settings, options.target);
  recover_and_tell(context, prefix);
  const std::string name = environment_name(prefix, settings.root_prefix, settings.envs_dirs);
  const EnvironmentSpec spec = export_environment(prefix, name, options.form);
  const std::string text = context.global.json ? to_json_text(spec) : to_environment_yml(spec);
  if (options.file.empty()) print_out(text);
  else write_atomically(absolute_path(options.file, context.environment), text);
  return 0;
}

struct RemoveCommand {
  TargetOptions target;
  bool dry_run = false;
  bool override_frozen = false;
};

void register_variables(CLI::App& env, CommandContext& context) {
  auto* config = env.add_subcommand("config", "Settings that live in an environment");
  config->require_subcommand(1);
  auto* vars = config->add_subcommand("vars", "Variables that activation sets");
  vars->require_subcommand(1);
  struct Options {
    TargetOptions target;
    std::vector<std::string> items;
    bool override_frozen = false;
  };
  auto add = [&](const char* name, const char* text, bool takes_items, auto change) {
    auto* command = vars->add_subcommand(name, text);
    auto options = std::make_shared<Options>();
    add_global_options(*command, context.global);
    add_target_options(*command, options->target);
    if (takes_items) command->add_option("items", options->items, "NAME=value, or NAME")->required();
    if (takes_items) command->add_flag("--override-frozen", options->override_frozen, "Change the environment although it is frozen");
    command->callback([&context, options, change] {
      context.action = [&context, options, change] {
        const Settings settings = load_settings(context);
        const Prefix prefix = existing_target(context, settings, options->target);
        TerminalReporter reporter(context.global);
        // A value may be a secret; neither the history nor a lock file has to know it.
        std::vector<std::string> told = context.command;
        for (std::string& word : told)
          if (std::find(options->items.begin(), options->items.end(), word) != options->items.end())
            if (const std::size_t equals = word.find('='); equals != std::string::npos) word.replace(equals + 1, std::string::npos, "***");
        const AppInputs inputs{context.environment, settings, reporter, context.stop, std::move(told)};
        return change(inputs, prefix, context.global.json, *options);
      };
    });
  };
  add("list", "Show them", false, [&context](const AppInputs&, const Prefix& prefix, bool json, const Options&) {
    recover_and_tell(context, prefix);
    EnvironmentVariables variables = read_state(prefix);
    std::erase_if(variables, [](const auto& item) { return item.second == unset_variable_mark; });
    if (json) print_json(nlohmann::ordered_json(variables));
    else
      for (const auto& [name, value] : variables) print_out(escape_control(name) + " = " + escape_control(value) + "\n");
    return 0;
  });
  // Values may be secrets, so that only `list` shows them.
  const auto change = [](const AppInputs& inputs, const Prefix& prefix, bool json, const Options& chosen, auto&& changer) {
    EnvironmentVariables before, after;
    change_variables(inputs, prefix, [&](EnvironmentVariables& variables) {
      before = variables;
      changer(variables);
      after = variables;
    }, chosen.override_frozen);
    if (!json) return 0;
    nlohmann::ordered_json document{{"success", true}, {"prefix", prefix.path()}, {"changed", nlohmann::ordered_json::array()},
                                    {"variables", nlohmann::ordered_json::array()}};
    for (const auto& [name, value] : after) {
      const auto old = before.find(name);
      if (old == before.end() || old->second != value) document["changed"].push_back(name);
      if (value != unset_variable_mark) document["variables"].push_back(name);
    }
    print_json(document);
    return 0;
  };
  add("set", "Set some", true, [change](const AppInputs& inputs, const Prefix& prefix, bool json, const Options& chosen) {
    return change(inputs, prefix, json, chosen, [&](EnvironmentVariables& variables) {
      for (const std::string& item : chosen.items) {
        const auto equals = item.find('=');
        const std::string name = item.substr(0, equals);
        if (equals == std::string::npos || !is_variable_name(name)) throw Error("`" + item + "` is not `NAME=value`", ErrorKind::usage);
        variables[name] = item.substr(equals + 1);
      }
    });
  });
  add("unset", "Forget some", true, [change](const AppInputs& inputs, const Prefix& prefix, bool json, const Options& chosen) {
    return change(inputs, prefix, json, chosen, [&](EnvironmentVariables& variables) {
      for (const std::string& name : chosen.items) {
        const auto found = variables.find(name);
        if (found == variables.end() || found->second == unset_variable_mark)
          throw Error("the environment has no variable `" + name + "`", ErrorKind::usage);
        // conda's mark: a shell in which the variable is set learns from it to unset it.
        found->second = unset_variable_mark;
      }
    });
  });
}
}  // namespace

void register_env(CLI::App& app, CommandContext& context) {
  auto* env = app.add_subcommand("env", "List, export, remove environments");
  env->require_subcommand(1);
  add_create_command(*env, context);
  add_update_command(*env, context);

  auto* list = env->add_subcommand("list", "All environments");
  add_global_options(*list, context.global);
  list->callback([&context] { context.action = [&context] { return list_all_environments(context); }; });

  auto* export_command = env->add_subcommand("export", "Print an environment as environment.yml");
  auto export_options = std::make_shared<ExportCommand>();
  add_global_options(*export_command, context.global);
  add_target_options(*export_command, export_options->target);
  export_command->add_flag("--no-builds", export_options->form.no_builds, "Leave the build strings out");
  export_command->add_flag("--from-history", export_options->form.from_history, "Only what was asked for");
  export_command->add_option("-f,--file", export_options->file, "Write to this file");
  export_command->callback(
      [&context, export_options] { context.action = [&context, export_options] { return run_env_export(context, *export_options); }; });

  auto* remove = env->add_subcommand("remove", "Remove a whole environment");
  auto remove_options = std::make_shared<RemoveCommand>();
  add_global_options(*remove, context.global);
  add_target_options(*remove, remove_options->target);
  remove->add_flag("-d,--dry-run", remove_options->dry_run, "Show what would be done and stop");
  remove->add_flag("--override-frozen", remove_options->override_frozen, "Remove the environment although it is frozen");
  remove->callback([&context, remove_options] {
    context.action = [&context, remove_options] {
      const Settings settings = load_settings(context);
      if (remove_options->target.name.empty() && remove_options->target.prefix.empty())
        throw Error("which environment shall be removed?", ErrorKind::usage).hint("say it with `-n NAME` or `-p PATH`");
      return remove_environment(context, settings, existing_target(context, settings, remove_options->target),
                                remove_options->dry_run, remove_options->override_frozen);
    };
  });
  add_move_command(*env, context);
  register_variables(*env, context);
}

}  // namespace envtool
