#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "envtool/app/change.hpp"
#include "envtool/install/file_facts.hpp"
#include "envtool/specs/channel.hpp"

namespace envtool {

/// What can be wrong with an environment.
enum class ProblemKind : std::uint8_t {
  missing,          ///< nothing is at a path
  size,             ///< a file has another size
  content,          ///< a file has another digest
  type,             ///< a file, symlink or folder where something else should be
  link,             ///< a symlink leads elsewhere
  mode,             ///< not executable or readable any more; setuid; writable by everybody
  unreadable,       ///< it cannot be looked at
  outside,          ///< the way to it leads out of the environment
  folder,           ///< a folder of packages was replaced by a symlink
  parked,           ///< the file of a package that lost its path to another is not kept as it was
  replaced_by_pip,  ///< a Python package that pip installed has taken a file's place
  record_damaged,   ///< a document of conda-meta cannot be used
  record_missing,   ///< the history knows a package that has no record
  record_twice,     ///< a second record of one package
  record_name,      ///< a record that is not what its file name says
  dependency,       ///< what a package needs is not there
  constraint,       ///< what is there is what a package excludes
  history,          ///< the history or a revision cannot be read
  pending,          ///< a change was begun and not finished
  unfinished,       ///< pip packages never came, or link scripts did not end
  pip_missing,      ///< a file of a package that pip installed is missing
  pip_content,      ///< such a file was changed
  pip_record        ///< such a package has no manifest of its files
};
/// `missing`, `record-damaged`, ...
std::string_view problem_name(ProblemKind kind);

/// One thing that is not as recorded.
struct Problem {
  /// `name-version-build`, for pip packages `name==version`, or empty for the environment itself.
  std::string package;
  /// Relative to the environment; may be empty.
  std::string path;
  ProblemKind kind = ProblemKind::missing;
  /// In words, or digests.
  std::string expected, found;
  /// For `mode`: the permission bits that should be there, and those that should not.
  unsigned mode_set = 0, mode_clear = 0;
};

struct VerifyOptions {
  /// Types, sizes, modes and links, but no contents.
  bool quick = false;
  /// Names every file that belongs to no package; else they are only counted.
  bool list_extra = false;
  /// Only these packages, conda's or pip's, by name; empty: everything.
  std::vector<std::string> packages;
};

/// What was looked at, and what is wrong.
struct VerifyReport {
  PendingChange pending;
  /// Somebody changed the environment meanwhile: the problems may be of the moment.
  bool changed_meanwhile = false;
  std::size_t packages = 0, pip_packages = 0, files = 0;
  /// Read for their digests.
  std::uint64_t bytes = 0;
  /// Sorted by package and path.
  std::vector<Problem> problems;
  /// Files of no package; sorted, empty unless asked for. Byte code and saved files are not among them.
  std::size_t extra_count = 0;
  std::vector<std::string> extra;
  /// Files that earlier commands kept aside for the user.
  std::size_t saved = 0;
  /// Byte code that is not there or does not fit its source: Python makes it anew.
  std::size_t byte_code_missing = 0, byte_code_stale = 0;
  /// Things worth knowing that are no damage.
  std::vector<std::string> notes;
};

/// Compares an environment with its records. Read-only; waits for nobody. Damage is never an `Error`; thrown are
/// packages_not_found for names that are not there, permission, interrupted.
VerifyReport verify_environment(const AppInputs& inputs, const Prefix& prefix, const VerifyOptions& options = {});

/// How the problems of a report go away.
struct RepairPlan {
  /// The packages to be linked anew, and pip packages that come back.
  Plan plan;
  /// Permission bits to set: path, and the bits that the file should have and should not have.
  struct ModeChange {
    std::string path;
    unsigned set = 0, clear = 0;
  };
  std::vector<ModeChange> modes;
  /// Records that get another name, or none that counts (files of conda-meta).
  std::vector<std::pair<std::string, std::string>> renamed_records;
  /// What cannot be repaired, and what the user can do.
  std::vector<std::pair<Problem, std::string>> left;

  bool empty() const { return plan.transaction.empty() && !plan.restoration && modes.empty() && renamed_records.empty(); }
};

/// Decides about a repair; nothing is changed. `channels` give credentials for downloads. `doubts_cache` makes the
/// cached packages be read in full before they are trusted (which notes that in the caches). Throws `Error`.
RepairPlan plan_repair(const AppInputs& inputs, const Prefix& prefix, const VerifyReport& report,
                       const std::vector<Channel>& channels, bool doubts_cache);

/// Carries a repair out, like any other change: with a revision of its own, and with files that the user changed
/// kept aside. Throws what `execute` throws.
InstallResult execute_repair(const AppInputs& inputs, const RepairPlan& repair);

}  // namespace envtool
