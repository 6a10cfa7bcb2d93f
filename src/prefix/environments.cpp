#include "envtool/prefix/environments.hpp"

#include <unistd.h>

#include <algorithm>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/file_lock.hpp"
#include "envtool/os/files.hpp"
#include "envtool/specs/package_name.hpp"

namespace envtool {

namespace {
constexpr std::uint64_t list_limit = 16U << 20U;

std::string without_trailing_slash(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

bool is_root_name(std::string_view name) { return name == "base" || name == "root"; }

void check_name(std::string_view name) {
  const std::string problem = environment_name_problem(name);
  if (!problem.empty())
    throw Error("this cannot be the name of an environment", ErrorKind::invalid_input).at(escape_control(name)).because(problem);
}

/// Our own unfinished or dying folders (see the install library).
bool is_ours_in_passing(std::string_view name) {
  return name.find(".envtool-") != std::string_view::npos;
}

/// The nearest existing folder above decides whether a folder can be made.
bool can_write(std::string path) {
  while (!exists(path)) {
    const std::size_t slash = path.rfind('/');
    if (slash == std::string::npos) return false;
    path.resize(std::max<std::size_t>(slash, 1));
  }
  return is_directory(path) && access(path.c_str(), W_OK | X_OK) == 0;
}

/// What killed processes wrote beside the list; nobody else is writing, since the list's lock is held.
void remove_abandoned(const std::string& folder) {
  for (const std::string& name : list_directory(folder))
    if (name.starts_with(".envtool-") && name.ends_with(".tmp")) remove_file(folder + "/" + name);
}

/// Runs a change of the list under its lock; a home that cannot be written makes it false.
template <typename Change>
bool change_list(const std::string& file, Change change) {
  try {
    make_directories(file.substr(0, file.rfind('/')));
    FileLock::Options options;
    options.timeout = std::chrono::seconds(10);
    const FileLock lock = FileLock::acquire(file + ".lock", FileLock::Mode::exclusive, options);
    remove_abandoned(file.substr(0, file.rfind('/')));
    remove_stale_temporaries(file.substr(0, file.rfind('/')));
    const std::string text = read_file_if_exists(file, list_limit).value_or("");
    const std::optional<std::string> changed = change(text);
    if (changed) write_atomically(file, *changed);
    return changed.has_value();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal) throw;
    return false;  // the list is a convenience: no command fails because of it
  }
}
}  // namespace

EnvironmentRegistry::EnvironmentRegistry(std::string home) : file_(std::move(home) + "/.conda/environments.txt") {}

std::vector<std::string> EnvironmentRegistry::list() const {
  std::vector<std::string> paths;
  std::optional<std::string> text;
  try {
    text = read_file_if_exists(file_, list_limit);
  } catch (const Error&) {
    return paths;
  }
  std::set<std::string> seen;
  if (text)
    for (std::string_view line : split_lines(*text)) {
      std::string path = without_trailing_slash(std::string(strip(line)));
      if (!path.empty() && path.front() == '/' && seen.insert(path).second) paths.push_back(std::move(path));
    }
  return paths;
}

bool EnvironmentRegistry::add(const Prefix& prefix) const {
  return change_list(file_, [&](const std::string& text) -> std::optional<std::string> {
    for (std::string_view line : split_lines(text))
      if (without_trailing_slash(std::string(strip(line))) == prefix.path()) return std::nullopt;
    return text + (text.empty() || text.back() == '\n' ? "" : "\n") + prefix.path() + "\n";
  });
}

bool EnvironmentRegistry::remove(const Prefix& prefix) const {
  if (!exists(file_)) return false;
  return change_list(file_, [&](const std::string& text) -> std::optional<std::string> {
    std::string rest;
    bool found = false;
    for (std::string_view line : split_lines(text)) {
      if (without_trailing_slash(std::string(strip(line))) == prefix.path())
        found = true;
      else if (!line.empty())
        rest += std::string(line) + "\n";
    }
    return found ? std::optional(rest) : std::nullopt;
  });
}

std::vector<FoundEnvironment> list_environments(const std::string& root_prefix, std::span<const std::string> envs_dirs,
                                                const EnvironmentRegistry& registry) {
  std::set<std::string> paths;
  const auto consider = [&](const std::string& path) {
    if (path.empty() || path.front() != '/') return;
    if (is_environment(Prefix(path))) paths.insert(without_trailing_slash(path));
  };
  consider(root_prefix);
  for (const std::string& folder : envs_dirs)
    for (const std::string& name : list_directory(folder))
      if (!is_ours_in_passing(name) &&
          std::none_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
        consider(without_trailing_slash(folder) + "/" + name);
  for (const std::string& path : registry.list())
    if (std::none_of(path.begin(), path.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; }))
      consider(path);

  std::vector<FoundEnvironment> found;
  for (const std::string& path : paths) found.push_back({environment_name(Prefix(path), root_prefix, envs_dirs), path});
  return found;
}

std::optional<Prefix> find_environment(std::string_view name, const std::string& root_prefix,
                                       std::span<const std::string> envs_dirs) {
  if (is_root_name(name)) return root_prefix.empty() ? std::nullopt : std::optional(Prefix(root_prefix));
  check_name(name);
  for (const std::string& folder : envs_dirs) {
    const Prefix prefix(without_trailing_slash(folder) + "/" + std::string(name));
    if (is_environment(prefix)) return prefix;
  }
  return std::nullopt;
}

Prefix new_environment_prefix(std::string_view name, const std::string& root_prefix, std::span<const std::string> envs_dirs) {
  if (is_root_name(name) && !root_prefix.empty()) return Prefix(root_prefix);
  check_name(name);
  for (const std::string& folder : envs_dirs)
    if (can_write(folder)) return Prefix(without_trailing_slash(folder) + "/" + std::string(name));
  throw Error("there is no folder for new environments", ErrorKind::permission)
      .at(join(envs_dirs, ", "))
      .because("none of the `envs_dirs` can be written")
      .hint("give a path with `--prefix`, or set `envs_dirs`");
}

std::string environment_name(const Prefix& prefix, const std::string& root_prefix, std::span<const std::string> envs_dirs) {
  if (prefix.path() == without_trailing_slash(root_prefix)) return "base";
  const std::size_t slash = prefix.path().rfind('/');
  for (const std::string& folder : envs_dirs)
    if (prefix.path().substr(0, slash) == without_trailing_slash(folder)) return prefix.path().substr(slash + 1);
  return {};
}

}  // namespace envtool
