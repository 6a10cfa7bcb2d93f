#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "envtool/base/digest.hpp"
#include "indexed_package.hpp"

namespace envtool {

/// What a run remembers of a subdir for the next one. Everything can be found out again but the times in it;
/// those of published packages are in `repodata.json` as well.
struct IndexCache {
  /// By file name.
  std::map<std::string, IndexedPackage> packages;
  /// Packages that are no longer there, so that one that comes back keeps its time.
  struct Gone {
    Sha256 sha256;
    std::uint64_t indexed_timestamp = 0;
  };
  std::map<std::string, Gone> gone;
  /// Shards that no index names any more, and since when (milliseconds since the epoch).
  std::map<Sha256, std::uint64_t> unused_shards;
  /// The content of the index of shards but for the time of its making, and that time (CEP 16 `created_at`).
  std::optional<Sha256> shard_index;
  std::string shard_index_created;
  /// For a compressed file: the digests of what was compressed and of the result.
  struct Compressed {
    Sha256 plain, packed;
  };
  std::map<std::string, Compressed> compressed;
};

/// Reads the text of a cache; nothing when it is damaged or of another version.
std::optional<IndexCache> parse_index_cache(std::string_view text);
std::string to_text(const IndexCache& cache);

/// File name to the archive's digest and the time at which it was first indexed (0: not said), as a published
/// `repodata.json` has them. Throws `Error` (invalid_input) with origin.
std::map<std::string, IndexCache::Gone> read_published(std::string_view repodata, const std::string& origin);

}  // namespace envtool
