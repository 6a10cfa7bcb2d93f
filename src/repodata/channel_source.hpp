#pragma once

#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/specs/channel.hpp"
#include "record_block.hpp"
#include "shard_index_cache.hpp"
#include "subdir_cache.hpp"

namespace envtool {

/// One subdir of one channel: its whole index, or its index of shards, whichever is of use.
class ChannelSource {
 public:
  ChannelSource(Channel channel, std::string subdir, const RepoDataOptions& options, Fetcher& fetcher, SharedReporter& reporter);

  /// Makes one of the two ready. Throws `Error`.
  void open(std::stop_token stop);
  /// False when the channel has no such subdir; known after `open`.
  bool exists() const { return full_ || shards_; }
  /// Forgets that there is no such subdir.
  void forget_missing() { full_cache_.forget_missing(); }

  const Channel& channel() const { return channel_; }
  const std::string& subdir() const { return subdir_; }
  const RecordPlace& place() const { return place_; }
  std::string display_url() const { return full_cache_.display_url(); }
  const std::string& relation_base() const { return full_ ? full_->relation_base() : shards_->relation_base(); }
  const std::string& relation_overrides() const { return full_ ? full_->relation_overrides() : shards_->relation_overrides(); }

  /// Exactly one of them is there.
  const ShardIndex* shards() const { return shards_.get(); }
  const RepoDataIndex* full() const { return full_.get(); }
  /// Where the shard of a digest is.
  Url shard_url(const Sha256& digest) const;

  std::vector<std::string> names(std::stop_token stop);
  /// Records out of the whole index, or null; an index that turns out to be damaged is made anew, once.
  std::unique_ptr<RecordBlock> records(const std::string& name, std::stop_token stop);
  /// Changes over to the whole index. Throws `Error`; false when the server has none.
  bool use_full_index(std::stop_token stop);
  /// Asks for the index of shards anew, since it names shards that are gone; false when it is the same.
  bool renew_shards(std::stop_token stop);
  /// The shards are left alone for a while: they are of no use.
  void give_up_shards() { shard_cache_.mark_broken(); }

 private:
  void settle();
  template <typename Result, typename Use>
  Result with_full_index(Use&& use, std::stop_token stop);

  Channel channel_;
  std::string subdir_;
  const RepoDataOptions& options_;
  SubdirCache full_cache_;
  ShardIndexCache shard_cache_;
  std::shared_ptr<RepoDataIndex> full_;
  std::shared_ptr<const ShardIndex> shards_;
  Url shard_folder_;
  RecordPlace place_;
};

}  // namespace envtool
