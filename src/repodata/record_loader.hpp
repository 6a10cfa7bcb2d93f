#pragma once

#include <deque>
#include <exception>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "channel_source.hpp"
#include "envtool/repodata/repodata_gateway.hpp"
#include "shard_store.hpp"

namespace envtool {

/// Collects the records of names, and if asked for of all that their dependencies lead to, from all
/// sources. Shards that are not in the store are fetched, many at once; what one says is looked for as
/// soon as it is there.
class RecordLoader {
 public:
  struct Wish {
    std::vector<std::string> names;
    RepoDataGateway::RecordFilter filter;
    bool follow_dependencies = false;
    /// Tables are asked for instead of records; there is no filter then.
    bool as_tables = false;
  };

  /// The references must outlive the object.
  RecordLoader(std::vector<ChannelSource>& sources, const std::vector<Channel>& channels, const RepoDataOptions& options,
               Fetcher& fetcher, SharedReporter& reporter);

  /// A source whose shards turn out to be of no use changes over to its whole index. Throws `Error`.
  void expect(std::size_t name_count, std::stop_token stop);
  RecordsByName load_records(const Wish& wish, std::stop_token stop);
  TablesByName load_tables(const Wish& wish, std::stop_token stop);

 private:
  // A shard that is to be fetched.
  struct Target {
    std::size_t source;
    std::string name;
    Sha256 digest;
  };
  // Thrown to begin anew.
  struct UnusableShards {
    std::size_t source;
    Error error;
  };

  // What is found of one name in one source: one of the two.
  struct Piece {
    std::size_t source;
    std::vector<RepoDataRecord> records;
    std::unique_ptr<RecordBlock> table;
  };

  void load(const Wish& wish, std::stop_token stop);
  void attempt(const Wish& wish, std::stop_token stop);
  void work_off(const Wish& wish, std::stop_token stop);
  void look_up(const std::string& name, std::size_t source, const Wish& wish);
  void request(Target target);
  void fetch(const Wish& wish, std::stop_token stop);
  void receive(const Target& target, const FetchResult& result, const Wish& wish);
  void add(std::size_t source, const std::string& name, IndexBuilder::Block block, const Wish& wish);
  void keep(std::size_t source, const std::string& name, std::unique_ptr<RecordBlock> block, const Wish& wish);
  void want(const std::string& name);
  void change_over(const UnusableShards& unusable, std::stop_token stop);
  template <typename List, typename MakeEntry>
  std::map<std::string, List, std::less<>> take_result(MakeEntry&& make_entry);

  std::vector<ChannelSource>& sources_;
  const std::vector<Channel>& channels_;
  const RepoDataOptions& options_;
  Fetcher& fetcher_;
  SharedReporter& reporter_;
  ShardStore store_;

  // Of one attempt.
  std::unordered_set<std::string> seen_;
  std::vector<std::string> pending_;
  std::unordered_set<std::string> dependencies_;  // scratch
  std::map<std::string, std::vector<Piece>, std::less<>> found_;
  std::vector<Target> targets_;
  std::deque<FetchRequest> requests_;  // of the targets
  std::optional<FileLock> lock_;
  bool lock_tried_ = false;
};

}  // namespace envtool
