#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "envtool/base/digest.hpp"
#include "index_format.hpp"
#include "shard_reader.hpp"

namespace envtool {

/// The index of shards of one subdir in the form that the cache keeps: found by binary search in one
/// piece of memory, where the served form would have to be decompressed and parsed each time.
///
///   header   `ShardIndexHeader`, ends with a checksum of the rest of it
///   entries  `ShardIndexEntry` for each name, ordered by name
///   names    their text; then the info texts
class ShardIndex {
 public:
  /// The bytes for the cache. `source` is the digest of the served document.
  static std::string encode(const ShardIndexContent& content, const Sha256& source);
  /// Throws `DamagedIndex` unless the bytes are whole.
  explicit ShardIndex(std::string bytes);

  /// Digest of the served document.
  const Sha256& source() const { return source_; }
  std::size_t size() const { return count_; }
  std::string_view name(std::size_t position) const;
  /// The digest of the name's shard.
  std::optional<Sha256> find(std::string_view name) const;

  const std::string& base_url() const { return base_url_; }
  const std::string& shards_base_url() const { return shards_base_url_; }
  const std::string& relation_base() const { return relation_base_; }
  const std::string& relation_overrides() const { return relation_overrides_; }
  /// As the index says it (ISO 8601), or empty.
  const std::string& created_at() const { return created_at_; }

 private:
  struct Entry;
  Entry entry(std::size_t position) const;

  std::string bytes_;
  Sha256 source_;
  std::size_t count_ = 0;
  std::string_view names_;
  std::string base_url_, shards_base_url_, relation_base_, relation_overrides_, created_at_;
};

}  // namespace envtool
