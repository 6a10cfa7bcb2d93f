#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "cache_files.hpp"
#include "cache_state.hpp"
#include "envtool/base/url.hpp"
#include "shard_index.hpp"

namespace envtool {

/// The index of shards (CEP 16) of one subdir: keeps it in the cache folder, up to date.
///
/// Files beside those of `SubdirCache`, under the same lock:
///   <key>.shards.idx         `ShardIndex`; names the digest of the document it was made from
///   <key>.shards.info.json   `CacheState`, also when the server has no shards
class ShardIndexCache {
 public:
  /// `url` is the subdir's, with credentials. The references must outlive the object.
  ShardIndexCache(Url url, const RepoDataOptions& options, Fetcher& fetcher, SharedReporter& reporter);

  struct Copy {
    std::shared_ptr<const ShardIndex> index;
    std::int64_t checked_ns = 0;
  };
  /// The index, if there is one that may be used without asking anybody.
  Copy fresh_copy() const;
  /// The index, made ready as the options say. Nothing when the server has none, when it is broken (the
  /// user is warned), or in offline mode when it is not there. Throws `Error`.
  std::shared_ptr<const ShardIndex> open(std::stop_token stop);
  /// The index as the server has it now, also when the copy counts as fresh. Throws `Error`.
  std::shared_ptr<const ShardIndex> recheck(std::stop_token stop);
  /// For a server that has nothing else: if its shards failed, the index after all, or the `Error` that
  /// says why not.
  std::shared_ptr<const ShardIndex> insist(std::stop_token stop);
  /// The shards turned out to be of no use: they are left alone for a while.
  void mark_broken();

  /// Where the shards are, with the credentials that belong there. Throws `Error` (unsafe) for a place
  /// that is not allowed.
  Url shard_folder(const ShardIndex& index) const;

 private:
  enum class OnFailure { leave_alone, raise };
  std::shared_ptr<const ShardIndex> refresh(std::optional<CacheState> state, OnFailure on_failure, std::stop_token stop);
  std::shared_ptr<const ShardIndex> accept(const FetchResult& result, CacheState state, const ShardIndex* before);
  std::shared_ptr<const ShardIndex> load(const CacheState& state) const;
  std::optional<CacheState> read_state() const;
  void write_state(const CacheState& state) const;
  bool is_left_alone(const CacheState& state) const;
  std::string path(const char* suffix) const { return stem_ + suffix; }

  Url url_;        // of the document
  const RepoDataOptions& options_;
  Fetcher& fetcher_;
  SharedReporter& reporter_;
  std::string display_url_;  // of the subdir
  std::string stem_;
  std::int64_t started_ns_;
};

/// A folder that an index names, seen from the index's own URL (CEP 15, 16), ending with a slash. A
/// remote channel cannot point at local files, nor an encrypted one at an open one. `key` is for the
/// message of the `Error` (unsafe).
Url resolve_folder(const Url& document, const std::string& reference, const std::string& key);

}  // namespace envtool
