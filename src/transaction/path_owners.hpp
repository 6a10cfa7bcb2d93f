#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "envtool/transaction/link_plan.hpp"

namespace envtool::detail {

/// One package's claim to one path.
struct Claim {
  enum class Side : std::uint8_t { leaving, kept, linked };
  Side side = Side::kept;
  const PathEntry* entry = nullptr;
  const PackageRecord* owner = nullptr;
  /// Rank of the owner in its set of packages; the highest has the path.
  std::uint32_t old_rank = 0;
  std::uint32_t new_rank = 0;
  /// Only for linked packages.
  std::uint32_t package = 0;
  std::uint32_t entry_index = 0;
  std::uint32_t action = 0;
};

/// All claims to the paths that a transaction touches.
using ClaimMap = std::unordered_map<std::string_view, std::vector<Claim>>;

/// What makes two files at one path the same: type and content, as far as the manifest knows it.
std::string content_identity(const Claim& claim);
/// For the record of a package whose file is not at its path: what is there is another's. A script's digest
/// stays as that of the package's own file.
void forget_digest(PathEntry& entry);
/// The parking place for a path's file of this identity.
std::string place_of(std::string_view path, std::string_view identity);

/// Settles who has each path before and after, and writes the outcome into the plan: actions of
/// losers are sent to their parking place, actions without effect are dropped.
class PathSettlement {
 public:
  PathSettlement(LinkPlan& plan, const LinkPlanOptions& options) : plan_(plan), options_(options) {}
  /// `dropped[i]` is set for each action of the plan that is not needed.
  void settle(const std::string& path, std::vector<Claim>& claims, std::vector<char>& dropped);

 private:
  struct Group;
  /// The records of the group's packages say nothing any more about the content at the path.
  void note_lost(const std::string& path, const Group& group);
  void note_conflict(const std::string& path, const Claim& winner, const std::vector<Group>& groups);

  LinkPlan& plan_;
  const LinkPlanOptions& options_;
};

}  // namespace envtool::detail
