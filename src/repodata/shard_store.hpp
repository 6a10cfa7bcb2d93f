#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "envtool/base/digest.hpp"
#include "envtool/os/file_lock.hpp"
#include "index_builder.hpp"

namespace envtool {

/// Shards on disk, by the digest of what the server sent: shared by all channels and processes.
/// A file `<first 2 digits>/<digest>.rec` holds a shard's records as `IndexBuilder::take_block` gave
/// them, so that a later run need not decompress and parse them. It comes by rename, names the digest
/// and has a checksum: whoever reads takes it whole or not at all.
class ShardStore {
 public:
  /// What is kept: shards used within the time, and no more bytes than the limit.
  struct Limits {
    std::chrono::hours age{30 * 24};
    std::uint64_t bytes = std::uint64_t{1} << 30;
    /// How often to look.
    std::chrono::hours interval{24};
  };

  explicit ShardStore(std::string folder);
  ShardStore(std::string folder, Limits limits);

  /// The records of a shard, or nothing when it is not there or damaged.
  std::optional<IndexBuilder::Block> read(const Sha256& digest, std::string_view name) const;
  /// Throws `Error` (no_space, permission, ...).
  void write(const Sha256& digest, std::string_view name, const IndexBuilder::Block& block);
  /// Removes what is too old or too much, at most once each interval. Never throws for files.
  void tidy();
  /// Held while shards are fetched, so that two processes do not fetch the same. Nothing when there is
  /// no lock to be had in time: that costs only work.
  std::optional<FileLock> lock(const FileLock::Options& options);

 private:
  std::string path(const Sha256& digest) const;
  void sweep(std::int64_t now_seconds);

  std::string folder_;
  Limits limits_;
  bool is_new_ = false;  // nothing was there before us
};

}  // namespace envtool
