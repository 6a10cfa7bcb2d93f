#include <sys/stat.h>

#include <CLI/CLI.hpp>
#include <filesystem>

#include "../session.hpp"
#include "../terminal.hpp"
#include "envtool/activation/hook.hpp"
#include "envtool/app/environment_scripts.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/process.hpp"

namespace envtool {

namespace {
struct ShellOptions {
  std::string shell;
  /// `init` and `deinit` take several, as conda does.
  std::vector<std::string> shells;
  std::string target;
  TargetOptions by_option;
  bool stack = false;
  bool no_stack = false;
  bool dry_run = false;
  bool no_scripts = false;
};

/// `-s NAME`, or the shell that runs us.
Shell chosen_shell(const CommandContext& context, const std::string& name) {
  if (!name.empty()) return parse_shell(name);
  if (const auto path = context.environment.get("SHELL"))
    if (const auto shell = find_shell(*path)) return *shell;
  return Shell::bash;
}

ActivationInput input_for(const CommandContext& context, const Settings& settings, const ShellOptions& options,
                          const std::string& target) {
  ActivationInput input =
      activation_input(chosen_shell(context, options.shell), context.environment.all(), settings.root_prefix, target);
  input.prompt.change = settings.change_prompt;
  input.prompt.format = settings.env_prompt;
  input.run_scripts = !options.no_scripts;
  input.uppercase_variables = settings.uppercase_variables;
  return input;
}

int print_plan(const ActivationPlan& plan, Shell shell) {
  for (const std::string& text : plan.warnings) print_note("warning: " + escape_control(text));
  print_out(render(plan, shell));
  return 0;
}

int run_activate(const CommandContext& context, const ShellOptions& options) {
  const Settings settings = load_settings(context);
  TargetOptions target = options.by_option;
  if (target.name.empty() && target.prefix.empty()) target.name = options.target.empty() ? "base" : options.target;
  const Prefix prefix = existing_target(context, settings, target);
  recover_and_tell(context, prefix);
  const ActivationInput input = input_for(context, settings, options, prefix.path());
  const int result = print_plan(
      plan_activate(input, prefix.path(), options.stack && !options.no_stack ? Stacking::stack : Stacking::replace), input.shell);
  touch_last_activated(prefix);
  return result;
}

int run_deactivate(const CommandContext& context, const ShellOptions& options) {
  const ActivationInput input = input_for(context, load_settings(context), options, "");
  return print_plan(plan_deactivate(input), input.shell);
}

int run_reactivate(const CommandContext& context, const ShellOptions& options) {
  const ActivationInput input = input_for(context, load_settings(context), options, "");
  return print_plan(plan_reactivate(input), input.shell);
}

HookSettings hook_settings(const CommandContext& context, const Settings& settings) {
  HookSettings hook;
  hook.executable = self_path();
  hook.root_prefix = settings.root_prefix;
  if (settings.auto_activate_base && is_environment(Prefix(settings.root_prefix))) hook.auto_activate = "base";
  // A start file outlives upgrades: a link on PATH that leads here is what it should name.
  if (const auto found = find_program("envtool", context.environment)) {
    std::error_code none;
    if (found->starts_with('/') && std::filesystem::equivalent(*found, hook.executable, none)) hook.executable = *found;
  }
  return hook;
}

std::string start_file(const CommandContext& context, Shell shell) {
  return init_file(shell, context.environment.home, context.environment.get("ZDOTDIR").value_or(""),
                   context.environment.get("XDG_CONFIG_HOME").value_or(""));
}

int init_one(const CommandContext& context, const ShellOptions& options, Shell shell, bool remove) {
  const Settings settings = load_settings(context);
  const std::string file = start_file(context, shell);
  const std::string before = read_file_if_exists(file, 16 << 20).value_or("");
  const std::string after = remove ? remove_init_block(before, file)
                                   : insert_init_block(before, init_block(shell, hook_settings(context, settings)), file);
  if (before == after) {
    print_out(file + " is as it should be\n");
  } else if (options.dry_run) {
    print_out(file + " would be changed\n");
  } else {
    // A start file is often a link into a folder of dotfiles: the file it leads to is changed.
    std::error_code none;
    const std::filesystem::path real = std::filesystem::weakly_canonical(file, none);
    const std::string target = none ? file : real.string();
    struct stat status {};
    const mode_t mode = ::stat(target.c_str(), &status) == 0 ? status.st_mode & 07777 : 0644;
    make_directories(target.substr(0, target.rfind('/')));
    write_atomically(target, after, mode, Durability::full);
    print_out(file + " was changed; open a new shell to see it\n");
  }
  return 0;
}

int run_init(const CommandContext& context, const ShellOptions& options, bool remove) {
  std::vector<Shell> shells;  // every name is checked before the first file is touched
  for (const std::string& name : options.shells) shells.push_back(parse_shell(name));
  if (shells.empty() || !options.shell.empty()) shells.push_back(chosen_shell(context, options.shell));
  for (const Shell shell : shells) init_one(context, options, shell, remove);
  return 0;
}

using Action = int (*)(const CommandContext&, const ShellOptions&);

std::shared_ptr<ShellOptions> add_shell_command(CLI::App& parent, CommandContext& context, const char* name, const char* text,
                                                Action action, CLI::App** added = nullptr) {
  auto* command = parent.add_subcommand(name, text);
  auto options = std::make_shared<ShellOptions>();
  add_global_options(*command, context.global);
  command->add_option("-s,--shell", options->shell, "bash, zsh, dash, posix, fish, tcsh, xonsh or powershell");
  command->callback([&context, options, action] { context.action = [&context, options, action] { return action(context, *options); }; });
  if (added != nullptr) *added = command;
  return options;
}

/// `shell init` and `shell deinit`, also as `init` and `deinit`: conda's words.
void add_init(CLI::App& parent, CommandContext& context) {
  CLI::App* init = nullptr;
  auto init_options = add_shell_command(parent, context, "init", "Put the hook into the shell's start file",
                                        [](const CommandContext& c, const ShellOptions& o) { return run_init(c, o, false); }, &init);
  CLI::App* deinit = nullptr;
  auto deinit_options = add_shell_command(parent, context, "deinit", "Take the hook out of the shell's start file",
                                          [](const CommandContext& c, const ShellOptions& o) { return run_init(c, o, true); }, &deinit);
  for (auto& [command, options] : {std::pair{init, init_options}, std::pair{deinit, deinit_options}}) {
    command->add_flag("-d,--dry-run", options->dry_run, "Only say whether the file would change");
    command->add_option("shells", options->shells, "Shells; the one of $SHELL when left out");
  }
}

/// Without the shell function a child process cannot change its parent: say how to get it.
void add_unhooked(CLI::App& app, CommandContext& context, const char* name) {
  auto* command = app.add_subcommand(name, std::string(name) + " an environment in this shell (needs the shell hook)");
  command->allow_extras();
  if (std::string_view(name) == "activate") command->add_option("environment", "Name or path; `base` when left out");
  command->callback([&context, name] {
    context.action = [&context, name]() -> int {
      const Shell shell = chosen_shell(context, "");
      throw Error(std::string("`envtool ") + name + "` needs envtool's function in your shell", ErrorKind::usage)
          .hint("for this shell: eval \"$(" + self_path() + " shell hook -s " + std::string(shell_name(shell)) + ")\"")
          .hint("for every new one: envtool shell init -s " + std::string(shell_name(shell)));
    };
  });
}
}  // namespace

void register_shell(CLI::App& app, CommandContext& context) {
  auto* shell = app.add_subcommand("shell", "Text that a shell evaluates: hook, init, activate, deactivate");
  shell->require_subcommand(1);
  add_shell_command(*shell, context, "hook", "Print the function that makes `envtool activate` work",
                    [](const CommandContext& c, const ShellOptions& options) {
                      print_out(shell_hook(chosen_shell(c, options.shell), hook_settings(c, load_settings(c))));
                      return 0;
                    });
  add_init(*shell, context);
  add_init(app, context);
  CLI::App* activate = nullptr;
  auto activate_options = add_shell_command(*shell, context, "activate", "Print what activates an environment", run_activate, &activate);
  activate->add_option("environment", activate_options->target, "Name or path; `base` when left out");
  add_target_options(*activate, activate_options->by_option);
  activate->add_flag("--stack", activate_options->stack, "Keep the active environment's programs on PATH");
  activate->add_flag("--no-stack", activate_options->no_stack, "Replace the active environment on PATH");
  activate->add_flag("--no-activate-scripts", activate_options->no_scripts, "Do not run activate.d scripts");
  add_shell_command(*shell, context, "deactivate", "Print what leaves the active environment", run_deactivate);
  add_shell_command(*shell, context, "reactivate", "Print what refreshes the active environment", run_reactivate);
  for (const char* name : {"activate", "deactivate", "reactivate"}) add_unhooked(app, context, name);
}

}  // namespace envtool
