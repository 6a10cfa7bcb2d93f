#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/archive/extract.hpp"
#include "envtool/download/fetcher.hpp"
#include "envtool/records/package_record.hpp"
#include "envtool/records/paths_json.hpp"

namespace envtool {

/// Told about the cache's work; methods may be called from worker threads, one at a time. The index that
/// the download methods get is the place of the record in the span that `ensure` was given.
class CacheReporter : public DownloadReporter {
 public:
  /// A package is there without a download.
  virtual void on_cached(const RepoDataRecord&) {}
  virtual void on_extract_start(const RepoDataRecord&) {}
  virtual void on_extract_finish(const RepoDataRecord&) {}
  /// Another process is fetching this package; told when waiting starts and every 10 s.
  virtual void on_wait(const RepoDataRecord&) {}
};

/// A verified, extracted package in a cache.
struct CachedPackage {
  RepoDataRecord record;
  /// `<pkgs>/<name>-<version>-<build>`; with `~<digest>` behind it where other content has that name.
  std::string extracted_directory;
  /// `<pkgs>/<fn>`; may no longer exist.
  std::string archive_path;
  /// From info/paths.json, or from the legacy files.
  PathsJson paths;
  LinkJson link;
  /// While a copy of this lives, no process cleans the package away.
  std::shared_ptr<const void> lease;
};

/// What shall stay in the caches although no file of it is hard-linked.
struct CacheNeeds {
  /// Packages that environments have: in use, also where all of their files were copied or rewritten.
  std::vector<RepoDataRecord> in_use;
  std::vector<RepoDataRecord> packages;
  /// Identifiers of bundles (bundle.hpp).
  std::set<std::string> bundles;
};

/// How a cache works.
struct CacheOptions {
  ExtractLimits limits;
  /// Packages extracted at once; 0: as many as there are cores, at most 8.
  std::size_t extract_threads = 0;
  /// How long to wait for another process that fetches the same package before doing it as well.
  std::chrono::seconds wait_limit{300};
  /// Where to fetch a record from, mirrors behind; unset: the record's URL alone.
  std::function<std::vector<Url>(const RepoDataRecord&)> sources;
};

/// Package caches in conda's layout (`pkgs_dirs`): the first writable one takes new packages, all are read.
/// Several processes may use one cache at once, conda and mamba among them. Beside conda's files there are
/// `.tmp/` (everything that is not yet a package), `.locks/`, and in each package `info/.envtool-manifest`.
class PackageCache {
 public:
  /// `directories` as in settings, first is preferred. Nothing is created yet.
  explicit PackageCache(std::vector<std::string> directories, CacheOptions options = {});
  ~PackageCache();

  /// Makes every record's package available: reused when a cache has it with the same digest, else
  /// downloaded in parallel, checked (size, sha256, md5), extracted aside, every file's sha256 checked
  /// against paths.json, and renamed into place. Same order as the records. A record without `subdir`
  /// (one made from a URL alone) is completed from the package's info/index.json. Throws `Error` (checksum,
  /// corrupt, unsafe, network, no_space, permission, interrupted, ...); finished packages stay in the
  /// cache, unfinished ones leave nothing but verified archives and partial downloads.
  std::vector<CachedPackage> ensure(std::span<const RepoDataRecord> records, Fetcher& fetcher,
                                    CacheReporter* reporter = nullptr, std::stop_token stop = {});

  /// Those of the records that a download would be needed for (for plans, `--dry-run`, `--offline`).
  std::vector<RepoDataRecord> missing(std::span<const RepoDataRecord> records) const;

  /// Reads every file of a package and compares it with what was unpacked. Empty when all is well,
  /// else one sentence for each problem.
  static std::vector<std::string> verify(const CachedPackage& package);

  /// Has every file of these packages read and compared before they are used the next time, whatever their sizes
  /// and times say. A cache that cannot be written is passed over.
  void distrust(std::span<const RepoDataRecord> records) const;

  /// Notes that the packages' files are on disk: to be called after a `sync_file_system` of the cache.
  /// Packages without this note get one full check when they are used after the next boot.
  static void mark_synced(std::span<const CachedPackage> packages);

  /// What `clean` can remove in writable caches.
  struct CleanItem {
    std::string path;
    std::uint64_t bytes = 0;
  };
  struct CleanPlan {
    /// `packages` has bundles of pip packages, too.
    std::vector<CleanItem> tarballs, packages, temporary;
    /// What would go if `CacheNeeds` did not ask for it.
    std::vector<CleanItem> kept;
  };
  /// Packages whose files are hard-linked by no environment (link count 1), and that `needs` does not know to be in
  /// use, count as unused.
  /// `temporary` is always listed.
  /// What `needs` names stays, unless `force_packages`: unpacked where it is, else as an archive.
  CleanPlan plan_clean(bool tarballs, bool packages, bool force_packages, const CacheNeeds& needs = {}) const;
  /// Carries a plan out; skips the caches that another process works with right now and returns
  /// their paths. Paths that are no direct part of one of the caches are errors.
  std::vector<std::string> clean(const CleanPlan& plan);

  /// The folder that new packages go to (created on demand). Throws `Error` (permission) when none is writable.
  std::string writable_directory() const;
  const std::vector<std::string>& directories() const { return directories_; }

 private:
  std::vector<std::string> directories_;
  CacheOptions options_;
};

}  // namespace envtool
