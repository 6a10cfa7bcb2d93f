#include "envtool/app/freeze.hpp"

#include <nlohmann/json.hpp>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
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
  result.was_frozen = frozen(prefix).has_value();
  std::string text;
  if (!strip(message).empty())
    text = nlohmann::json({{"message", message}}).dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
  write_atomically(prefix.frozen_file(), text, 0644, Durability::full);
  write_externally_managed(prefix, text.empty() ? std::string(general_message) : message, result);
  return result;
}

FreezeResult unfreeze_environment(const AppInputs& inputs, const Prefix& prefix) {
  const PrefixLock lock = PrefixLock::acquire(prefix, install_options(inputs));
  FreezeResult result;
  result.was_frozen = frozen(prefix).has_value();
  for (const std::string& name : list_directory(prefix / "lib")) {
    const std::string path = prefix / ("lib/" + name + std::string(file_name));
    if (!name.starts_with("python") || !exists_no_follow(path)) continue;
    result.externally_managed = path;
    result.is_foreign = !is_ours(path);
    if (!result.is_foreign) remove_file(path);
  }
  remove_file(prefix.frozen_file());
  return result;
}

bool keeps_pip_out(const Prefix& prefix) {
  const auto folder = standard_library(prefix);
  return folder && is_ours(*folder + std::string(file_name));
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
