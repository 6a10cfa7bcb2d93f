#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "envtool/app/change.hpp"
#include "envtool/repodata/repodata_gateway.hpp"
#include "envtool/solver/solve.hpp"

namespace envtool::detail {

/// The records that one request can reach, ready for the solver. Not movable: the index points
/// into the records.
class ReachableRecords {
 public:
  ReachableRecords() = default;
  ReachableRecords(const ReachableRecords&) = delete;

  /// Loads the records that the names lead to.
  void load(const AppInputs& inputs, const std::vector<Channel>& channels, const Platform& platform,
            std::vector<std::string> names, const std::vector<MatchSpec>& specs);

  const CandidateIndex& index() const { return index_; }
  const std::vector<Channel>& channels() const { return channels_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  /// Every name that the channels have; read on demand, for suggestions.
  std::vector<std::string> all_names(std::stop_token stop) const { return gateway_->all_names(stop); }

 private:
  std::unique_ptr<Fetcher> fetcher_;
  std::unique_ptr<RepoDataReporter> reporter_;
  std::unique_ptr<RepoDataGateway> gateway_;
  std::vector<Channel> channels_;
  RecordsByName records_;
  CandidateIndex index_;
  std::vector<std::string> warnings_;
};

/// What the solver is asked, without the candidates.
struct Wishes {
  std::vector<MatchSpec> specs;
  std::vector<MatchSpec> pins;
  InstalledPackages installed;
  DependencyMode dependencies = DependencyMode::all;
};

/// Solves; throws `unsolvable_error` when there is no solution. The records are copies, dependencies
/// first.
std::vector<RepoDataRecord> solve_wishes(const AppInputs& inputs, const std::vector<Channel>& channels,
                                         const Platform& platform, const Wishes& wishes,
                                         std::vector<std::string>& warnings);

}  // namespace envtool::detail
