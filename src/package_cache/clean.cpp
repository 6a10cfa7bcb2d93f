#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <ctime>
#include <optional>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/log.hpp"
#include "envtool/package_cache/bundle.hpp"
#include "envtool/package_cache/package_cache.hpp"
#include "envtool/records/package_record.hpp"
#include "envtool/records/record_json.hpp"
#include "folder.hpp"
#include "identity.hpp"

namespace envtool {
namespace {

struct Usage {
  std::uint64_t bytes = 0;
  bool linked_elsewhere = false;
};

/// Size of a tree, and whether any of its files has a further name outside of it.
Usage usage_of(const std::string& root) {
  struct Inode {
    std::uint64_t names = 0, links = 0;
  };
  std::map<std::pair<dev_t, ino_t>, Inode> inodes;
  Usage usage;
  const auto add = [&](const std::string& path) {
    struct stat status{};
    if (::lstat(path.c_str(), &status) != 0) return;
    if (!S_ISREG(status.st_mode)) return;
    Inode& inode = inodes[{status.st_dev, status.st_ino}];
    if (inode.names++ == 0) usage.bytes += static_cast<std::uint64_t>(status.st_size);
    inode.links = status.st_nlink;
  };
  if (is_directory(root))
    for (const std::string& path : list_tree(root)) add(root + "/" + path);
  else
    add(root);
  for (const auto& [key, inode] : inodes)
    if (inode.links > inode.names) usage.linked_elsewhere = true;
  return usage;
}

/// Where the install library keeps byte code that environments share with it by hard links.
constexpr std::string_view byte_code_folder = ".byte-code";

/// Bytes of the files that have no name outside of this folder.
std::uint64_t unshared_bytes(const std::string& root) {
  std::uint64_t bytes = 0;
  for (const std::string& path : list_tree(root)) {
    struct stat status{};
    if (::lstat((root + "/" + path).c_str(), &status) == 0 && S_ISREG(status.st_mode) && status.st_nlink == 1)
      bytes += static_cast<std::uint64_t>(status.st_size);
  }
  return bytes;
}

bool is_real_directory(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_partial_download(std::string_view name) {
  for (const std::string_view suffix : {".part", ".part.info", ".partial"})
    if (name.ends_with(suffix) && !archive_extension(name.substr(0, name.size() - suffix.size())).empty()) return true;
  return false;
}

/// The cache that an item of a plan lies in; nothing when it is not one that `plan_clean` could have named.
std::optional<CacheFolder> cache_of(const std::vector<std::string>& directories, const std::string& path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return std::nullopt;
  const std::string name = path.substr(slash + 1), parent = path.substr(0, slash);
  if (name.empty() || name == "." || name == "..") return std::nullopt;
  for (const std::string& directory : directories) {
    const CacheFolder folder{directory};
    if (parent == folder.temporary() || parent == folder.entry(std::string(bundle_folder)) || (parent == directory && (name.front() != '.' || name == byte_code_folder)))
      return folder;
  }
  return std::nullopt;
}

/// Finds out what of a cache somebody needs.
class Needs {
 public:
  Needs(const CacheNeeds& needs, const std::vector<RepoDataRecord>& packages) : needs_(needs) {
    for (const RepoDataRecord& record : packages) by_dist_.emplace(record.dist(), &record);
  }
  /// An unpacked package; remembers that its archive need not stay.
  bool takes_package(const std::string& path) {
    const std::string name = path.substr(path.rfind('/') + 1);
    const auto [first, last] = by_dist_.equal_range(name.substr(0, name.find('~')));
    if (first == last) return false;
    RepoDataRecord there;
    try {
      const auto text = read_file_if_exists(path + "/info/repodata_record.json", std::uint64_t{16} << 20);
      if (!text) return false;
      there = parse_repodata_record(*text, path);
    } catch (const Error&) {
      return false;  // damaged: of no use to anybody
    }
    bool taken = false;
    for (auto item = first; item != last; ++item)
      if (same_content(*item->second, there)) {
        unpacked_.insert(item->second);
        taken = true;
      }
    return taken;
  }
  /// An archive whose package is unpacked nowhere.
  bool takes_archive(const std::string& name) const {
    const auto parts = parse_archive_name(name);
    if (!parts) return false;
    const std::string build = parts->build.substr(0, parts->build.find('~'));
    const auto [first, last] = by_dist_.equal_range(parts->name + "-" + parts->version + "-" + build);
    return std::any_of(first, last, [&](const auto& item) { return !unpacked_.contains(item.second); });
  }
  bool takes_bundle(const std::string& identifier) const { return needs_.bundles.contains(identifier); }

 private:
  const CacheNeeds& needs_;
  std::multimap<std::string, const RepoDataRecord*> by_dist_;
  std::set<const RepoDataRecord*> unpacked_;
};

/// A command that keeps a bundle writes down only afterwards that it is needed.
bool is_fresh(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0 && std::time(nullptr) - status.st_ctim.tv_sec < 3600;
}

}  // namespace

PackageCache::CleanPlan PackageCache::plan_clean(bool tarballs, bool packages, bool force_packages, const CacheNeeds& needed) const {
  CleanPlan plan;
  Needs needs(needed, needed.packages), in_use(needed, needed.in_use);
  if (!force_packages)
    for (const std::string& directory : directories_)
      for (const std::string& name : list_directory(directory))
        if (name.front() != '.' && is_real_directory(directory + "/" + name)) needs.takes_package(directory + "/" + name);
  for (const std::string& directory : directories_) {
    const CacheFolder folder{directory};
    if (!folder.is_writable()) continue;
    for (const std::string& name : list_directory(directory)) {
      const std::string path = folder.entry(name);
      if (name.front() == '.') continue;
      if (is_real_directory(path)) {
        const bool is_package = exists(path + "/info/index.json") || exists(path + "/info/repodata_record.json");
        if (!packages || !is_package) continue;
        const Usage usage = usage_of(path);
        if (!force_packages && usage.linked_elsewhere) continue;
        const bool is_kept = !force_packages && needs.takes_package(path);
        if (!force_packages && !is_kept && in_use.takes_package(path)) continue;
        (is_kept ? plan.kept : plan.packages).push_back({path, usage.bytes});
      } else if (is_partial_download(name)) {
        plan.temporary.push_back({path, usage_of(path).bytes});
      } else if (tarballs && !archive_extension(name).empty()) {
        (!force_packages && needs.takes_archive(name) ? plan.kept : plan.tarballs).push_back({path, usage_of(path).bytes});
      }
    }
    // Environments keep the byte code that they have; at worst some is compiled once more.
    const std::string byte_code = folder.entry(std::string(byte_code_folder));
    if (packages && is_real_directory(byte_code))
      if (const std::uint64_t bytes = unshared_bytes(byte_code); bytes != 0) plan.packages.push_back({byte_code, bytes});
    const std::string bundles = folder.entry(std::string(bundle_folder));
    for (const std::string& name : packages ? list_directory(bundles) : std::vector<std::string>()) {
      const std::string path = bundles + "/" + name;
      const bool stays = !force_packages && (needs.takes_bundle(name) || is_fresh(path));
      (stays ? plan.kept : plan.packages).push_back({path, usage_of(path).bytes});
    }
    for (const std::string& name : list_directory(folder.temporary())) {
      const std::string path = folder.temporary() + "/" + name;
      plan.temporary.push_back({path, usage_of(path).bytes});
    }
  }
  return plan;
}

std::vector<std::string> PackageCache::clean(const CleanPlan& plan) {
  std::map<std::string, std::vector<std::string>> by_cache;
  for (const auto* items : {&plan.tarballs, &plan.packages, &plan.temporary})
    for (const CleanItem& item : *items) {
      const std::optional<CacheFolder> folder = cache_of(directories_, item.path);
      if (!folder) throw Error("this is no part of a package cache", ErrorKind::usage).at(item.path);
      by_cache[folder->path].push_back(item.path);
    }
  std::vector<std::string> skipped;
  for (const auto& [directory, paths] : by_cache) {
    const CacheFolder folder{directory};
    make_directories(folder.temporary());
    make_directories(folder.locks());
    const TemporaryDirectory graveyard(folder.temporary(), "cleaned-");
    {
      const std::optional<FileLock> lock =
          FileLock::try_acquire(folder.cleaning_lock(), FileLock::Mode::exclusive, "clean");
      if (!lock) {
        skipped.push_back(directory);
        continue;
      }
      // Under the lock there are only renames; what takes long comes after.
      std::size_t number = 0;
      for (const std::string& path : paths) {
        const std::string grave = graveyard.path() + "/" + std::to_string(number++);
        if (::rename(path.c_str(), grave.c_str()) != 0 && errno != ENOENT)
          throw system_error("cannot remove a part of the package cache", errno).at(path);
      }
    }
    remove_tree(graveyard.path());
  }
  return skipped;
}

}  // namespace envtool
