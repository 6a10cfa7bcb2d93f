#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <set>

#include "../error_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "envtool/app/environment_scripts.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/process.hpp"

namespace envtool {

namespace {
struct RunOptions {
  TargetOptions target;
  std::string working_directory;
  std::vector<std::string> variables;
  bool clean_environment = false;
  bool no_scripts = false;
  bool ignore_pending = false;
  bool not_captured = false;
};

/// The program is cut off before parsing, so the parser's own usage line would not show it.
class RunUsage : public CLI::Formatter {
 public:
  std::string make_usage(const CLI::App*, std::string name) const override {
    return get_label("Usage") + ": " + name + " [OPTIONS] [--] PROGRAM [ARGUMENTS]...\n";
  }
};

bool has_scripts(const ActivationPlan& plan) {
  return std::any_of(plan.steps.begin(), plan.steps.end(),
                     [](const ActivationStep& step) { return step.kind == ActivationStep::Kind::source_script; });
}

int run_run(const CommandContext& context, const RunOptions& options) {
  const Settings settings = load_settings(context);
  const Prefix prefix = existing_target(context, settings, options.target);
  if (context.program.empty()) throw Error("which program shall be run?", ErrorKind::usage).hint("`envtool run -n NAME PROGRAM ...`");
  if (!options.ignore_pending && recover_and_tell(context, prefix).outcome == RecoverResult::Outcome::read_only)
    throw Error("a change to the environment was not finished", ErrorKind::permission)
        .at(prefix.path())
        .because("it cannot be finished, since the environment is read-only here")
        .hint("run any envtool command where it can be written, or go on with `--ignore-pending`");

  std::map<std::string, std::string> variables = context.environment.all();
  if (options.clean_environment) {
    std::map<std::string, std::string> kept;
    for (const char* name : {"HOME", "USER", "LOGNAME", "TERM", "LANG", "TMPDIR", "DISPLAY"})
      if (auto found = variables.find(name); found != variables.end()) kept.insert(*found);
    kept["PATH"] = "/usr/local/bin:/usr/bin:/bin";
    variables = std::move(kept);
  }
  const Shell shell = find_program("bash", EnvSnapshot(variables)) ? Shell::bash : Shell::posix;
  ActivationInput input = activation_input(shell, variables, settings.root_prefix, prefix.path());
  input.prompt.change = false;
  input.run_scripts = !options.no_scripts;
  input.uppercase_variables = settings.uppercase_variables;
  const ActivationPlan plan = plan_activate(input, prefix.path());
  for (const std::string& text : plan.warnings) print_note("warning: " + escape_control(text));
  variables = variables_after(plan, std::move(variables));
  for (const std::string& item : options.variables) {
    const auto equals = item.find('=');
    if (equals == std::string::npos || !is_variable_name(item.substr(0, equals)))
      throw Error("`" + item + "` is not `NAME=value`", ErrorKind::usage);
    variables[item.substr(0, equals)] = item.substr(equals + 1);
  }
  touch_last_activated(prefix);
  EnvSnapshot environment(variables);
  environment.home = context.environment.home;
  environment.working_directory = context.environment.working_directory;
  const std::string folder =
      options.working_directory.empty() ? "" : absolute_path(options.working_directory, context.environment);
  if (!has_scripts(plan)) {
    const auto program = find_program(context.program.front(), environment);
    // The convention of shells, env and nohup: 127 not found, 126 found and not to be run.
    if (!program || ::access(program->c_str(), X_OK) != 0) {
      const bool there = exists(context.program.front());
      report_error(Error("cannot run `" + context.program.front() + "`")
                       .because(there ? "it may not be executed" : "no such program is in the environment or on PATH"),
                   context.global.json);
      return there ? 126 : 127;
    }
    exec_process(context.program, environment, folder);
  }

  // The scripts need a shell; it ends by becoming the program, so there is one process in the end.
  std::string text;
  for (const ActivationStep& step : plan.steps)
    if (step.kind == ActivationStep::Kind::source_script) {
      ActivationPlan one;
      one.steps.push_back(step);
      text += render(one, shell);
    }
  // The scripts may have changed PATH, so this shell looks, and says it in our words.
  text += "\ncommand -v \"$1\" >/dev/null 2>&1 || {\n"
          "printf 'error: cannot run `%s`\\n  because no such program is in the environment or on PATH\\n' \"$1\" >&2\nexit 127; }\n"
          "exec \"$@\"\n";
  std::vector<std::string> arguments{shell == Shell::bash ? "bash" : "sh", "-c", text, "envtool-run"};
  arguments.insert(arguments.end(), context.program.begin(), context.program.end());
  exec_process(arguments, environment, folder);
}
}  // namespace

std::vector<std::string> split_off_program(const std::vector<std::string>& arguments, std::vector<std::string>& program) {
  static const std::set<std::string> with_value = {"-n", "--name", "-p", "--prefix", "--cwd", "-e", "--env", "-r",
                                                   "--root-prefix", "--rc-file", "--lock-timeout"};
  bool in_run = false;
  for (std::size_t i = 1; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (with_value.count(argument) != 0) {
      ++i;
      continue;
    }
    if (argument.starts_with('-') && argument != "-" && argument != "--") continue;
    if (!in_run) {
      if (argument != "run") break;
      in_run = true;
      continue;
    }
    const auto first = arguments.begin() + static_cast<std::ptrdiff_t>(i);
    program.assign(argument == "--" ? first + 1 : first, arguments.end());
    return {arguments.begin(), first};
  }
  return arguments;
}

void register_run(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("run", "Run a program in an environment; signals, input and exit code are its own");
  auto options = std::make_shared<RunOptions>();
  add_global_options(*command, context.global);
  add_target_options(*command, options->target);
  command->add_option("--cwd", options->working_directory, "Run in this folder");
  command->add_option("-e,--env", options->variables, "NAME=value for the program; may be repeated")->allow_extra_args(false);
  command->add_flag("--clean-env", options->clean_environment, "Start from an almost empty environment");
  command->add_flag("--no-activate-scripts", options->no_scripts, "Do not run the environment's activate.d scripts");
  command->add_flag("--no-capture-output,--live-stream,-a,--attach", options->not_captured, "Accepted for conda's sake; nothing is captured");
  command->add_flag("--ignore-pending", options->ignore_pending, "Go on although a change was not finished");
  command->formatter(std::make_shared<RunUsage>());
  command->footer("PROGRAM and everything behind it are taken as they are: envtool run -n NAME python -m pip list");
  command->callback([&context, options] {
    context.action = [&context, options] { return run_run(context, *options); };
  });
}

}  // namespace envtool
