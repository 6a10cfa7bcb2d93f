#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/download/fetcher.hpp"
#include "envtool/records/package_record.hpp"
#include "envtool/records/paths_json.hpp"

namespace envtool {

/// Told about the cache's work; methods may be called from worker threads, one at a time.
class CacheReporter : public DownloadReporter {
 public:
  /// A package is there without a download.
  virtual void on_cached(const RepoDataRecord&) {}
  virtual void on_extract_start(const RepoDataRecord&) {}
  virtual void on_extract_finish(const RepoDataRecord&) {}
};

/// A verified, extracted package in a cache.
struct CachedPackage {
  RepoDataRecord record;
  /// `<pkgs>/<name>-<version>-<build>`
  std::string extracted_directory;
  /// `<pkgs>/<fn>`; may no longer exist.
  std::string archive_path;
  /// From info/paths.json, or from the legacy files.
  PathsJson paths;
  LinkJson link;
};

/// Package caches in conda's layout (`pkgs_dirs`): the first writable one takes new packages, all are read.
/// Several processes may use one cache at once.
class PackageCache {
 public:
  /// `directories` as in settings, first is preferred. Nothing is created yet.
  explicit PackageCache(std::vector<std::string> directories);
  ~PackageCache();

  /// Makes every record's package available: reused when a cache has it with the same digest, else
  /// downloaded in parallel, checked (size, sha256, md5), extracted aside, every file's sha256 checked
  /// against paths.json, and renamed into place. Same order as the records. Throws `Error`; finished
  /// packages stay in the cache.
  std::vector<CachedPackage> ensure(std::span<const RepoDataRecord> records, Fetcher& fetcher,
                                    CacheReporter* reporter = nullptr, std::stop_token stop = {});

  /// Those of the records that a download would be needed for (for plans, `--dry-run`, `--offline`).
  std::vector<RepoDataRecord> missing(std::span<const RepoDataRecord> records) const;

  /// What `clean` can remove in writable caches.
  struct CleanItem {
    std::string path;
    std::uint64_t bytes = 0;
  };
  struct CleanPlan {
    std::vector<CleanItem> tarballs, packages, temporary;
  };
  /// Packages whose files are hard-linked by no environment count as unused (link count 1).
  CleanPlan plan_clean(bool tarballs, bool packages, bool force_packages) const;
  /// Carries a plan out; skips what is in use by another process right now.
  void clean(const CleanPlan& plan);

  /// The folder that new packages go to (created on demand). Throws when none is writable.
  std::string writable_directory() const;
  const std::vector<std::string>& directories() const { return directories_; }

 private:
  std::vector<std::string> directories_;
};

}  // namespace envtool
