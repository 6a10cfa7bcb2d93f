#pragma once

#include <stop_token>
#include <string>

#include "envtool/package_cache/package_cache.hpp"
#include "folder.hpp"
#include "manifest.hpp"

namespace envtool {

/// What lies at a package's place in a cache.
struct EntryCheck {
  enum class State {
    absent,
    /// Something without a repodata record: another tool may be extracting there at this moment.
    unknown,
    other_content,  ///< a good package of that name, but not the wanted one
    damaged,
    good
  };
  State state = State::absent;
  std::string why;        ///< when damaged
  CachedPackage package;  ///< when good
};

/// Looks at `<folder>/<name>` as the wanted package: the record must agree, every file be there with its
/// size, and whatever gives reason to doubt (changed times, files written before the last boot and never
/// synced, a damaged manifest) leads to one full reading. Writes a manifest where the cache is writable.
EntryCheck check_entry(const CacheFolder& folder, const std::string& name, const RepoDataRecord& wanted,
                       const std::stop_token& stop);

/// The names under which a cache may hold the record's package.
std::vector<std::string> entry_names(const RepoDataRecord& record);

/// Writes the manifest of an extracted package.
void write_manifest(const std::string& extracted_directory, const Manifest& manifest);
/// The manifest of an extracted package, if there is a sound one.
std::optional<Manifest> read_manifest(const std::string& extracted_directory);

}  // namespace envtool
