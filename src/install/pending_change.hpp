#pragma once

#include "apply_journal.hpp"
#include "envtool/install/installer.hpp"
#include "journal.hpp"

namespace envtool::detail {

/// Puts the journal down: when this returns the change is decided. Throws when it is not.
void commit(const Prefix& prefix, const Journal& journal, Durability durability);

/// Finishes a committed change: the renames, then what comes after them, then `tx/` goes.
ApplyResult finish_change(const Prefix& prefix, const Journal& journal, const InstallOptions& options, bool replay,
                          std::size_t* compiled = nullptr);

/// What is to become of a change that was decided.
enum class Unfinished { finish, take_back };

/// With the lock held: brings what an earlier process left to its end. Never `busy` or `read_only`.
RecoverResult recover_locked(const Prefix& prefix, const InstallOptions& options, Unfinished unfinished = Unfinished::finish);

}  // namespace envtool::detail
