#include "pending_change.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "compile_python.hpp"
#include "envtool/base/error.hpp"
#include "envtool/os/log.hpp"
#include "metadata.hpp"
#include "move_mark.hpp"
#include "system_call.hpp"
#include "undo_journal.hpp"

namespace envtool {

namespace detail {

namespace {
constexpr const char* ready_name = "/journal.ready";
constexpr const char* copy_name = "/journal.copy";
constexpr const char* done_name = "/journal.done";
/// Next to `journal.ready`: the change is not to be finished but taken back.
constexpr const char* undo_name = "/undo";

/// Space set aside before the commit, given back right after it: the renames may need blocks for
/// folders, and must not fail for want of them.
void make_reserve(const std::string& path) {
  const FileDescriptor fd(system_call("install.create", [&] {
    return open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  }));
  if (!fd) fail_errno("cannot set space aside", path, errno);
  constexpr off_t bytes = 4 << 20;
  const int injected = failpoint("install.reserve");
  const int error_number = injected != 0 ? injected : posix_fallocate(fd.get(), 0, bytes);
  // A file system that cannot is no reason to stop; one that is full is.
  if (error_number == ENOSPC || error_number == EDQUOT) fail_errno("cannot set space aside", path, error_number);
}

[[noreturn]] void refuse_place(const std::string& path, const char* why) {
  throw Error("an unfinished change is not where envtool leaves one", ErrorKind::unsafe)
      .at(path)
      .because(why)
      .hint("somebody else may have put it there; remove it when you know that it is of no use");
}

/// What a change that is not ours could lead us to: folders and journals behind symlinks are never touched.
void refuse_links(const Prefix& prefix) {
  struct stat status{};
  for (const std::string& folder : {prefix.conda_meta(), prefix.state_directory(), prefix.transaction_directory()})
    if (lstat(folder.c_str(), &status) == 0 && S_ISLNK(status.st_mode)) refuse_place(folder, "it is a symlink");
  for (const char* name : {ready_name, copy_name, done_name, undo_name}) {
    const std::string path = prefix.transaction_directory() + name;
    if (lstat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) refuse_place(path, "it is no file");
  }
}

/// Who the journal came from: only our own is believed about files outside the prefix and programs to run.
void limit_trust(const Prefix& prefix, const char* name, Journal& journal) {
  const std::string folder = prefix.transaction_directory();
  struct stat there{}, file{};
  const bool known = lstat(folder.c_str(), &there) == 0 && lstat((folder + name).c_str(), &file) == 0;
  if (known && there.st_ino == journal.folder && there.st_uid == geteuid() && file.st_uid == geteuid()) return;
  log_info("the unfinished change of " + prefix.path() + " is a copy or another user's: only its own files are used");
  for (JournalStep& step : journal.steps) step.recipe = {};
  journal.compile.clear();
}

std::optional<Journal> read_journal(const std::string& folder, const char* name) {
  const auto text = read_file_if_exists(folder + name);
  if (!text) return std::nullopt;
  try {
    return parse_journal(*text, folder + name);
  } catch (const Error& damaged) {
    const auto copy = read_file_if_exists(folder + copy_name);
    if (!copy) throw;
    log_info(std::string("using the copy of a damaged journal: ") + damaged.what());
    return parse_journal(*copy, folder + copy_name);
  }
}

void compile_pending(const Prefix& prefix, const Journal& journal, const InstallOptions& options, std::size_t* compiled) {
  if (journal.compile.empty()) return;
  InstallReporter& reporter = reporter_of(options);
  std::vector<CompileJob> jobs;
  for (const JournalCompile& item : journal.compile)
    jobs.push_back({prefix / item.source, prefix / item.target, item.source});
  reporter.on_compile_start(jobs.size());
  const std::vector<char> done = compile_python(prefix / journal.python, jobs, options.compile_time_limit, {});
  const auto count = static_cast<std::size_t>(std::count(done.begin(), done.end(), 1));
  if (compiled != nullptr) *compiled = count;
  reporter.on_compile_finish(count, jobs.size());
}
}  // namespace

void commit(const Prefix& prefix, const Journal& journal, Durability durability) {
  const std::string folder = prefix.transaction_directory();
  make_reserve(folder + "/reserve");
  const std::string text = render_journal(journal);
  write_atomically(folder + copy_name, text, 0644, durability);
  if (durability == Durability::full) sync_file_system(prefix.path());
  stage_point("apply.synced", prefix.path());
  try {
    write_atomically(folder + ready_name, text, 0644, durability);
  } catch (const Error&) {
    // The rename may have happened and only its sync failed: then the change is decided.
    // (When even that cannot be told, nothing was applied yet: taking it back is right, too.)
    if (!exists_no_follow(folder + ready_name)) throw;
  }
}

ApplyResult finish_change(const Prefix& prefix, const Journal& journal, const InstallOptions& options, bool replay,
                          std::size_t* compiled) {
  const std::string folder = prefix.transaction_directory();
  ApplyResult result;
  if (!replay || surely_exists(folder + ready_name)) {
    result = apply_journal(prefix, journal, options.durability, reporter_of(options), replay);
    stage_point("apply.applied", prefix.path());
    rename_path(folder + ready_name, folder + done_name);
    // Or a power cut could bring the journal back after the user went on working.
    if (options.durability == Durability::full) sync_directory(folder);
  }
  stage_point("apply.done", prefix.path());
  compile_pending(prefix, journal, options, compiled);
  stage_point("apply.compiled", prefix.path());
  // A tree without its journal is thrown away: the journal goes last.
  for (const char* part : {"/new", "/old"}) remove_tree(folder + part);
  remove_tree(folder);
  if (options.durability == Durability::full) sync_directory(prefix.state_directory());
  return result;
}

namespace {
/// Takes a committed change back. Whoever comes after a kill goes on with that, and once the journal is gone
/// only has to clean up.
RecoverResult take_back(const Prefix& prefix, const Journal& journal, const InstallOptions& options) {
  const std::string folder = prefix.transaction_directory();
  if (!exists_no_follow(folder + undo_name)) write_atomically(folder + undo_name, "", 0644, options.durability);
  stage_point("undo.decided", prefix.path());
  ApplyResult undone = undo_journal(prefix, journal, options.durability, reporter_of(options));
  stage_point("undo.applied", prefix.path());
  remove_file(folder + ready_name);
  if (options.durability == Durability::full) sync_directory(folder);
  stage_point("undo.done", prefix.path());
  remove_tree(folder);
  if (options.durability == Durability::full) sync_directory(prefix.state_directory());
  RecoverResult result;
  result.outcome = RecoverResult::Outcome::undone;
  result.saved = std::move(undone.saved);
  result.lost = std::move(undone.lost);
  return result;
}
}  // namespace

RecoverResult recover_locked(const Prefix& prefix, const InstallOptions& options, Unfinished unfinished) {
  const std::string folder = prefix.transaction_directory();
  RecoverResult result;
  if (!surely_exists(folder)) return result;
  refuse_links(prefix);
  if (recover_move(prefix, options, result)) return result;
  const char* name = surely_exists(folder + ready_name) ? ready_name : done_name;
  std::optional<Journal> journal;
  try {
    journal = read_journal(folder, name);
  } catch (const Error& damaged) {
    if (damaged.kind() != ErrorKind::corrupt) throw;
    if (name == done_name) {
      // Everything is in its place; only byte code may be missing, which Python makes itself.
      remove_tree(folder);
      result.outcome = RecoverResult::Outcome::rolled_forward;
      return result;
    }
    throw Error("an unfinished change cannot be finished", ErrorKind::corrupt)
        .at(prefix.path())
        .caused_by(damaged)
        .hint("nothing was guessed: create the environment anew, or remove `" + folder + "` to keep it as it is");
  }
  if (!journal) {
    stage_point("recover.discard", prefix.path());
    remove_tree(folder);
    result.outcome = RecoverResult::Outcome::discarded;
    return result;
  }
  limit_trust(prefix, name, *journal);
  if (name == ready_name && (unfinished == Unfinished::take_back || surely_exists(folder + undo_name))) return take_back(prefix, *journal, options);
  stage_point("recover.replay", prefix.path());
  ApplyResult applied = finish_change(prefix, *journal, options, true);
  result.outcome = RecoverResult::Outcome::rolled_forward;
  result.saved = std::move(applied.saved);
  result.lost = std::move(applied.lost);
  return result;
}

}  // namespace detail

using namespace detail;

bool has_pending_change(const Prefix& prefix) {
  return surely_exists(prefix.transaction_directory());
}

namespace {
RecoverResult lock_and_recover(const Prefix& prefix, const InstallOptions& options, Unfinished unfinished) {
  RecoverResult result;
  if (!has_pending_change(prefix)) return result;
  refuse_links(prefix);
  std::optional<FileLock> lock;
  try {
    lock = FileLock::try_acquire(prefix.lock_file(), FileLock::Mode::exclusive, "recover");
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::permission) throw;
    result.outcome = RecoverResult::Outcome::read_only;
    return result;
  }
  if (!lock) {
    result.outcome = RecoverResult::Outcome::busy;
    return result;
  }
  if (access(prefix.transaction_directory().c_str(), W_OK) != 0 && (errno == EROFS || errno == EACCES)) {
    result.outcome = RecoverResult::Outcome::read_only;
    return result;
  }
  return recover_locked(prefix, options, unfinished);
}
}  // namespace

RecoverResult recover(const Prefix& prefix, const InstallOptions& options) { return lock_and_recover(prefix, options, Unfinished::finish); }

RecoverResult undo_pending_change(const Prefix& prefix, const InstallOptions& options) {
  return lock_and_recover(prefix, options, Unfinished::take_back);
}

}  // namespace envtool
