#include "envtool/app/environment_scripts.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"

namespace envtool {

namespace {
constexpr std::uint64_t document_limit = 1 << 20;

void append_document(const std::string& path, std::vector<std::pair<std::string, std::string>>& variables) {
  auto fail = [&](const std::string& why) {
    return Error("cannot read an environment's variables", ErrorKind::invalid_input).at(path).because(why);
  };
  nlohmann::ordered_json document;
  try {
    document = nlohmann::ordered_json::parse(read_file(path, document_limit));
  } catch (const nlohmann::json::exception& error) {
    throw fail(escape_control(error.what()));
  }
  if (!document.is_object()) throw fail("expected a JSON object of names and values");
  for (const auto& [name, value] : document.items()) {
    if (!is_variable_name(name)) throw fail("`" + escape_control(name) + "` is not a variable name");
    // Packages in the wild write numbers and booleans; conda turns them into text, too.
    variables.emplace_back(name, value.is_string() ? value.get<std::string>() : value.dump());
  }
}

std::vector<std::string> scripts_in(const std::string& folder) {
  std::vector<std::string> paths;
  for (const std::string& name : list_directory(folder)) paths.push_back(folder + "/" + name);
  return paths;
}
}  // namespace

ActivationEnvironment read_activation_environment(const Prefix& prefix) {
  ActivationEnvironment environment;
  const std::string documents = prefix / "etc/conda/env_vars.d";
  for (const std::string& name : list_directory(documents))
    if (name.ends_with(".json")) append_document(documents + "/" + name, environment.variables);
  for (const auto& [name, value] : read_state(prefix)) environment.variables.emplace_back(name, value);
  environment.activate_scripts = scripts_in(prefix / "etc/conda/activate.d");
  environment.deactivate_scripts = scripts_in(prefix / "etc/conda/deactivate.d");
  return environment;
}

ActivationInput activation_input(Shell shell, const std::map<std::string, std::string>& variables,
                                 const std::string& root_prefix, const std::string& target) {
  ActivationInput input;
  input.shell = shell;
  input.environment = variables;
  input.root_prefix = root_prefix;
  for (const std::string& path : involved_prefixes(variables, target))
    // The active environment may have been deleted meanwhile: leaving it must still work.
    if (path == target || is_directory(path)) input.environments.emplace(path, read_activation_environment(Prefix(path)));
  return input;
}

void touch_last_activated(const Prefix& prefix) {
  const std::string path = prefix.conda_meta() + "/last_activated";
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644));
  if (file) ::futimens(file.get(), nullptr);
}

}  // namespace envtool
