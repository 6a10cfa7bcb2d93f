#include "solving_options.hpp"

#include <CLI/CLI.hpp>

#include "envtool/os/files.hpp"

namespace envtool {

RequestOptions SolvingOptions::request() const {
  RequestOptions request;
  request.files = files;
  request.specs = specs;
  request.channels = channels.channels;
  request.override_channels = channels.override_channels;
  request.platform = channels.platform;
  request.categories = categories;
  return request;
}

void use_default_file(const CommandContext& context, SolvingOptions& options) {
  if (!options.never_asks || !options.files.empty() || !options.specs.empty()) return;
  for (const char* name : {"environment.yml", "environment.yaml"})
    if (exists(context.environment.working_directory + "/" + name)) {
      options.files = {name};
      return;
    }
}

void add_solving_options(CLI::App& command, SolvingOptions& options) {
  add_target_options(command, options.target);
  add_channel_options(command, options.channels);
  command.add_option("specs", options.specs, "Packages: `numpy`, `python=3.11`, `conda-forge::scipy>=1.10`");
  command.add_option("-f,--file", options.files, "environment.yml, spec list, @EXPLICIT file or conda-lock.yml; may be repeated")
      ->allow_extra_args(false);
  command.add_option("--category", options.categories, "Also install this category of a lock file")->allow_extra_args(false);
  command.add_flag("-d,--dry-run", options.dry_run, "Show what would be done and stop");
  auto* no_deps = command.add_flag("--no-deps", options.choices.no_deps, "Only the named packages, without their dependencies");
  command.add_flag("--only-deps", options.choices.only_deps, "Only the dependencies of the named packages")->excludes(no_deps);
  command.add_flag("--no-pin", options.choices.no_pin, "Ignore pinned packages");
  command.add_flag("--no-pip", options.choices.skip_pip, "Leave the `pip:` sections out");
  command.add_flag("--upgrade-pip-packages", options.choices.upgrade_pip_packages, "Let pip upgrade what is there already");
  command.add_flag("--copy", options.copy, "Copy files instead of hard-linking them");
}

}  // namespace envtool
