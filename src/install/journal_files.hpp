#pragma once

#include <string>

#include "journal.hpp"

namespace envtool::detail {

/// Where the slots are, relative to the prefix.
inline constexpr std::string_view state_folder = "conda-meta/.envtool/";

/// The same file as then, by what `lstat` says.
bool same_file(const Found& now, const Found& then);

/// True when the file is the step's new one: the staged inode, or the same content where inode numbers do not stay
/// (a network file system mounted anew, a prefix that was copied).
bool is_result(const JournalStep& step, PrefixRoot& root, const std::string& path, const Found& found);

/// True when a file that lost its path is the one that was expected there. After a restart (`is_replay`) the prefix
/// may be a copy with other inode numbers; size and time to the nanosecond still tell.
bool was_expected(const JournalStep& step, const Found& displaced, bool is_replay);

/// Renames to a path where nothing is, folders made on the way; false when something is there by now, or nothing to
/// rename. Throws `Error` for everything else.
bool move_new(PrefixRoot& from_root, const std::string& from, PrefixRoot& to_root, const std::string& to);

/// The name under which a file is kept aside at the n-th try.
std::string saved_name(const std::string& path, const std::string& journal_id, int number);

}  // namespace envtool::detail
