#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <set>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "envtool/install/reporter.hpp"
#include "envtool/os/file_lock.hpp"
#include "envtool/os/files.hpp"
#include "envtool/package_cache/package_cache.hpp"
#include "envtool/prefix/history.hpp"
#include "envtool/prefix/prefix.hpp"
#include "envtool/prefix/revision.hpp"
#include "envtool/transaction/link_plan.hpp"

namespace envtool {

/// What creation does when there is an environment at its place already.
enum class ExistingPrefix {
  refuse,  ///< an error
  replace  ///< the new one takes its place when it is complete
};

/// How a change is carried out.
struct InstallOptions {
  LinkPolicy link;
  /// `full`: after a power cut the environment is old or new. `none` leaves that to the kernel (a
  /// killed process is still harmless).
  Durability durability = Durability::full;
  /// Threads for staging; 0 chooses between 2 and 8.
  unsigned threads = 0;
  /// How long to wait for another process that works on the prefix.
  std::chrono::milliseconds lock_timeout = std::chrono::minutes(5);
  /// What other processes are told while they wait for this one; empty: what it is doing, in one word.
  std::string command = {};
  /// Ends the waiting for a lock with an `Error` (interrupted).
  std::stop_token stop = {};
  /// Never null inside the library; the default reporter does nothing.
  InstallReporter* reporter = nullptr;
  /// Seconds for byte-compiling, then it is given up (which is no error).
  unsigned compile_time_limit = 600;
  /// Where creations keep byte code for the next environment with the same Python and packages; empty:
  /// nowhere. Nobody whom the user does not trust may write there, as with the package cache.
  std::string byte_code_folder;
  /// Only for `create_prefix`.
  ExistingPrefix existing = ExistingPrefix::refuse;
};

/// An environment that a new one took the place of. It waits in a folder next to its place and is deleted
/// with this object, unless it is put back before.
class ReplacedPrefix {
 public:
  ReplacedPrefix(Prefix prefix, std::string waiting_at, FileLock lock);
  ReplacedPrefix(const ReplacedPrefix&) = delete;
  ReplacedPrefix& operator=(const ReplacedPrefix&) = delete;
  ~ReplacedPrefix();
  /// Puts the old environment back and deletes the new one. Throws `Error` when it cannot.
  void restore();

 private:
  Prefix prefix_;
  std::string waiting_at_;
  FileLock lock_;
};

/// What goes into history and state together with the packages.
struct EnvironmentChange {
  /// `time` is set when empty; `linked` and `unlinked` are filled from the plan.
  HistoryEntry history;
  /// Variables to write to `conda-meta/state`; absent: the file stays as it is.
  std::optional<EnvironmentVariables> variables;
  /// pip packages come after this change: until `mark_finished` the environment is marked as unfinished.
  bool pip_follows = false;
  /// The text of `conda-meta/.envtool/link-scripts`, written with the change: scripts that are to be run after
  /// it. Empty: none.
  std::string link_scripts = {};
  /// `conda-meta/state` goes.
  bool removes_variables = false;
  /// The new text of `conda-meta/pinned`, or nothing in it: the file goes. Absent: it stays as it is.
  std::optional<std::optional<std::string>> pinned;
  /// What was found before the change and what is there after it: written with the history, so that the
  /// change can be undone. Absent: only the history is written.
  std::optional<EnvironmentState> found, state;
  /// No revision of its own: `state` completes the last one.
  bool amends = false;
};

/// What was done.
struct InstallResult {
  std::size_t linked_packages = 0;
  std::size_t unlinked_packages = 0;
  std::size_t files = 0;
  std::size_t removed = 0;
  std::size_t compiled = 0;
  /// Files kept aside: their path and the name they have now, relative to the prefix.
  std::vector<std::pair<std::string, std::string>> saved;
  /// The environment that was there before, when a creation replaced one.
  std::shared_ptr<ReplacedPrefix> replaced;
};

/// A change was planned for another state of the environment than the one that is there (kind `locked`).
class EnvironmentChanged : public Error {
 public:
  using Error::Error;
};

/// The exclusive right to change a prefix, from before its state is read until after the change. A
/// change that an earlier process left unfinished is brought to its end on the way.
class PrefixLock {
 public:
  /// Throws `Error`: `environment_not_found`, `locked` after the timeout, `permission`.
  static PrefixLock acquire(const Prefix& prefix, const InstallOptions& options = {});
  const Prefix& prefix() const { return prefix_; }

 private:
  PrefixLock(Prefix prefix, FileLock lock) : prefix_(std::move(prefix)), lock_(std::move(lock)) {}
  Prefix prefix_;
  FileLock lock_;
};

/// Cached packages as the planner wants them.
std::vector<PackageSource> package_sources(std::span<const CachedPackage> packages);

/// The parking places that exist (`LinkPlanOptions::parked`).
std::set<std::string> parked_files(const Prefix& prefix);

/// Builds a new environment next to its place and renames it there: it is complete or absent. The
/// place must not exist, be an empty folder, or hold an environment that `options.existing` says to
/// replace (by one swap of the two folders). Throws `Error` (prefix_exists, no_space, corrupt,
/// interrupted, ...) and leaves everything as it was.
InstallResult create_prefix(const LinkPlan& plan, const EnvironmentChange& change,
                            const InstallOptions& options = {}, std::stop_token stop = {});

/// Throws `EnvironmentChanged` when the records are not those of `basis` (sorted file names).
void refuse_changed(const PrefixLock& lock, const std::vector<std::string>& basis);

/// Changes an existing environment: stages every file, writes the journal (the commit point), then
/// renames. Before the commit point any failure or stop leaves the environment as it was; after it a
/// failure is made good by the next command (`recover`). Throws `EnvironmentChanged` when the
/// prefix is no longer what the plan was made for.
InstallResult apply_to_prefix(PrefixLock& lock, const LinkPlan& plan, const EnvironmentChange& change,
                              const InstallOptions& options = {}, std::stop_token stop = {});

/// What `recover` found.
struct RecoverResult {
  enum class Outcome {
    clean,           ///< nothing was pending
    rolled_forward,  ///< a committed change was finished
    discarded,       ///< an uncommitted change was thrown away
    undone,          ///< a committed change was taken back (`undo_pending_change`)
    busy,            ///< its process is alive
    read_only        ///< pending, and this prefix cannot be written
  } outcome = Outcome::clean;
  std::vector<std::pair<std::string, std::string>> saved;
  /// Paths that could neither be found staged nor made again, or whose old file is gone (`undone`): the environment
  /// needs a repair.
  std::vector<std::string> lost;
};

/// Every command calls this when it opens a prefix. One `lstat` when there is nothing to do. Throws
/// `Error` (corrupt) when a journal is damaged beyond its copy: nothing is guessed.
RecoverResult recover(const Prefix& prefix, const InstallOptions& options = {});

/// Takes a committed change back that `recover` cannot finish: from what was kept aside every path gets its old file
/// again. Once begun every command goes on with it. A change that is not decided yet, or a move, is recovered as by
/// `recover`. Throws `Error` when the file system refuses; nothing is deleted then.
RecoverResult undo_pending_change(const Prefix& prefix, const InstallOptions& options = {});

/// True when a change is pending; never changes anything. Throws `Error` when it cannot be told.
bool has_pending_change(const Prefix& prefix);

/// Files below the prefix that no package owns (conda-meta, byte code and saved files aside), sorted.
std::vector<std::string> unowned_files(const Prefix& prefix);

/// Removes a whole environment: renamed aside at once, then deleted. Throws `Error`
/// (environment_not_found, locked, ...). A process killed after the rename leaves a folder
/// `.envtool-trash-*`, which later creations and removals next to it sweep away.
void remove_prefix(const Prefix& prefix, const InstallOptions& options = {});

/// What to tell about an environment whose pip packages never came because the process was ended;
/// nothing for all others.
std::optional<std::string> unfinished_note(const Prefix& prefix);

/// The pip packages are there (see `EnvironmentChange::pip_follows`). Throws `Error`.
void mark_finished(const Prefix& prefix);

/// Deletes what killed creations and removals left next to this prefix, when their processes are gone. An
/// environment that waits for its replacement to be finished is put back when its place is empty.
void sweep_leftovers(const Prefix& prefix);

}  // namespace envtool
