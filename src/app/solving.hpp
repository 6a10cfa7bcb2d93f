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
  /// The records that more names lead to. What was given out before is no longer valid.
  void load_more(const std::vector<std::string>& names, std::stop_token stop);
  /// True when no channel has anything for the platform but `noarch`.
  bool platform_is_empty(const AppInputs& inputs, const Platform& platform);
  /// Which of the names other common platforms have, as far as that can be read without a request.
  std::map<std::string, std::vector<std::string>> on_other_platforms(const AppInputs& inputs, const Platform& platform,
                                                                     const std::vector<std::string>& names);

 private:
  void fill(std::stop_token stop);

  std::unique_ptr<Fetcher> fetcher_;
  std::unique_ptr<RepoDataReporter> reporter_;
  std::unique_ptr<RepoDataGateway> gateway_;
  std::vector<Channel> channels_;
  std::vector<std::string> names_;
  TablesByName records_;
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

/// Completes what the solver can say with what it cannot see: other platforms, where pins come from.
void add_app_suggestions(Unsolvable& unsolvable, ReachableRecords& reachable, const AppInputs& inputs,
                         const Platform& platform, const Wishes& wishes);

/// Solves; throws `unsolvable_error` when there is no solution. The records are copies, dependencies
/// first.
std::vector<RepoDataRecord> solve_wishes(const AppInputs& inputs, const std::vector<Channel>& channels,
                                         const Platform& platform, const Wishes& wishes,
                                         std::vector<std::string>& warnings);

}  // namespace envtool::detail
