#include <sys/stat.h>

#include <algorithm>
#include <unordered_set>

#include "envtool/base/error.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/os/log.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "leftovers.hpp"
#include "metadata.hpp"
#include "system_call.hpp"

namespace envtool {

namespace {
std::string parent_of(const std::string& path) { return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)); }
}  // namespace

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
  const std::string trash = (parent == "/" ? "" : parent) + "/" + std::string(detail::trash_stem) + random_name();
  {
    const FileLock lock = detail::lock_prefix_file(prefix, options, "remove");
    detail::stage_point("remove.locked", prefix.path());
    rename_path(prefix.path(), trash);
  }
  detail::passed_point("remove.renamed");
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
