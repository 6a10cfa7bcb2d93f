#pragma once

#include <set>
#include <tuple>
#include <vector>

#include "envtool/solver/unsolvable.hpp"
#include "narrowing.hpp"
#include "universe.hpp"

namespace envtool::solving {

/// Tells how a failed narrowing came about: from each wish down to the demands that contradict
/// each other. Follows only the causes that the failure rests on.
class ReasonTree {
 public:
  ReasonTree(Universe& universe, const Narrowing& narrowing);

  /// One node for each wish that takes part.
  std::vector<ConflictReason> build();

 private:
  /// A node of the result while it grows.
  struct Node {
    ConflictReason reason;
    std::vector<std::size_t> children;
  };

  std::size_t add(std::size_t parent, ConflictReason reason);
  std::size_t branch(NameId name);
  std::size_t wish_node(NameId name);
  std::size_t statement(NameId speaker, NameId about, std::uint32_t time);
  std::size_t link(std::size_t above, NameId speaker, NameId about, std::uint32_t time);
  void explain_escapes(NameId speaker, NameId about, std::uint32_t time, std::size_t node);
  /// What an explanation of candidates leaves unsaid.
  enum class Refusals { tell_many, tell_all };
  void explain_set(std::size_t parent, NameId name, const Bits& candidates, Refusals refusals);
  void explain_demand(std::size_t parent, NameId name, const Bits& holders, NameId about);
  /// What one candidate says about a name: its specs and what they accept together.
  struct Demand {
    std::vector<std::string> texts;
    Bits accepted;
    bool always = false;  ///< not only on a condition
  };
  Demand demand(CandidateId id, NameId about);
  Bits accepted_by(NameId speaker, const Bits& holders, NameId about);
  std::string exclusion_text(NameId name, Exclusion exclusion, const Bits& candidates) const;
  std::string unreadable_text(const RepoDataRecord& record) const;
  std::string refusal(NameId speaker, NameId about, std::uint32_t time);
  Bits alive_at(NameId name, std::uint32_t time) const;
  bool bears(CandidateId id, NameId about, const Bits& refused);
  std::string package_text(NameId name, const Bits& candidates) const;
  std::string specs_text(NameId speaker, const Bits& holders, NameId about);
  ConflictReason absence(NameId name, const std::vector<SpecId>& specs);
  ConflictReason to_reason(std::size_t node) const;

  Universe& universe_;
  const Narrowing& narrowing_;
  std::vector<Node> nodes_;
  /// Of which speaker, name, number of holders the ways out have been told, and whether in full.
  std::set<std::tuple<NameId, NameId, std::size_t, bool>> escapes_told_;
  int depth_ = 0;
  int escape_level_ = 0;
  int escape_depth_ = 0;
};

}  // namespace envtool::solving
