#pragma once

#include <vector>

#include "universe.hpp"

namespace envtool::solving {

/// Takes away what cannot be part of any solution, without search: candidates whose dependency has
/// no candidate left, and candidates that a package which must be installed does not tolerate.
/// What is left is all that the SAT solver gets to see.
class Narrowing {
 public:
  explicit Narrowing(Universe& universe);

  /// Starts from the root and the names of `wanted` (installed packages that would like to stay).
  /// False when a package that must be installed has no candidate left.
  bool run(const std::vector<NameId>& wanted);

  /// The candidates of a loaded name that are left.
  const Bits& alive(NameId name) const { return alive_[name]; }
  bool is_alive(CandidateId id) const {
    const NameId name = universe_.candidate(id).name;
    return alive_[name].test(universe_.local(id));
  }
  /// True when every solution has the name.
  bool is_certain(NameId name) const { return certain_[name] != 0; }

 private:
  void discover(NameId name);
  void register_candidate(CandidateId id);
  void kill(CandidateId id);
  void settle();
  void restrict_neighbours(NameId name);
  void make_certain(NameId name);
  void grow();

  Universe& universe_;
  std::vector<Bits> alive_;
  std::vector<char> known_;    ///< per name: `alive_` is set up
  std::vector<char> certain_;  ///< per name
  std::vector<char> queued_;   ///< per name: waits in `certain_queue_`
  std::vector<char> registered_;            ///< per candidate
  std::vector<std::uint32_t> support_;      ///< per spec: matching candidates that are left
  std::vector<char> watched_;               ///< per spec: `support_` is valid
  std::vector<std::vector<CandidateId>> dependents_;  ///< per spec
  std::vector<CandidateId> dying_;
  std::vector<NameId> certain_queue_;
  std::vector<NameId> reachable_;
  bool failed_ = false;
};

}  // namespace envtool::solving
