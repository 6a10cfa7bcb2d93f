#include "envtool/app/freeze.hpp"

#include <sys/stat.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "envtool/transaction/python_layout.hpp"
#include "install_options.hpp"

namespace envtool {

namespace {
constexpr std::string_view file_name = "/EXTERNALLY-MANAGED";
constexpr std::string_view signature = "# Written by `envtool freeze`; `envtool unfreeze` takes it away.\n";
constexpr std::string_view general_message = "The environment is frozen.";

/// Where the environment's Python has its standard library (`sysconfig.get_path("stdlib")`), or nothing.
std::optional<std::string> standard_library(const Prefix& prefix) {
  const auto layout = find_python_layout(PrefixData::load(prefix).records());
  if (!layout) return std::nullopt;
  const std::string above = layout->site_packages.substr(0, layout->site_packages.rfind('/'));
  // `lib/python3.13t` of a Python without the global lock is named by its site-packages alone.
  for (const std::string& folder : {above, "lib/python" + layout->major_minor})
    if (exists(prefix / (folder + "/os.py"))) return prefix / folder;
  return std::nullopt;
}

std::optional<std::string> text_at(const std::string& path) {
  try {
    return read_file_if_exists(path, 1 << 20);
  } catch (const Error&) {
    return std::string();  // something is there, and it is not ours
  }
}

bool is_ours(const std::string& path) { return text_at(path).value_or("").starts_with(signature); }

/// The INI form that PEP 668 asks for: the lines of a value are indented.
std::string externally_managed(const Prefix& prefix, const std::string& message) {
  std::string text = std::string(signature) + "[externally-managed]\nError=";
  bool first = true;
  for (const std::string_view line : split_lines(message)) {
    text += (first ? "" : " ") + escape_control(line) + "\n";
    first = false;
  }
  return text + " \n `envtool unfreeze -p " + prefix.path() + "` allows changes again.\n";
}

void write_externally_managed(const Prefix& prefix, const std::string& message, FreezeResult& result) {
  const auto folder = standard_library(prefix);
  if (!folder) return;
  result.externally_managed = *folder + std::string(file_name);
  result.is_foreign = exists_no_follow(result.externally_managed) && !is_ours(result.externally_managed);
  if (!result.is_foreign) write_atomically(result.externally_managed, externally_managed(prefix, message), 0644, Durability::full);
}
}  // namespace

FreezeResult freeze_environment(const AppInputs& inputs, const Prefix& prefix, const std::string& message) {
  const PrefixLock lock = PrefixLock::acquire(prefix, install_options(inputs));
  FreezeResult result;
  const auto mark = frozen(prefix);
  result.was_frozen = mark.has_value();
  struct stat status{};
  if (lstat(prefix.frozen_file().c_str(), &status) == 0 && !S_ISREG(status.st_mode))
    throw Error("the environment cannot be frozen", ErrorKind::prefix_exists)
        .at(prefix.frozen_file())
        .because(S_ISLNK(status.st_mode)   ? "somebody put a symlink there, which is neither followed nor replaced"
                 : S_ISDIR(status.st_mode) ? "somebody put a folder there (it counts as frozen all the same)"
                                           : "what is there is no file")
        .hint("`envtool unfreeze` takes it away");
  const bool says_why = !strip(message).empty();
  // Without words the mark that is there stays, with its own.
  if (says_why || !mark) {
    const std::string text =
        says_why ? nlohmann::json({{"message", message}}).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n" : "";
    write_atomically(prefix.frozen_file(), text, 0644, Durability::full);
  }
  write_externally_managed(prefix, says_why ? message : mark && mark->has_message ? mark->message : std::string(general_message), result);
  return result;
}

FreezeResult unfreeze_environment(const AppInputs& inputs, const Prefix& prefix) {
  const PrefixLock lock = PrefixLock::acquire(prefix, install_options(inputs));
  FreezeResult result;
  result.was_frozen = frozen(prefix).has_value();
  // First what can fail; a symlink goes, not what it leads to.
  struct stat status{};
  if (lstat(prefix.frozen_file().c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    if (!list_directory(prefix.frozen_file()).empty())
      throw Error("the environment stays frozen", ErrorKind::prefix_exists)
          .at(prefix.frozen_file())
          .because("the mark is a folder, and there is something in it")
          .hint("look at what it holds and remove it yourself");
    remove_tree(prefix.frozen_file());
  } else {
    remove_file(prefix.frozen_file());
  }
  for (const std::string& name : list_directory(prefix / "lib")) {
    const std::string path = prefix / ("lib/" + name + std::string(file_name));
    if (!name.starts_with("python") || !exists_no_follow(path)) continue;
    if (is_ours(path)) {
      remove_file(path);
    } else {
      result.externally_managed = path;
      result.is_foreign = true;
    }
  }
  return result;
}

bool keeps_pip_out(const Prefix& prefix) {
  const auto folder = standard_library(prefix);
  return folder && is_ours(*folder + std::string(file_name));
}

bool is_own_mark(const Prefix& prefix, std::string_view path) {
  return path.starts_with("lib/python") && path.ends_with(file_name) && std::count(path.begin(), path.end(), '/') == 2 &&
         is_ours(prefix / path);
}

std::vector<std::string> files_of_nobody(const Prefix& prefix) {
  std::vector<std::string> files = unowned_files(prefix);
  std::erase_if(files, [&](const std::string& path) { return is_own_mark(prefix, path); });
  return files;
}

void keep_frozen(const Prefix& prefix) {
  const auto mark = frozen(prefix);
  if (!mark) return;
  const auto folder = standard_library(prefix);
  bool moved = false;
  for (const std::string& name : list_directory(prefix / "lib")) {
    const std::string path = prefix / ("lib/" + name + std::string(file_name));
    if (!name.starts_with("python") || (folder && path == *folder + std::string(file_name)) || !is_ours(path)) continue;
    remove_file(path);
    moved = true;
  }
  FreezeResult result;
  if (moved) write_externally_managed(prefix, mark->message, result);
}

}  // namespace envtool
