#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "envtool/prefix/prefix.hpp"
#include "envtool/transaction/link_plan.hpp"
#include "journal.hpp"

namespace envtool::detail {

/// A staged change, about to be decided.
struct StagedChange {
  const Prefix& prefix;
  PrefixRoot& root;
  const LinkPlan& plan;
  /// Steps that place files, those of byte code and those that remove something.
  const std::vector<JournalStep>& places;
  const std::vector<JournalStep>& byte_code;
  const std::vector<JournalStep>& removals;
  /// Folders that have to be there.
  const std::set<std::string, std::less<>>& folders;
};

/// Throws `Error` for a change that could not be carried out, or that would take another package's files out
/// of reach, because of symlinks as they will be: after the decision it would be too late. `unsafe` where a
/// symlink leads out of the environment or into `conda-meta`, `clobber` for everything else. Gives the paths of new
/// files behind symlinks that take the place of one that goes, each with that one's path.
std::vector<std::pair<std::string, std::string>> check_final_tree(const StagedChange& change);

}  // namespace envtool::detail
