#include "session.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/abandonable.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/environments.hpp"
#include "terminal.hpp"

namespace envtool {

namespace {
constexpr std::uint64_t configuration_limit = 1 << 20;

void read_layers(const ConfigurationCandidate& candidate, std::vector<SettingsLayer>& layers) {
  if (!candidate.path.ends_with('/')) {
    if (is_directory(candidate.path)) return;
    if (candidate.is_named && exists(candidate.path))
      layers.push_back(parse_condarc(read_named_file(candidate.path, configuration_limit), candidate.path, candidate.trust));
    else if (const auto text = read_file_if_exists(candidate.path, configuration_limit))
      layers.push_back(parse_condarc(*text, candidate.path, candidate.trust));
    return;
  }
  for (const std::string& name : list_directory(candidate.path))
    if (name.ends_with(".yml") || name.ends_with(".yaml"))
      layers.push_back(parse_condarc(read_file(candidate.path + name, configuration_limit), candidate.path + name, candidate.trust));
}
}  // namespace

Settings load_settings(const CommandContext& context, const ChannelOptions& channels, const std::string& prefix) {
  const EnvSnapshot& environment = context.environment;
  const std::string root = absolute_path(context.global.root_prefix.empty()
                                             ? root_prefix_from_variables(environment.all(), environment.home)
                                             : context.global.root_prefix,
                                         environment);
  std::vector<SettingsLayer> layers;
  if (!context.global.no_rc) {
    const AbandonableWork reading;
    if (!context.global.rc_files.empty())
      for (const std::string& path : context.global.rc_files)
        layers.push_back(parse_condarc(read_named_file(absolute_path(path, environment), configuration_limit), path));
    else
      for (const auto& candidate : configuration_candidates(environment.all(), environment.home, root, prefix))
        read_layers(candidate, layers);
  }
  layers.push_back(layer_from_variables(environment.all()));
  SettingsLayer options;
  options.source = "command line";
  options.set("root_prefix", root);
  if (context.global.root_prefix.empty()) options.values["root_prefix"].where = "the default or a variable";
  if (context.global.offline) options.set("offline", "true");
  if (context.global.lock_timeout) options.set("lock_timeout", std::to_string(*context.global.lock_timeout));
  if (context.global.assume_yes) options.set("always_yes", "true");
  if (!channels.channel_priority.empty()) options.set("channel_priority", channels.channel_priority);
  if (!channels.exclude_newer.empty()) options.set("exclude_newer", channels.exclude_newer, "--exclude-newer");
  if (!channels.virtual_packages.empty()) options.set("virtual_packages", channels.virtual_packages, "--virtual-packages");
  layers.push_back(std::move(options));
  Settings settings = merge(layers, {environment.home, environment.working_directory, environment.all()});
  if (channels.repodata_ttl) settings.repodata_ttl = std::chrono::seconds(*channels.repodata_ttl);
  settings.use_index_cache = channels.use_index_cache;
  if (!context.global.quiet && !context.global.json)
    for (const std::string& text : settings.warnings) print_note("warning: " + escape_control(text));
  if (!settings.verify_tls)
    print_note("warning: certificates are not checked (`ssl_verify: false` from " + settings.verify_tls_source + ")");
  return settings;
}

bool looks_like_path(const std::string& text) {
  return text.find('/') != std::string::npos || text == "." || text == ".." || text.starts_with('~');
}

RecoverResult recover_and_tell(const CommandContext& context, const Prefix& prefix) {
  RecoverResult result = recover(prefix);
  if (result.outcome != RecoverResult::Outcome::busy && result.outcome != RecoverResult::Outcome::read_only) sweep_leftovers(prefix);
  const auto tell = [&](const std::string& text) { print_note(escape_control(text)); };
  switch (result.outcome) {
    case RecoverResult::Outcome::rolled_forward:
      if (!context.global.quiet) tell("A change to " + prefix.path() + " that was cut short is finished now.");
      break;
    case RecoverResult::Outcome::read_only:
      tell("warning: a change to " + prefix.path() + " was cut short, and it cannot be finished since the environment is read-only here");
      break;
    case RecoverResult::Outcome::undone:
      if (!context.global.quiet) tell("A change to " + prefix.path() + " that was being taken back is taken back now.");
      break;
    case RecoverResult::Outcome::discarded:
      if (!context.global.quiet)
        tell("A change to " + prefix.path() + " was cut short before it was decided; it is undone, and the environment is as before it.");
      break;
    case RecoverResult::Outcome::busy:
    case RecoverResult::Outcome::clean:
      break;
  }
  for (const auto& [path, name] : result.saved) tell("`" + path + "` was not what its package brought; it is kept as `" + name + "`");
  for (const std::string& path : result.lost) tell("warning: `" + path + "` could not be brought back; reinstall its package");
  if (const auto note = unfinished_note(prefix)) tell("warning: " + *note);
  return result;
}

Prefix existing_target(const CommandContext& context, const Settings& settings, const TargetOptions& target) {
  if (!target.prefix.empty()) {
    Prefix prefix(absolute_path(target.prefix, context.environment));
    if (!exists_no_follow(prefix.path())) sweep_leftovers(prefix);
    if (is_environment(prefix)) return prefix;
    throw Error("there is no environment", ErrorKind::environment_not_found)
        .at(prefix.path())
        .because(exists(prefix.path()) ? "the folder has no `conda-meta/history`" : "the folder does not exist")
        .hint("`envtool env list` shows the environments");
  }
  if (!target.name.empty()) {
    if (looks_like_path(target.name)) {
      TargetOptions by_path;
      by_path.prefix = target.name;
      return existing_target(context, settings, by_path);
    }
    if (auto found = find_environment(target.name, settings.root_prefix, settings.envs_dirs)) return *found;
    // One that was being replaced when its process was killed may wait next to its place.
    for (const std::string& folder : settings.envs_dirs) sweep_leftovers(Prefix(folder + "/" + target.name));
    if (auto found = find_environment(target.name, settings.root_prefix, settings.envs_dirs)) return *found;
    std::vector<std::string> names;
    for (const FoundEnvironment& environment :
         list_environments(settings.root_prefix, settings.envs_dirs, EnvironmentRegistry(context.environment.home)))
      if (!environment.name.empty()) names.push_back(environment.name);
    Error error("there is no environment `" + target.name + "`", ErrorKind::environment_not_found);
    error.at(join(settings.envs_dirs, ", "));
    if (auto close = closest_matches(target.name, names, 1); !close.empty()) error.hint("did you mean `" + close[0] + "`?");
    error.hint("`envtool env list` shows the environments");
    throw error;
  }
  if (const auto active = context.environment.get("CONDA_PREFIX")) {
    Prefix prefix(absolute_path(*active, context.environment));
    if (is_environment(prefix)) return prefix;
    throw Error("the active environment is gone", ErrorKind::environment_not_found)
        .at(prefix.path())
        .hint("`envtool deactivate`, or say which with `-n NAME` or `-p PATH`");
  }
  throw Error("which environment?", ErrorKind::usage)
      .because("none is active")
      .hint("say it with `-n NAME` or `-p PATH`, or activate one");
}

Prefix new_target(const CommandContext& context, const Settings& settings, const TargetOptions& target,
                  const std::string& suggested_name, const std::string& suggested_prefix) {
  if (!target.prefix.empty()) return Prefix(absolute_path(target.prefix, context.environment));
  if (!target.name.empty()) {
    if (looks_like_path(target.name))
      throw Error("a name has no `/`", ErrorKind::usage).at(target.name).hint("`-p PATH` makes an environment at a path");
    return new_environment_prefix(target.name, settings.root_prefix, settings.envs_dirs);
  }
  if (!suggested_name.empty()) return new_environment_prefix(suggested_name, settings.root_prefix, settings.envs_dirs);
  if (!suggested_prefix.empty())
    return Prefix(absolute_path(expand_variables(suggested_prefix, context.environment), context.environment));
  throw Error("where shall the new environment be?", ErrorKind::usage)
      .hint("give it a name with `-n NAME` or a place with `-p PATH`, or `name:` in an environment.yml");
}

}  // namespace envtool
