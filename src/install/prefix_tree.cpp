#include "prefix_tree.hpp"

#include <algorithm>
#include <map>

#include "envtool/os/files.hpp"
#include "system_call.hpp"

namespace envtool::detail {

namespace {
/// What belongs to the running processes and not to the environment.
bool is_passing(const std::string& path) {
  return path == "conda-meta/.envtool/lock" || path == "conda-meta/.envtool/lock.d" || path == "conda-meta/.envtool/tx";
}

bool same(const TreeEntry& a, const TreeEntry& b) {
  if ((a.status.st_mode & S_IFMT) != (b.status.st_mode & S_IFMT) || a.status.st_ino != b.status.st_ino) return false;
  if (a.is_folder()) return a.status.st_mode == b.status.st_mode;
  return a.status.st_mode == b.status.st_mode && a.status.st_size == b.status.st_size &&
         a.status.st_mtim.tv_sec == b.status.st_mtim.tv_sec && a.status.st_mtim.tv_nsec == b.status.st_mtim.tv_nsec;
}

bool counts(const TreeEntry& entry) {
  return !is_byte_code(entry.path) && !entry.path.ends_with("/__pycache__") && entry.path != "conda-meta/last_activated";
}
}  // namespace

bool is_byte_code(std::string_view path) { return path.ends_with(".pyc") || path.ends_with(".pyo"); }

std::vector<TreeEntry> read_tree(const std::string& folder, const std::vector<std::string>& left_out) {
  std::vector<TreeEntry> entries;
  std::vector<std::string> open = {""};
  while (!open.empty()) {
    const std::string above = std::move(open.back());
    open.pop_back();
    for (const std::string& name : list_directory(above.empty() ? folder : folder + "/" + above)) {
      TreeEntry entry;
      entry.path = above.empty() ? name : above + "/" + name;
      if (is_passing(entry.path)) continue;
      if (above.empty() && std::find(left_out.begin(), left_out.end(), name) != left_out.end()) continue;
      const std::string full = folder + "/" + entry.path;
      if (lstat(full.c_str(), &entry.status) != 0) {
        if (errno == ENOENT) continue;
        fail_errno("cannot look at a file", full, errno);
      }
      if (entry.is_folder()) open.push_back(entry.path);
      entries.push_back(std::move(entry));
    }
  }
  std::sort(entries.begin(), entries.end(), [](const TreeEntry& a, const TreeEntry& b) { return a.path < b.path; });
  return entries;
}

std::string tree_difference(const std::vector<TreeEntry>& before, const std::vector<TreeEntry>& after) {
  std::size_t i = 0, k = 0;
  while (i < before.size() || k < after.size()) {
    if (i < before.size() && !counts(before[i])) {
      ++i;
    } else if (k < after.size() && !counts(after[k])) {
      ++k;
    } else if (i < before.size() && k < after.size() && before[i].path == after[k].path) {
      if (!same(before[i], after[k])) return before[i].path;
      ++i, ++k;
    } else {
      return k == after.size() || (i < before.size() && before[i].path < after[k].path) ? before[i].path : after[k].path;
    }
  }
  return {};
}

}  // namespace envtool::detail
