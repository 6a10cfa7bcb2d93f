#pragma once

#include <optional>
#include <vector>

#include "narrowing.hpp"
#include "universe.hpp"

namespace envtool::solving {

/// Turns what narrowing left into a SAT problem and its answer back into candidates: orders the
/// candidates of each name as conda prefers them and drops those that a better one can stand in for.
class Encoding {
 public:
  Encoding(Universe& universe, const Narrowing& narrowing);

  /// `wanted`: names of installed packages that would like to stay. Nothing when unsolvable.
  std::optional<std::vector<CandidateId>> solve(const std::vector<NameId>& wanted);
  /// How many candidates libsolv got to see.
  std::size_t candidate_count() const { return candidate_count_; }

 private:
  /// What a candidate asks of one other name.
  struct Demand {
    NameId name = no_id;
    std::uint32_t accepted = 0;  ///< number of an interned set
    bool needed = false;
  };
  struct State {
    bool reached = false;
    std::vector<CandidateId> order;  ///< best first
    Bits alive;
  };
  struct SetKey {
    NameId name;
    Bits bits;
    bool operator==(const SetKey&) const = default;
  };
  struct SetHash {
    std::size_t operator()(const SetKey& key) const;
  };

  void reach(const std::vector<NameId>& wanted);
  static bool same_preference(const Candidate& a, const Candidate& b);
  void rank(NameId name);
  std::uint32_t best_version(SpecId spec);
  std::uint32_t intern_set(NameId name, Bits bits);
  std::uint32_t accepted_set(SpecId spec);
  void collect_demands();
  bool asks_no_more(const std::vector<Demand>& weak, const std::vector<Demand>& strong) const;
  bool drop_dominated();
  std::vector<NameId> from_the_top(std::vector<NameId> names) const;

  Universe& universe_;
  const Narrowing& narrowing_;
  std::vector<State> states_;
  std::vector<NameId> reached_;
  std::vector<std::vector<Demand>> demands_;      ///< per candidate
  std::vector<SetKey> sets_;
  std::unordered_map<SetKey, std::uint32_t, SetHash> set_ids_;
  std::vector<std::uint32_t> spec_sets_;          ///< per spec: its set, once known
  std::vector<std::uint32_t> best_versions_;      ///< per spec
  std::size_t candidate_count_ = 0;
};

}  // namespace envtool::solving
