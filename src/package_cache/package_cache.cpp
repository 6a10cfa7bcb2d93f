#include "envtool/package_cache/package_cache.hpp"

#include <fcntl.h>

#include <cerrno>

#include "check.hpp"
#include "content.hpp"
#include "ensure.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/log.hpp"
#include "envtool/os/process.hpp"
#include "folder.hpp"
#include "identity.hpp"

namespace envtool {

PackageCache::PackageCache(std::vector<std::string> directories, CacheOptions options)
    : directories_(std::move(directories)), options_(std::move(options)) {
  for (std::string& directory : directories_)
    while (directory.size() > 1 && directory.ends_with('/')) directory.pop_back();
}

PackageCache::~PackageCache() = default;

std::vector<CachedPackage> PackageCache::ensure(std::span<const RepoDataRecord> records, Fetcher& fetcher,
                                                CacheReporter* reporter, std::stop_token stop) {
  return ensure_packages(*this, options_, records, fetcher, reporter, stop);
}

std::vector<RepoDataRecord> PackageCache::missing(std::span<const RepoDataRecord> records) const {
  return missing_packages(*this, records);
}

std::vector<std::string> PackageCache::verify(const CachedPackage& package) {
  const std::string& directory = package.extracted_directory;
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) return {"`" + directory + "` cannot be opened: " + system_error("", errno).why()};
  ContentCheck check = read_files(fd, package.paths, {});
  const std::optional<Manifest> manifest = read_manifest(directory);
  if (check.problems.empty() && manifest && manifest->content && *manifest->content != check.digest)
    check.problems.push_back("the files are not those that were extracted");
  return std::move(check.problems);
}

void PackageCache::distrust(std::span<const RepoDataRecord> records) const {
  for (const RepoDataRecord& record : records) {
    check_record_names(record);
    for (const std::string& directory : directories_)
      for (const std::string& name : entry_names(record)) {
        const std::string place = CacheFolder{directory}.entry(name);
        if (!exists_no_follow(place + "/info/repodata_record.json")) continue;
        try {
          // What was extracted stays known; that nothing has changed since is no longer believed.
          std::optional<Manifest> manifest = read_manifest(place);
          if (!manifest) manifest.emplace();
          manifest->stat = Sha256{};
          write_manifest(place, *manifest);
        } catch (const Error& error) {
          log_debug(error.what());
        }
      }
  }
}

void PackageCache::mark_synced(std::span<const CachedPackage> packages) {
  for (const CachedPackage& package : packages) {
    try {
      std::optional<Manifest> manifest = read_manifest(package.extracted_directory);
      // One of an earlier boot has not been checked since; it was not written in this one either.
      if (!manifest || manifest->synced || manifest->boot_id != boot_id()) continue;
      manifest->synced = true;
      write_manifest(package.extracted_directory, *manifest);
    } catch (const Error& error) {
      log_debug(error.what());
    }
  }
}

std::string PackageCache::writable_directory() const {
  for (const std::string& directory : directories_)
    if (CacheFolder{directory}.prepare()) return directory;
  throw Error("no package cache can be written to", ErrorKind::permission)
      .at(join(directories_, ", "))
      .because(directories_.empty() ? "none is configured" : "each is read-only or cannot be created")
      .hint("name a folder that you may write to in `pkgs_dirs` (or `CONDA_PKGS_DIRS`)");
}

}  // namespace envtool
