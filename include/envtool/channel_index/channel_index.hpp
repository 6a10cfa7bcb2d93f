#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/base/error.hpp"
#include "envtool/os/file_lock.hpp"

namespace envtool {

/// Which optional files a channel gets. One that is not wanted is removed when it is there, so that nobody
/// reads an old one.
struct ChannelIndexFiles {
  bool shards = true;        ///< `repodata_shards.msgpack.zst` and `shards/` (CEP 16)
  bool zst = true;           ///< `repodata.json.zst` and `run_exports.json.zst`
  bool run_exports = true;   ///< `run_exports.json` (CEP 12)
  bool channeldata = true;   ///< `channeldata.json` (CEP 38)
};

/// What is to be indexed, and how.
struct ChannelIndexRequest {
  /// The channel's folder, an absolute path; it has one folder for each subdir.
  std::string channel;
  /// Only these; empty: every folder that is a known platform or has packages, and `noarch`.
  std::vector<std::string> subdirs = {};
  ChannelIndexFiles files = {};
  /// Where the packages are served, without subdir, when that is not beside the index (CEP 15).
  std::string base_url = {};
  /// Related channels of higher and of lower priority, relative references such as `../conda-forge` (CEP 42).
  std::string base_channel = {}, overrides_channel = {};
  /// Threads that read packages; 0: one for each processor.
  std::size_t jobs = 0;
  /// When packages that are new are first indexed (CEP 47).
  std::chrono::system_clock::time_point now = {};
  /// Who we are, for others that wait for the lock, and how long we wait ourselves.
  std::string command = {};
  std::chrono::milliseconds lock_timeout = std::chrono::minutes(5);
};

/// A package that is left out of the index.
struct BrokenPackage {
  std::string file;  ///< `linux-64/x-1-0.conda`
  Error error;
};

/// What became of one subdir.
struct SubdirIndexCounts {
  std::size_t packages = 0;   ///< in the index, those of `revision3` and not those of `removed`
  std::size_t revision3 = 0;  ///< below `v3` (CEP 48)
  std::size_t removed = 0;    ///< withdrawn, see `index_channel`
  std::size_t read = 0;       ///< archives that were opened
  std::size_t unchanged = 0;  ///< archives that were not
  std::size_t broken = 0;
};

/// What an index run did.
struct ChannelIndexResult {
  std::map<std::string, SubdirIndexCounts> subdirs;
  /// Sorted by file.
  std::vector<BrokenPackage> broken;
  std::vector<std::string> warnings;
  /// Files of the index that are new, have changed, or are gone, below the channel's folder; sorted.
  std::vector<std::string> written, removed;
};

/// Told about a run as it goes on; every method does nothing by default.
class ChannelIndexReporter {
 public:
  virtual ~ChannelIndexReporter() = default;
  virtual void on_lock_wait(const LockHolder& /*holder*/) {}
  /// So many archives are about to be read.
  virtual void on_read_start(std::size_t /*packages*/, std::uint64_t /*bytes*/) {}
  /// One was read; from any thread, one call at a time.
  virtual void on_read(const std::string& /*file*/) {}
  virtual void on_read_finish() {}
};

/// Makes a folder of packages a channel, or brings its index up to date: `<subdir>/repodata.json` (CEP 36),
/// the files of `ChannelIndexFiles`, and `repodata_from_packages.json`. Records that only newer clients understand
/// (conditions, extras, flags) go to `v3` (CEP 48). Archives that have not changed since the last run are not
/// read again; what is known of them lies in `.cache/envtool-index` of the channel, checked by a digest. When
/// it is lost, the time at which a package was first indexed is taken from the published `repodata.json`.
///
/// Packages that cannot be indexed are left out and reported in the result. Those that `<subdir>/withdrawn.txt`
/// names, one file name a line, stay where they are and are listed as `removed`. The same packages give the
/// same bytes; a file that has not changed is not written. Each file is replaced atomically, shards come before
/// the index that names them, and stay for a week when no index names them any longer. One run at a time works
/// on a channel. Throws `Error` (invalid_input for a folder that is no channel, locked, no_space, interrupted, ...);
/// the index is then as it was, or in parts newer.
ChannelIndexResult index_channel(const ChannelIndexRequest& request, ChannelIndexReporter& reporter, std::stop_token stop = {});

}  // namespace envtool
