#pragma once

#include <stop_token>
#include <string>

#include "check.hpp"
#include "envtool/package_cache/package_cache.hpp"
#include "folder.hpp"

namespace envtool {

/// Extracts an archive whose digest has been checked into the cache and gives the package. Everything is
/// done aside and shows with one rename; when another process was faster, its result is taken. Throws
/// `Error` and leaves nothing.
CachedPackage insert_package(const CacheFolder& folder, const std::string& archive_path, const RepoDataRecord& record,
                             const CacheOptions& options, const std::stop_token& stop);

}  // namespace envtool
