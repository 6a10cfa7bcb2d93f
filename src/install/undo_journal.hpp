#pragma once

#include "apply_journal.hpp"

namespace envtool::detail {

/// Takes back what was carried out of a committed change: every step backwards, by renames, each repeatable from
/// any mix of done and undone. `lost` has the paths whose old file is nowhere to be found, `saved` what stood in its
/// way. Throws `Error` when the file system refuses; everything else is put back by then, and nothing is deleted.
ApplyResult undo_journal(const Prefix& prefix, const Journal& journal, Durability durability, InstallReporter& reporter);

}  // namespace envtool::detail
