#include <algorithm>
#include <functional>
#include <optional>

#include "envtool/activation/activation.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "prompt.hpp"
#include "reserved.hpp"

namespace envtool {
namespace {

using Variables = std::vector<std::pair<std::string, std::string>>;
using Kind = ActivationStep::Kind;

std::string upper(std::string_view text) {
  std::string result(text);
  for (char& c : result) {
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  }
  return result;
}

std::string_view normal_directory(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

std::string binary_directory(std::string_view prefix) { return std::string(normal_directory(prefix)) + "/bin"; }

std::string join_path(const std::vector<std::string>& directories) { return join(directories, ":"); }

// One plan in the making: reads the input, collects steps in conda's order.
class Planner {
 public:
  explicit Planner(const ActivationInput& input) : input_(input), level_(shell_level(input.environment)) {
    active_ = value("CONDA_PREFIX").value_or("");
  }

  std::uint64_t level() const { return level_; }
  const std::string& active() const { return active_; }

  std::optional<std::string> value(const std::string& name) const {
    const auto found = input_.environment.find(name);
    if (found == input_.environment.end()) return std::nullopt;
    return found->second;
  }

  std::string prefix_at(std::uint64_t level) const {
    return value("CONDA_PREFIX_" + std::to_string(level)).value_or("");
  }

  bool is_stacked(std::uint64_t level) const {
    return value("CONDA_STACKED_" + std::to_string(level)).has_value();
  }

  void export_variable(std::string name, std::string text) {
    plan_.steps.push_back({Kind::export_variable, std::move(name), std::move(text)});
  }
  void unset(std::string name) { plan_.steps.push_back({Kind::unset_variable, std::move(name), ""}); }
  void warn(std::string text) {
    auto& warnings = plan_.warnings;
    if (std::find(warnings.begin(), warnings.end(), text) == warnings.end()) warnings.push_back(std::move(text));
  }

  void change_prompt(const std::string& modifier) {
    if (!input_.prompt.change) return;
    plan_.steps.push_back({Kind::change_prompt, prompt_text(value("CONDA_PROMPT_MODIFIER").value_or("")),
                           prompt_text(modifier)});
  }

  void source_deactivate_scripts(const std::string& prefix) {
    source(environment_at(prefix).deactivate_scripts, std::greater<>());
  }
  void source_activate_scripts(const std::string& prefix) {
    source(environment_at(prefix).activate_scripts, std::less<>());
  }

  // The environment's variables that can be set, the last of a name winning; marks are kept.
  Variables variables_of(const std::string& prefix) {
    Variables result;
    for (const auto& [written, text] : environment_at(prefix).variables) {
      const std::string name = input_.uppercase_variables ? upper(written) : written;
      if (!is_variable_name(name) || text.find('\0') != std::string::npos) {
        warn("the environment's variable `" + escape_control(written) +
             "` cannot be set in a shell and is left out");
      } else if (is_reserved_variable(name, text)) {
        warn("the environment's variable `" + name + "` is reserved and is left out");
      } else if (const auto same = std::find_if(result.begin(), result.end(),
                                                [&](const auto& entry) { return entry.first == name; });
                 same != result.end()) {
        same->second = text;
      } else {
        result.emplace_back(name, text);
      }
    }
    return result;
  }

  // PATH with the binary folder of `old_prefix` replaced by that of `new_prefix`; either may be
  // empty. Without an old one the new one comes first. Nothing else is touched, so that
  // deactivating restores PATH to the letter.
  std::string path_with(const std::string& old_prefix, const std::string& new_prefix) const {
    const std::string path = value("PATH").value_or("/usr/bin");
    std::vector<std::string> directories;
    for (const std::string_view directory : split(path, ':')) directories.emplace_back(directory);
    auto place = directories.begin();
    if (!old_prefix.empty()) {
      const std::string old_directory = binary_directory(old_prefix);
      const auto found = std::find_if(directories.begin(), directories.end(), [&](const std::string& directory) {
        return normal_directory(directory) == old_directory;
      });
      if (found != directories.end()) place = directories.erase(found);
    }
    if (!new_prefix.empty()) directories.insert(place, binary_directory(new_prefix));
    return join_path(directories);
  }

  std::string modifier(const std::string& prefix, const std::string& name, StackChange change) const {
    return prompt_modifier(input_, prefix, name, change);
  }
  std::string name_of(const std::string& prefix) const {
    return default_environment_name(prefix, input_.root_prefix);
  }

  ActivationPlan finish() { return std::move(plan_); }

 private:
  const ActivationEnvironment& environment_at(const std::string& prefix) const {
    static const ActivationEnvironment nothing;
    const auto found = input_.environments.find(prefix);
    return found == input_.environments.end() ? nothing : found->second;
  }

  template <typename Order>
  void source(std::vector<std::string> scripts, Order order) {
    if (!input_.run_scripts) return;
    const std::string_view extension = script_extension(input_.shell);
    std::erase_if(scripts, [&](const std::string& script) { return !script.ends_with(extension); });
    std::sort(scripts.begin(), scripts.end(), order);
    for (std::string& script : scripts) plan_.steps.push_back({Kind::source_script, "", std::move(script)});
  }

  const ActivationInput& input_;
  std::uint64_t level_;
  std::string active_;
  ActivationPlan plan_;
};

std::string saved_name(std::uint64_t level, const std::string& name) {
  return "__CONDA_SHLVL_" + std::to_string(level) + "_" + name;
}

void check_prefix(const std::string& prefix) {
  const auto refuse = [&](std::string why) {
    throw Error("the environment cannot be activated", ErrorKind::invalid_input)
        .at(escape_control(prefix))
        .because(std::move(why))
        .hint("`envtool run` works without PATH of the shell; or move the environment to another path");
  };
  if (!prefix.starts_with('/')) refuse("its prefix is not an absolute path");
  if (prefix.find(':') != std::string::npos) refuse("PATH cannot hold a folder with a `:` in its name");
  if (prefix.find_first_of(std::string_view("\n\r\0", 3)) != std::string::npos) {
    refuse("its prefix has a line break or a NUL character");
  }
}

}  // namespace

std::vector<std::string> involved_prefixes(const std::map<std::string, std::string>& environment,
                                           std::string_view target) {
  std::vector<std::string> result;
  const auto add = [&](std::string prefix) {
    if (!prefix.empty() && std::find(result.begin(), result.end(), prefix) == result.end()) {
      result.push_back(std::move(prefix));
    }
  };
  const std::uint64_t level = shell_level(environment);
  if (level > 0) add(environment.at("CONDA_PREFIX"));
  if (level > 1) {
    const auto below = environment.find("CONDA_PREFIX_" + std::to_string(level - 1));
    if (below != environment.end()) add(below->second);
  }
  add(std::string(target));
  return result;
}

ActivationPlan plan_activate(const ActivationInput& input, const std::string& prefix, Stacking stacking) {
  check_prefix(prefix);
  Planner planner(input);
  const std::uint64_t old_level = planner.level();
  if (old_level > 0 && planner.active() == prefix) return plan_reactivate(input);
  const bool stack = old_level > 0 && stacking == Stacking::stack;
  const bool replace = old_level > 0 && !stack;

  if (replace) planner.source_deactivate_scripts(planner.active());
  const std::string name = planner.name_of(prefix);
  const std::string modifier =
      planner.modifier(prefix, name, stacking == Stacking::stack ? StackChange::push : StackChange::replace);
  planner.change_prompt(modifier);

  planner.export_variable("PATH", planner.path_with(replace ? planner.active() : "", prefix));
  planner.export_variable("CONDA_PREFIX", prefix);
  planner.export_variable("CONDA_SHLVL", std::to_string(old_level + 1));
  planner.export_variable("CONDA_DEFAULT_ENV", name);
  planner.export_variable("CONDA_PROMPT_MODIFIER", modifier);
  for (const auto& [variable, text] : planner.variables_of(prefix)) {
    if (text == unset_variable_mark) continue;
    if (const auto current = planner.value(variable)) {
      if (*current != text) planner.warn("the environment replaces the value of the variable `" + variable + "`");
      planner.export_variable(saved_name(old_level, variable), *current);
    }
    planner.export_variable(variable, text);
  }
  if (old_level > 0) {
    planner.export_variable("CONDA_PREFIX_" + std::to_string(old_level), planner.active());
  }
  if (stack) planner.export_variable("CONDA_STACKED_" + std::to_string(old_level + 1), "true");
  planner.source_activate_scripts(prefix);
  return planner.finish();
}

ActivationPlan plan_deactivate(const ActivationInput& input) {
  Planner planner(input);
  const std::uint64_t old_level = planner.level();
  if (old_level == 0) return planner.finish();
  const std::string below = old_level > 1 ? planner.prefix_at(old_level - 1) : "";
  if (old_level > 1 && below.empty()) {
    planner.warn("CONDA_PREFIX_" + std::to_string(old_level - 1) +
                 " is not set, so every environment is deactivated");
  }
  const std::uint64_t new_level = below.empty() ? 0 : old_level - 1;
  const bool stacked = planner.is_stacked(old_level);
  const std::string below_name = below.empty() ? "" : planner.name_of(below);
  const std::string modifier = below.empty() ? "" : planner.modifier(below, below_name, StackChange::pop);

  planner.export_variable("PATH", planner.path_with(planner.active(), stacked ? "" : below));
  planner.source_deactivate_scripts(planner.active());

  // What the environment left behind goes; what it had replaced, or what the one below sets, comes
  // back.
  Variables exported;
  const auto set = [&](const std::string& name, const std::string& text) {
    const auto same = std::find_if(exported.begin(), exported.end(),
                                   [&](const auto& entry) { return entry.first == name; });
    if (same == exported.end()) {
      exported.emplace_back(name, text);
    } else {
      same->second = text;
    }
  };
  if (!below.empty()) {
    set("CONDA_PREFIX", below);
    set("CONDA_SHLVL", std::to_string(new_level));
    set("CONDA_DEFAULT_ENV", below_name);
    set("CONDA_PROMPT_MODIFIER", modifier);
    for (const auto& [name, text] : planner.variables_of(below)) {
      if (text != unset_variable_mark) set(name, text);
    }
    planner.unset("CONDA_PREFIX_" + std::to_string(new_level));
  } else {
    set("CONDA_SHLVL", "0");
    planner.unset("CONDA_PREFIX");
    planner.unset("CONDA_DEFAULT_ENV");
    planner.unset("CONDA_PROMPT_MODIFIER");
  }
  if (stacked) planner.unset("CONDA_STACKED_" + std::to_string(old_level));
  for (const auto& [name, text] : planner.variables_of(planner.active())) {
    const std::string saved = saved_name(old_level - 1, name);
    if (const auto before = planner.value(saved)) {
      set(name, *before);
      planner.unset(saved);
    } else if (std::none_of(exported.begin(), exported.end(),
                            [&](const auto& entry) { return entry.first == name; })) {
      planner.unset(name);
    }
  }
  planner.change_prompt(modifier);
  for (auto& [name, text] : exported) planner.export_variable(name, text);
  // An environment that was stacked upon was never left: its scripts have nothing to do anew.
  if (!below.empty() && !stacked) planner.source_activate_scripts(below);
  return planner.finish();
}

ActivationPlan plan_reactivate(const ActivationInput& input) {
  Planner planner(input);
  if (planner.level() == 0) return planner.finish();
  const std::string& prefix = planner.active();
  const std::string name = planner.value("CONDA_DEFAULT_ENV").value_or(planner.name_of(prefix));
  const std::string modifier = planner.modifier(prefix, name, StackChange::keep);

  planner.source_deactivate_scripts(prefix);
  const Variables variables = planner.variables_of(prefix);
  for (const auto& [variable, text] : variables) {
    if (text == unset_variable_mark) planner.unset(variable);
  }
  planner.change_prompt(modifier);
  planner.export_variable("PATH", planner.path_with(prefix, prefix));
  planner.export_variable("CONDA_SHLVL", std::to_string(planner.level()));
  planner.export_variable("CONDA_PROMPT_MODIFIER", modifier);
  for (const auto& [variable, text] : variables) {
    if (text != unset_variable_mark) planner.export_variable(variable, text);
  }
  planner.source_activate_scripts(prefix);
  return planner.finish();
}

std::map<std::string, std::string> variables_after(const ActivationPlan& plan,
                                         std::map<std::string, std::string> environment) {
  for (const ActivationStep& step : plan.steps) {
    if (step.kind == Kind::export_variable) environment[step.name] = step.value;
    if (step.kind == Kind::unset_variable) environment.erase(step.name);
  }
  return environment;
}

}  // namespace envtool
