#include "prompt.hpp"

#include <array>

#include "envtool/base/text.hpp"

namespace envtool {
namespace {

// More than anybody stacks; a larger number comes from a broken variable.
constexpr std::uint64_t max_shell_level = 1000;

std::string value_of(const std::map<std::string, std::string>& environment, const std::string& name) {
  const auto found = environment.find(name);
  return found == environment.end() ? std::string() : found->second;
}

std::string_view last_part(std::string_view path) {
  const auto slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

std::string_view without_trailing_slashes(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  return path;
}

// The environments that the prompt shows, outermost first. One that replaced another hides it.
std::vector<std::string> shown_environments(const ActivationInput& input, const std::string& name,
                                            StackChange change) {
  const std::uint64_t level = shell_level(input.environment);
  std::vector<std::string> shown;
  std::vector<std::string> names;
  for (std::uint64_t i = 1; i <= level; ++i) {
    const std::string number = std::to_string(i);
    const std::string prefix =
        value_of(input.environment, i == level ? std::string("CONDA_PREFIX") : "CONDA_PREFIX_" + number);
    names.push_back(default_environment_name(prefix, input.root_prefix));
    if (value_of(input.environment, "CONDA_STACKED_" + number).empty() && !shown.empty()) shown.pop_back();
    shown.push_back(names.back());
  }
  switch (change) {
    case StackChange::keep: break;
    case StackChange::pop:
      if (!shown.empty()) shown.pop_back();
      if (!names.empty()) names.pop_back();
      if (!names.empty() && value_of(input.environment, "CONDA_STACKED_" + std::to_string(level)).empty()) {
        shown.push_back(names.back());
      }
      break;
    case StackChange::replace:
      if (!shown.empty()) shown.pop_back();
      [[fallthrough]];
    case StackChange::push: shown.push_back(name); break;
  }
  return shown;
}

// The format's fields in one pass, so that a name with braces is not filled in again.
std::string fill_in(std::string_view format,
                    const std::array<std::pair<std::string_view, std::string>, 4>& fields) {
  std::string result;
  while (!format.empty()) {
    if (format.starts_with("{{") || format.starts_with("}}")) {
      result += format.front();
      format.remove_prefix(2);
      continue;
    }
    bool filled = false;
    for (const auto& [field, value] : fields) {
      if (format.starts_with(field)) {
        result += value;
        format.remove_prefix(field.size());
        filled = true;
        break;
      }
    }
    if (!filled) {
      result += format.front();
      format.remove_prefix(1);
    }
  }
  return result;
}

}  // namespace

std::uint64_t shell_level(const std::map<std::string, std::string>& environment) {
  if (value_of(environment, "CONDA_PREFIX").empty()) return 0;
  const auto level = parse_unsigned(strip(value_of(environment, "CONDA_SHLVL")));
  return level && *level <= max_shell_level ? *level : 0;
}

std::string default_environment_name(std::string_view prefix, std::string_view root_prefix) {
  prefix = without_trailing_slashes(prefix);
  if (!root_prefix.empty() && prefix == without_trailing_slashes(root_prefix)) return "base";
  const auto slash = prefix.rfind('/');
  if (slash != std::string_view::npos && last_part(prefix.substr(0, slash)) == "envs") {
    return std::string(last_part(prefix));
  }
  return std::string(prefix);
}

std::string prompt_modifier(const ActivationInput& input, std::string_view prefix, const std::string& name,
                            StackChange change) {
  if (!input.prompt.change) return "";
  std::string stacked;
  const std::vector<std::string> shown = shown_environments(input, name, change);
  for (auto it = shown.rbegin(); it != shown.rend(); ++it) stacked += (it == shown.rbegin() ? "" : ",") + *it;
  return fill_in(input.prompt.format, {{{"{default_env}", name},
                                        {"{stacked_env}", stacked},
                                        {"{prefix}", std::string(prefix)},
                                        {"{name}", std::string(last_part(without_trailing_slashes(prefix)))}}});
}

std::string prompt_text(std::string_view modifier) {
  // `$`, back quotes and backslashes are expanded by sh and bash, `%` by zsh and tcsh, `!` by tcsh.
  constexpr std::string_view special = "$`\\%!";
  std::string result;
  if (!is_valid_utf8(modifier)) {
    result = escape_control(modifier);
  } else {
    result = modifier;
  }
  for (char& c : result) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte == 0x7f || special.find(c) != std::string_view::npos) c = '?';
  }
  return result;
}

}  // namespace envtool
