#pragma once

#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/package_cache/package_cache.hpp"

namespace envtool {

/// One call of `PackageCache::ensure`.
std::vector<CachedPackage> ensure_packages(const PackageCache& cache, const CacheOptions& options,
                                           std::span<const RepoDataRecord> records, Fetcher& fetcher,
                                           CacheReporter* reporter, const std::stop_token& stop);

/// Those that neither a cached package nor an archive with the right digest is there for.
std::vector<RepoDataRecord> missing_packages(const PackageCache& cache, std::span<const RepoDataRecord> records);

}  // namespace envtool
