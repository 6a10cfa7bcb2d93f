#pragma once

#include <string>
#include <utility>
#include <vector>

#include "envtool/install/reporter.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/prefix.hpp"
#include "journal.hpp"

namespace envtool::detail {

/// What carrying out a journal met.
struct ApplyResult {
  std::vector<std::pair<std::string, std::string>> saved;
  std::vector<std::string> lost;
};

/// Carries a committed journal out: by renames, each step repeatable, so it does not matter how often
/// and from where it is started again (`replay` then). Throws only when the file system refuses again and again.
ApplyResult apply_journal(const Prefix& prefix, const Journal& journal, Durability durability, InstallReporter& reporter,
                          bool replay);

}  // namespace envtool::detail
