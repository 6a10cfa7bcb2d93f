#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "envtool/app/sources.hpp"
#include "envtool/base/text.hpp"
#include "envtool/prefix/environments.hpp"
#include "envtool/settings/machine_profile.hpp"

namespace envtool {

namespace {
/// The machine as a file that `--virtual-packages` takes.
int print_machine(const CommandContext& context, const ChannelOptions& options) {
  const Settings settings = load_settings(context, options);
  const Platform platform = options.platform.empty() ? Platform::current() : Platform::parse(options.platform);
  MachineProfile profile;
  profile.platform = platform.str();
  for (const PackageRecord& record : virtual_packages(platform, settings, context.environment))
    profile.packages.push_back({record.name, record.build == "0" ? record.version : record.version + "=" + record.build, ""});
  if (!context.global.json) {
    print_out(to_machine_profile(profile));
    return 0;
  }
  nlohmann::ordered_json document;
  document["platform"] = profile.platform;
  document["packages"] = nlohmann::ordered_json::object();
  for (const MachineProfile::Entry& entry : profile.packages) document["packages"][entry.name] = entry.value;
  print_json(document);
  return 0;
}

int run_info(const CommandContext& context) {
  const Settings settings = load_settings(context);
  const Platform platform = Platform::current();
  RequestOptions none;
  const auto channels = select_channels(none, {}, false, settings, context.environment);
  const auto packages = virtual_packages(platform, settings, context.environment);
  const std::string active = context.environment.get("CONDA_PREFIX").value_or("");
  if (context.global.json) {
    nlohmann::ordered_json document;
    document["envtool_version"] = ENVTOOL_VERSION;
    document["platform"] = platform.str();
    document["root_prefix"] = settings.root_prefix;
    document["active_prefix"] = active.empty() ? nlohmann::ordered_json(nullptr) : nlohmann::ordered_json(active);
    document["envs_dirs"] = settings.envs_dirs;
    document["pkgs_dirs"] = settings.pkgs_dirs;
    document["channels"] = nlohmann::ordered_json::array();
    for (const Channel& channel : channels)
      for (const std::string& subdir : {platform.str(), std::string("noarch")})
        document["channels"].push_back(channel.base_url.str() + "/" + subdir);
    document["offline"] = settings.offline;
    document["virtual_pkgs"] = nlohmann::ordered_json::array();
    for (const PackageRecord& record : packages) document["virtual_pkgs"].push_back({record.name, record.version, record.build});
    document["envs"] = nlohmann::ordered_json::array();
    for (const auto& environment :
         list_environments(settings.root_prefix, settings.envs_dirs, EnvironmentRegistry(context.environment.home)))
      document["envs"].push_back(environment.path);
    document["config_sources"] = settings.sources;
    print_json(document);
    return 0;
  }
  std::vector<std::vector<std::string>> rows;
  rows.push_back({"envtool version :", ENVTOOL_VERSION});
  rows.push_back({"platform :", platform.str()});
  rows.push_back({"active environment :", active.empty() ? "none" : escape_control(active)});
  rows.push_back({"root prefix :", settings.root_prefix});
  auto add_list = [&](const std::string& title, const std::vector<std::string>& items) {
    for (std::size_t i = 0; i < items.size(); ++i) rows.push_back({i == 0 ? title : "", escape_control(items[i])});
  };
  add_list("environments in :", settings.envs_dirs);
  add_list("package cache :", settings.pkgs_dirs);
  std::vector<std::string> urls;
  for (const Channel& channel : channels) urls.push_back(channel.base_url.str());
  add_list("channels :", urls);
  std::vector<std::string> names;
  for (const PackageRecord& record : packages) names.push_back(record.name + "=" + record.version + "=" + record.build);
  add_list("virtual packages :", names);
  std::vector<std::string> sources;
  for (const auto& [key, where] : settings.sources) sources.push_back(key + " from " + where);
  add_list("settings :", sources);
  print_out(format_table(rows));
  return 0;
}
}  // namespace

void register_info(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("info", "This machine, the settings, the channels");
  add_global_options(*command, context.global);
  auto only_environments = std::make_shared<bool>(false);
  command->add_flag("-e,--envs", *only_environments, "Only the environments, as `env list`");
  auto machine = std::make_shared<bool>(false);
  auto options = std::make_shared<ChannelOptions>();
  command->add_flag("--virtual-packages", *machine, "Only the virtual packages, as a file that `create --virtual-packages FILE` takes");
  command->add_option("--platform,--subdir", options->platform, "With `--virtual-packages`: of this platform");
  command->callback([&context, only_environments, machine, options] {
    context.action = [&context, only_environments, machine, options] {
      if (*machine) return print_machine(context, *options);
      return *only_environments ? list_all_environments(context) : run_info(context);
    };
  });
}

}  // namespace envtool
