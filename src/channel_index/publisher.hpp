#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>

#include "index_cache.hpp"
#include "subdir_documents.hpp"

namespace envtool {

/// Puts files of the index into the channel's folder and keeps account.
class Publisher {
 public:
  explicit Publisher(std::string channel) : channel_(std::move(channel)) {}

  /// Replaces a file atomically and durably, unless it has this content already. Paths are relative to the channel.
  void write(const std::string& path, std::string_view content);
  /// Writes the compressed content of `path` beside it as `<path>.zst`; not again when the cache knows the result.
  void write_compressed(const std::string& path, std::string_view content, std::size_t threads, IndexCache& cache);
  /// Removes a file of the index that nobody keeps up to date, when it is there.
  void remove(const std::string& path);
  /// Writes the shards of a subdir, then the index that names them; removes shards that none has named for a week.
  void write_shards(const std::string& subdir, const SubdirDocuments& documents, std::uint64_t now, IndexCache& cache);

  const std::set<std::string>& written() const { return written_; }
  const std::set<std::string>& removed() const { return removed_; }

 private:
  std::string channel_;
  std::set<std::string> written_, removed_;
};

}  // namespace envtool
