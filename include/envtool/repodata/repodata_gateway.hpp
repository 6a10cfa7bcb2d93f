#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/download/fetcher.hpp"
#include "envtool/records/record_table.hpp"
#include "envtool/specs/channel.hpp"

namespace envtool {

/// When a cached index of a channel is good enough. `file://` channels are always read as they are.
enum class RepoDataCacheUse {
  by_age,        ///< younger than the time to live; older ones are checked with the server
  refresh,       ///< always checked with the server
  prefer_cached, ///< whatever its age; downloaded only when there is none
  only_cached    ///< whatever its age; none is an error (offline)
};

/// How a `RepoDataGateway` works.
struct RepoDataOptions {
  /// `<pkgs_dir>/cache`; created on demand. Holds bodies, indices, states and locks.
  std::string cache_directory;
  RepoDataCacheUse cache_use = RepoDataCacheUse::by_age;
  /// How long a copy counts as fresh; unset: what the server's Cache-Control says (nothing: checked
  /// each time).
  std::optional<std::chrono::seconds> time_to_live;
  /// Goes on with the last good copy, and a warning, when the server fails or sends nonsense.
  bool stale_on_error = false;
  /// Takes the shards of a channel (CEP 16) where it has them. `file://` channels are read whole.
  bool use_shards = true;
  /// How far channels that channels name (CEP 42) are followed; 0 switches it off.
  unsigned channel_relations_max_depth = 10;
  /// How long to wait for another process that fetches the same index.
  std::chrono::seconds lock_timeout{300};
  /// A decompressed index larger than this is refused.
  std::uint64_t decoded_size_limit = std::uint64_t{4} << 30;
};

/// Told about the gateway's work; called from worker threads, one call at a time. Every method does
/// nothing by default.
class RepoDataReporter {
 public:
  virtual ~RepoDataReporter() = default;
  /// A subdir's index is being fetched. `subdir_url` is without credentials.
  virtual void on_fetch_start(const std::string& /*subdir_url*/) {}
  /// `total` is 0 while unknown.
  virtual void on_fetch_progress(const std::string& /*subdir_url*/, std::uint64_t /*now*/, std::uint64_t /*total*/) {}
  virtual void on_fetch_finish(const std::string& /*subdir_url*/) {}
  virtual void on_retry(const std::string& /*subdir_url*/, const std::string& /*reason*/) {}
  /// Another process holds the lock of a subdir's cache; again each 10 s.
  virtual void on_lock_wait(const std::string& /*subdir_url*/, const std::string& /*holder*/) {}
  /// A channel brought in another one (CEP 42).
  virtual void on_related_channel(const Channel& /*channel*/, const Channel& /*declared_by*/) {}
  /// Something to tell the user that is no failure (records left out, an old copy used).
  virtual void on_warning(const std::string& /*text*/) {}
};

/// All records of one name in one subdir of one channel, ordered by file name.
struct SubdirRecords {
  /// Position in `RepoDataGateway::channels()`: 0 has the highest priority.
  std::size_t channel = 0;
  std::string subdir;
  std::vector<RepoDataRecord> records;
};

/// By package name; the lists of a name in the order of channels, then of subdirs as given.
using RecordsByName = std::map<std::string, std::vector<SubdirRecords>, std::less<>>;

/// The same records, in the form that a solver reads.
struct SubdirTable {
  std::size_t channel = 0;
  std::string subdir;
  std::unique_ptr<const RecordTable> table;
};
using TablesByName = std::map<std::string, std::vector<SubdirTable>, std::less<>>;

/// The records of channels, from cache or network (CEP 15, 16, 26, 36, 42, 48). Of a channel's subdir
/// that serves shards only the index of shards and the shards of the names that are asked for are
/// fetched. Else (or when the shards are broken) its index is fetched whole (`repodata.json.zst`,
/// `repodata.json`), checked, and turned into a binary index once; later runs read from that only the
/// names that they ask for. Several processes may share one cache: one fetches, the others wait.
///
/// What a server does not have is not asked for again for a while: an hour for a subdir, a week for a form
/// of the index, an hour for a form that was broken.
///
/// Bad content never replaces a good copy. A document that is not JSON of the right shape is an
/// `Error` naming URL and byte offset; single records that break CEP 26's grammar or have wrong types
/// are left out with one warning for each subdir.
class RepoDataGateway {
 public:
  /// `channels` in order of priority, `subdirs` for example `{"linux-64", "noarch"}`. Nothing is read
  /// yet. The fetcher and the reporter must outlive the gateway.
  RepoDataGateway(std::vector<Channel> channels, std::vector<std::string> subdirs, RepoDataOptions options,
                  Fetcher& fetcher, RepoDataReporter* reporter = nullptr);
  ~RepoDataGateway();
  RepoDataGateway(const RepoDataGateway&) = delete;
  RepoDataGateway& operator=(const RepoDataGateway&) = delete;

  /// Makes the index of every channel and subdir ready, in parallel; the other methods do it on
  /// demand. Throws `Error`: network, offline, corrupt, invalid_input (a channel with none of the
  /// subdirs), locked, interrupted.
  void prepare(std::stop_token stop = {});

  /// The channels in effect: those given and those that they name as relations (CEP 42), highest
  /// priority first. Complete after `prepare`.
  const std::vector<Channel>& channels() const;

  /// The records of the names; a name that no channel has is left out.
  RecordsByName records_for(std::span<const std::string> names, std::stop_token stop = {});

  /// Decides whether a record is of use; the dependencies of those that are not are not followed.
  using RecordFilter = std::function<bool(const RepoDataRecord&)>;
  /// The records of the names and of every name that their dependencies (`depends`, `extra_depends`)
  /// lead to.
  RecordsByName load_reachable(std::vector<std::string> root_names, const RecordFilter& filter = {},
                               std::stop_token stop = {});

  /// The same without a filter, for a solver: only a few of so many records are looked at as a whole.
  TablesByName load_reachable_tables(std::vector<std::string> root_names, std::stop_token stop = {});

  /// Tells that so many names will be asked for, a part of them at a time: for very many, one index of
  /// everything costs less than the shards of all.
  void expect(std::size_t name_count, std::stop_token stop = {});

  /// Every package name, sorted, each once (for suggestions and search).
  std::vector<std::string> all_names(std::stop_token stop = {});

  /// Number of records in all whole indices; those of channels that serve shards are not counted.
  std::uint64_t record_count(std::stop_token stop = {});

 private:
  struct Implementation;
  std::unique_ptr<Implementation> implementation_;
};

/// The package name that a dependency string (CEP 29) is about, lower case, or empty when it has no
/// exact one.
std::string dependency_name(std::string_view spec);

}  // namespace envtool
