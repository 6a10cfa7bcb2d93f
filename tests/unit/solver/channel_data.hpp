#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "envtool/solver/solve.hpp"

namespace envtool::test {

/// One environment of the collection: what was asked for and what somebody's lock file has.
struct LockedEnvironment {
  std::string id, platform;
  std::vector<std::string> channels, roots;
  /// `channel/subdir/file name`.
  std::vector<std::string> solution;
};

/// Real channel data beside the project's folder; see `available`.
class ChannelData {
 public:
  explicit ChannelData(std::string folder) : folder_(std::move(folder)) {}

  bool available() const;
  std::vector<LockedEnvironment> environments() const;
  /// The records of one channel and subdir, read once; empty when there is no such file.
  const std::deque<RepoDataRecord>& records(const std::string& channel, const std::string& subdir);
  /// All that an environment may choose from.
  CandidateIndex index(const std::vector<std::string>& channels, const std::string& platform);
  /// The record of `channel/subdir/file name`, or null.
  const RepoDataRecord* find(const std::string& path);

 private:
  std::string folder_;
  std::map<std::string, std::deque<RepoDataRecord>> records_;
  std::map<std::string, const RepoDataRecord*> by_path_;
};

/// What a common machine of that platform offers; `__cuda` only for those who ask.
std::vector<PackageRecord> usual_virtual_packages(const std::string& platform, bool cuda);

/// True when a locked record cannot be had without a graphics card.
bool needs_cuda(ChannelData& data, const LockedEnvironment& environment);

/// The request for the bare roots of an environment.
SolveRequest request_for(ChannelData& data, const LockedEnvironment& environment, const CandidateIndex& index);

}  // namespace envtool::test
