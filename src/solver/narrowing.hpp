#pragma once

#include <optional>
#include <vector>

#include "universe.hpp"

namespace envtool::solving {

/// Takes away what cannot be part of any solution, without search: candidates whose dependency has
/// no candidate left, and candidates that a package which must be installed does not tolerate.
/// What is left is all that the SAT solver gets to see.
class Narrowing {
 public:
  /// Why a candidate is out.
  struct Cause {
    enum class Kind : std::uint8_t {
      none,
      dependency,  ///< no candidate is left for the spec `id`
      refused,     ///< the name `id`, which must be installed, does not tolerate it
      metadata,    ///< its dependencies cannot be understood or had on this machine
      excluded,    ///< see the candidate's exclusion
      assumed      ///< by `assume`
    };
    Kind kind = Kind::none;
    std::uint32_t id = no_id;
    /// When it went out; later causes have higher numbers.
    std::uint32_t time = 0;
  };

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
  /// True when the name has been looked at at all.
  bool is_known(NameId name) const { return name < known_.size() && known_[name] != 0; }
  const Cause& cause(CandidateId id) const { return causes_[id]; }
  /// Takes away all other candidates of its name; false when nothing is left of a package that
  /// must be installed.
  bool assume(CandidateId id);
  /// The name that has no candidate left though it must be installed; only after a failure.
  NameId failed_name() const { return failed_name_; }
  /// The name whose candidates all need this one, which made it certain; `no_id` for the root.
  NameId needed_by(NameId name) const { return needed_by_[name]; }
  /// When it became certain, on the clock of `Cause::time`.
  std::uint32_t certain_since(NameId name) const { return certain_since_[name]; }
  /// True when every solution has the name.
  bool is_certain(NameId name) const { return certain_[name] != 0; }

 private:
  void discover(NameId name);
  void register_candidate(CandidateId id);
  void kill(CandidateId id, Cause::Kind why, std::uint32_t because);
  void fail(NameId name);
  void settle();
  void settle_unconditional();
  std::optional<bool> condition_value(const Condition& condition) const;
  void restrict_neighbours(NameId name);
  void make_certain(NameId name, NameId needed_by);
  void grow();

  Universe& universe_;
  std::vector<Bits> alive_;
  std::vector<char> known_;    ///< per name: `alive_` is set up
  std::vector<char> certain_;  ///< per name
  std::vector<char> queued_;   ///< per name: waits in `certain_queue_`
  std::vector<char> conditional_;           ///< per name: a candidate has a conditional dependency
  std::vector<NameId> conditional_names_;   ///< those names, when they are certain
  std::vector<char> registered_;            ///< per candidate
  std::vector<std::uint32_t> support_;      ///< per spec: matching candidates that are left
  std::vector<char> watched_;               ///< per spec: `support_` is valid
  std::vector<std::vector<CandidateId>> dependents_;  ///< per spec
  std::vector<CandidateId> dying_;
  std::vector<NameId> certain_queue_;
  std::vector<NameId> reachable_;
  std::vector<Cause> causes_;                 ///< per candidate
  std::vector<NameId> needed_by_;             ///< per name
  std::vector<std::uint32_t> certain_since_;  ///< per name
  NameId failed_name_ = no_id;
  std::uint32_t clock_ = 0;
  bool failed_ = false;
};

}  // namespace envtool::solving
