#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/os/environment.hpp"

namespace CLI {
class App;
}

namespace envtool {

/// The options that every command understands, as typed.
struct GlobalOptions {
  bool json = false;
  bool assume_yes = false;
  bool quiet = false;
  int verbosity = 0;
  bool offline = false;
  bool no_rc = false;
  std::vector<std::string> rc_files;
  std::string root_prefix;
  /// Seconds.
  std::optional<long> lock_timeout;
};

/// What a command needs from the process, made once by `main`.
struct CommandContext {
  EnvSnapshot environment;
  GlobalOptions global;
  std::stop_token stop;
  /// The command line as typed, for the environment's history.
  std::vector<std::string> command;
  /// What stands behind `run` and its options: the program and its arguments, untouched.
  std::vector<std::string> program;
  /// Set by the subcommand that was chosen; gives the exit code.
  std::function<int()> action;
};

/// `-n NAME` / `-p PREFIX`: which environment a command is about.
struct TargetOptions {
  std::string name;
  std::string prefix;
};

/// Where packages come from, for the commands that solve.
struct ChannelOptions {
  std::vector<std::string> channels;
  bool override_channels = false;
  std::string platform;
  std::string channel_priority;
  std::optional<long> repodata_ttl;
  bool use_index_cache = false;
  /// A file of machine profiles, or nothing.
  std::string virtual_packages;
  /// A date or age as typed, or nothing.
  std::string exclude_newer;
};

/// `env list`, also as `info --envs`.
int list_all_environments(const CommandContext& context);

void add_global_options(CLI::App& app, GlobalOptions& options);
void add_target_options(CLI::App& app, TargetOptions& options);
/// What an option or argument that names a revision accepts: CLI11 would read `-1` as the largest number.
std::string revision_problem(const std::string& text);
/// Whether a command takes one `--platform`.
enum class PlatformOption { one, none };
void add_channel_options(CLI::App& app, ChannelOptions& options, PlatformOption platform = PlatformOption::one);

// One registration function for each command; each lives in src/cli/commands/<command>.cpp.
void register_create(CLI::App& app, CommandContext& context);
void register_install(CLI::App& app, CommandContext& context);
void register_update(CLI::App& app, CommandContext& context);
void register_remove(CLI::App& app, CommandContext& context);
void register_freeze(CLI::App& app, CommandContext& context);
void register_history(CLI::App& app, CommandContext& context);
void register_list(CLI::App& app, CommandContext& context);
void register_env(CLI::App& app, CommandContext& context);
void register_index(CLI::App& app, CommandContext& context);
void register_info(CLI::App& app, CommandContext& context);
void register_run(CLI::App& app, CommandContext& context);
void register_clean(CLI::App& app, CommandContext& context);
void register_lock(CLI::App& app, CommandContext& context);
void register_verify(CLI::App& app, CommandContext& context);
void register_repair(CLI::App& app, CommandContext& context);
void register_rename(CLI::App& app, CommandContext& context);
void register_shell(CLI::App& app, CommandContext& context);
void register_search(CLI::App& app, CommandContext& context);
void register_repoquery(CLI::App& app, CommandContext& context);
/// `why` and `why-not`.
void register_why(CLI::App& app, CommandContext& context);

/// Cuts the program of `envtool run [OPTIONS] [--] PROGRAM ...` off the command line, so that no
/// option of it is taken for ours, and gives what is left.
std::vector<std::string> split_off_program(const std::vector<std::string>& arguments, std::vector<std::string>& program);

}  // namespace envtool
