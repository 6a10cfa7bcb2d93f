#pragma once

#include <string>
#include <vector>

#include "../command.hpp"
#include "envtool/app/change.hpp"

namespace CLI {
class App;
}

namespace envtool {

/// The options of the commands that solve: create, install, update.
struct SolvingOptions {
  TargetOptions target;
  ChannelOptions channels;
  std::vector<std::string> specs;
  std::vector<std::string> files;
  std::vector<std::string> categories;
  bool dry_run = false;
  bool copy = false;
  /// conda's `env create` and `env update` take no confirmation, and read ./environment.yml.
  bool never_asks = false;
  SolveChoices choices;

  RequestOptions request() const;
};

void add_solving_options(CLI::App& command, SolvingOptions& options);
/// `env create` and `env update` without specs and files read `./environment.yml`.
void use_default_file(const CommandContext& context, SolvingOptions& options);

/// `create`, also as `env create`.
void add_create_command(CLI::App& parent, CommandContext& context);
/// `update`, also as `env update`.
void add_update_command(CLI::App& parent, CommandContext& context);

}  // namespace envtool
