#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <unordered_set>

#include "envtool/base/error.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/os/log.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "metadata.hpp"
#include "system_call.hpp"

namespace envtool {

namespace {
constexpr std::string_view trash_stem = ".envtool-trash-";
constexpr std::string_view building_mark = ".envtool-";

std::string parent_of(const std::string& path) { return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)); }

/// Deletes a folder of ours when nobody holds its lock.
void sweep(const std::string& folder) {
  try {
    const std::string lock_file = folder + "/conda-meta/.envtool/lock";
    if (exists_no_follow(lock_file)) {
      const auto lock = FileLock::try_acquire(lock_file, FileLock::Mode::exclusive, "sweep");
      if (!lock) return;
      remove_tree(folder);
      return;
    }
    if (folder.find(trash_stem) != std::string::npos) return remove_tree(folder);
    // Its process died, or is alive and has not come to its lock yet (and makes its folders again
    // then): empty folders can go, what has files but no lock is not a state that creation leaves.
    for (const char* part : {"/conda-meta/.envtool", "/conda-meta", ""}) rmdir((folder + part).c_str());
  } catch (const Error& error) {
    log_debug(std::string("could not sweep a leftover folder: ") + error.what());
  }
}

bool is_hex(std::string_view text) {
  return text.size() == 12 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}
}  // namespace

void sweep_leftovers(const Prefix& prefix) {
  const std::string parent = parent_of(prefix.path());
  const std::string own = prefix.path().substr(prefix.path().rfind('/') + 1) + std::string(building_mark);
  for (const std::string& name : list_directory(parent)) {
    const bool trash = name.starts_with(trash_stem) && is_hex(std::string_view(name).substr(trash_stem.size()));
    const bool building = name.starts_with(own) && is_hex(std::string_view(name).substr(own.size()));
    if (trash || building) sweep((parent == "/" ? "" : parent) + "/" + name);
  }
}

std::vector<std::string> unowned_files(const Prefix& prefix) {
  const PrefixData data = PrefixData::load(prefix);
  std::unordered_set<std::string_view> owned;
  for (const PrefixRecord& record : data.records()) {
    for (const std::string& file : record.files) owned.insert(file);
    for (const PathEntry& entry : record.paths) owned.insert(entry.path);
  }
  std::vector<std::string> unowned;
  for (std::string& path : list_tree(prefix.path())) {
    if (path.starts_with("conda-meta/") || owned.contains(path) || path.find(".envtool-saved-") != std::string::npos) continue;
    if (path.ends_with(".pyc") && path.find("__pycache__/") != std::string::npos) continue;
    unowned.push_back(std::move(path));
  }
  return unowned;
}

void remove_prefix(const Prefix& prefix, const InstallOptions& options) {
  struct stat status{};
  if (lstat(prefix.path().c_str(), &status) != 0 || !S_ISDIR(status.st_mode) || !is_directory(prefix.conda_meta()))
    throw Error("there is no environment", ErrorKind::environment_not_found).at(prefix.path());
  const std::string parent = parent_of(prefix.path());
  const std::string trash = (parent == "/" ? "" : parent) + "/" + std::string(trash_stem) + random_name();
  {
    const FileLock lock = detail::lock_prefix_file(prefix, options, "remove");
    detail::stage_point("remove.locked", prefix.path());
    rename_path(prefix.path(), trash);
  }
  detail::stage_point("remove.renamed", trash);
  if (options.durability == Durability::full) sync_directory(parent);
  // From here on the environment is gone; what cannot be deleted now is swept later.
  try {
    remove_tree(trash);
  } catch (const Error& error) {
    detail::reporter_of(options).on_warning(std::string("the environment is removed, but some of its files are not: ") + error.what());
  }
  sweep_leftovers(prefix);
}

}  // namespace envtool
