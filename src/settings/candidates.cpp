#include "envtool/settings/settings.hpp"

namespace envtool {

namespace {
std::string value_of(const std::map<std::string, std::string>& variables, const char* name) {
  const auto found = variables.find(name);
  return found == variables.end() ? std::string() : found->second;
}
}  // namespace

std::string root_prefix_from_variables(const std::map<std::string, std::string>& variables, const std::string& home) {
  for (const char* name : {"ENVTOOL_ROOT_PREFIX", "MAMBA_ROOT_PREFIX", "CONDA_ROOT_PREFIX"})
    if (std::string value = value_of(variables, name); !value.empty()) return value;
  return home + "/.envtool";
}

std::vector<ConfigurationCandidate> configuration_candidates(const std::map<std::string, std::string>& variables,
                                                             const std::string& home, const std::string& root_prefix,
                                                             const std::string& prefix) {
  std::vector<ConfigurationCandidate> candidates;
  auto add_folder = [&](const std::string& folder, SettingsTrust trust) {
    if (folder.empty()) return;
    candidates.push_back({folder + "/.condarc", trust});
    candidates.push_back({folder + "/condarc", trust});
    candidates.push_back({folder + "/condarc.d/", trust});
  };
  add_folder("/etc/conda", SettingsTrust::user);
  add_folder("/var/lib/conda", SettingsTrust::user);
  add_folder(root_prefix, SettingsTrust::user);
  const std::string configuration_home = value_of(variables, "XDG_CONFIG_HOME");
  if (!configuration_home.empty()) add_folder(configuration_home + "/conda", SettingsTrust::user);
  if (!home.empty()) {
    if (configuration_home != home + "/.config") add_folder(home + "/.config/conda", SettingsTrust::user);
    add_folder(home + "/.conda", SettingsTrust::user);
    candidates.push_back({home + "/.condarc", SettingsTrust::user});
    candidates.push_back({home + "/.mambarc", SettingsTrust::user});
  }
  // An environment's own file comes with whoever made the environment: it is not the user's word.
  if (!prefix.empty() && prefix != root_prefix) add_folder(prefix, SettingsTrust::project);
  for (const char* name : {"CONDARC", "MAMBARC"})
    if (std::string path = value_of(variables, name); !path.empty())
      candidates.push_back({path, SettingsTrust::user, true});
  return candidates;
}

}  // namespace envtool
