#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "envtool/base/digest.hpp"
#include "index_builder.hpp"
#include "repodata_reader.hpp"

namespace envtool {

/// What `repodata_shards.msgpack.zst` says (CEP 16).
struct ShardIndexContent {
  RepoDataInfo info;
  /// Package names, sorted, each once, with the digest of its shard. Names that break CEP 26 are left out.
  std::vector<std::pair<std::string, Sha256>> shards;
};

/// Reads the decompressed index of shards. Throws `Error` (corrupt) with origin for what is not of that
/// shape, (invalid_input) for an unknown version of the format.
ShardIndexContent read_shard_index(std::string_view document, const std::string& origin);

/// Reads the decompressed shard of one name (CEP 16, 48) and gives its records to the builder; those of
/// other names count as skipped. Throws like `read_shard_index`.
ReadSummary read_shard(std::string_view document, const std::string& origin, std::string_view name, IndexBuilder& builder);

/// The content of zstd frames. Throws `Error` (corrupt) with origin for damaged compression, (unsafe)
/// for more than `limit` bytes.
std::string decompress_zstd(std::string_view packed, const std::string& origin, std::uint64_t limit);

}  // namespace envtool
