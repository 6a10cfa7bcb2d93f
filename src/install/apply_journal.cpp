#include "apply_journal.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "journal_files.hpp"
#include "system_call.hpp"

namespace envtool::detail {

namespace {
class Applier {
 public:
  Applier(const Prefix& prefix, const Journal& journal, InstallReporter& reporter, bool replay)
      : root_(prefix.path()), slots_(prefix.path()), prefix_(prefix), journal_(journal), reporter_(reporter), look_twice_(replay) {}

  ApplyResult run() {
    make_folder(std::string(state_folder) + "tx/old");
    for (const JournalStep& step : journal_.steps) run_step(step);
    return std::move(result_);
  }

 private:
  /// The disk may be full although space was set aside: by now it is free, so the next try may do.
  void run_step(const JournalStep& step) {
    for (int attempt = 1;; ++attempt) {
      try {
        stage_point("install.apply", prefix_.path());
        switch (step.kind) {
          case JournalStep::Kind::place: return place(step);
          case JournalStep::Kind::remove: return remove(step);
          case JournalStep::Kind::make_folder: return make_folder(step.path);
          case JournalStep::Kind::remove_folder: return remove_folder(step.path);
        }
      } catch (const Error& error) {
        forget_folders();
        if (attempt < 3 && error.kind() != ErrorKind::unsafe) continue;
        throw Error("a change is decided but could not be finished", error.kind())
            .at(prefix_ / step.path)
            .caused_by(error)
            .hint("remove the cause; the next envtool command on this environment finishes it")
            .hint("`envtool repair -p " + prefix_.path() + "` takes the change back when it cannot be finished");
      }
    }
  }

  void place(JournalStep step) {
    const std::string staged_path = std::string(state_folder) + new_slot(step.slot);
    const std::string old_path = std::string(state_folder) + old_slot(step.slot);
    for (int attempt = 0; attempt < 100; ++attempt) {
      const Found there = root_.look(step.path);
      const Found staged = slots_.look(staged_path);
      // Same content with other permissions is not the result while the staged file waits.
      const bool other_mode = staged && there.inode != step.after.inode && there.type == Found::Type::file &&
                              there.mode != step.after.mode && staged.mode == step.after.mode &&
                              is_result(step, slots_, staged_path, staged);
      if (!other_mode && is_result(step, root_, step.path, there)) {
        // Done before; the slots may still hold what was there.
        if (staged && !same_file(staged, step.after) && !same_file(staged, there)) put_away(step, staged_path, staged);
        if (look_twice_) put_away(step, old_path, slots_.look(old_path));
        return;
      }
      if (!staged || !is_result(step, slots_, staged_path, staged)) {
        if (!make_again(step, staged_path)) return;
        continue;
      }
      const bool done = there ? exchange(step, staged_path, old_path) : move_new(slots_, staged_path, root_, step.path);
      if (!done) continue;
      if (staged.type != Found::Type::file || (there && there.type != Found::Type::file)) forget_folders();
      // What came out is looked at, not what was there before: nobody can slip a file in between.
      if (there) put_away(step, staged_path, slots_.look(staged_path));
      if (look_twice_) put_away(step, old_path, slots_.look(old_path));
      return;
    }
    fail_errno("cannot put a new file in place", prefix_ / step.path, EBUSY);
  }

  bool was_expected(const JournalStep& step, const Found& displaced) const { return detail::was_expected(step, displaced, look_twice_); }

  /// Swaps the staged file with the one at the path: readers see the old or the new one.
  bool exchange(const JournalStep& step, const std::string& staged_path, const std::string& old_path) {
    const PrefixRoot::Place target = root_.make_place(step.path);
    const auto source = slots_.place(staged_path);
    if (!source) return false;
    const int outcome = system_call("install.exchange", [&] {
      return renameat2(source->folder, source->name.c_str(), target.folder, target.name.c_str(), RENAME_EXCHANGE);
    });
    if (outcome == 0) return true;
    if (errno == ENOENT) return false;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) fail_errno("cannot put a file in place", prefix_ / step.path, errno);
    // Without exchange: the old one to its slot, then the new one in. Between the two the path is empty.
    look_twice_ = true;
    if (!move_new(root_, step.path, slots_, old_path)) put_away(step, old_path, slots_.look(old_path));
    return move_new(slots_, staged_path, root_, step.path);
  }

  void remove(const JournalStep& step) {
    const std::string slot = std::string(state_folder) + old_slot(step.slot);
    Found displaced = slots_.look(slot);
    if (!displaced) {
      const Found there = root_.look(step.path);
      if (!there || !move_new(root_, step.path, slots_, slot)) return;
      if (there.type != Found::Type::file) forget_folders();
      displaced = slots_.look(slot);
    }
    put_away(step, slot, displaced);
  }

  void remove_folder(const std::string& path) {
    root_.remove_empty_folder(path);
    slots_.forget_folders();
  }

  /// Decides about a file that lost its path: it stays in the slot (and goes with it), is parked, or is
  /// kept under a new name.
  void put_away(const JournalStep& step, const std::string& slot_path, const Found& displaced) {
    using Old = JournalStep::Old;
    if (!displaced) return;
    if (step.old == Old::drop_always && displaced.type != Found::Type::directory) return;
    if (was_expected(step, displaced)) {
      if (step.old == Old::discard) return;
      if (step.old == Old::park) {
        // False when it is parked already, by this very step before a restart.
        move_new(slots_, slot_path, root_, step.parking_place);
        return;
      }
    }
    keep_aside(step.path, slot_path);
  }

  void keep_aside(const std::string& path, const std::string& slot_path) {
    for (int number = 0; number < 10000; ++number) {
      const std::string name = saved_name(path, journal_.id, number);
      if (!move_new(slots_, slot_path, root_, name)) {
        if (!slots_.look(slot_path)) return;
        continue;
      }
      forget_folders();
      result_.saved.emplace_back(path, name);
      reporter_.on_saved(path, name);
      return;
    }
    fail_errno("cannot keep a file aside", prefix_ / path, EEXIST);
  }

  /// The staged file is gone (its folder was tampered with, or a power cut came before it was on
  /// disk): the cache may still have it. True when the step has a staged file again.
  bool make_again(JournalStep& step, const std::string& staged_path) {
    try {
      if (!step.recipe.source.empty()) {
        // A half-written or foreign file in the slot is of no use to anybody.
        slots_.make_place(staged_path);
        const std::string full = prefix_ / staged_path;
        remove_file(full);
        stage_file(step.recipe, journal_.prefix, full, LinkPolicy{});
        slots_.forget_folders();
        const bool unchanged = step.recipe.kind == FileAction::Kind::link || step.recipe.kind == FileAction::Kind::copy;
        if (!unchanged || !step.recipe.digest || slots_.file_digest(staged_path) == step.recipe.digest->hex()) {
          step.after = slots_.look(staged_path);
          return true;
        }
      }
    } catch (const Error&) {
      // Reported below; the rest of the change still has to be finished.
    }
    result_.lost.push_back(step.path);
    reporter_.on_warning("`" + step.path + "` was lost while a change was finished; reinstall its package");
    return false;
  }

  void make_folder(const std::string& path) {
    if (root_.make_folder(path)) return;
    // Something appeared at the path, or at one above it, since the change was planned: it is not ours.
    for (std::size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
      const std::string part = path.substr(0, slash);
      const Found there = root_.look(part);
      if (there && there.type != Found::Type::directory) {
        keep_aside(part, part);
        break;
      }
      if (slash == std::string::npos) break;
    }
    if (!root_.make_folder(path)) fail_errno("cannot create a folder", prefix_ / path, ENOTDIR);
  }

  void forget_folders() {
    root_.forget_folders();
    slots_.forget_folders();
  }

  /// The same folder twice, so that each side of a rename keeps its own open folder.
  PrefixRoot root_, slots_;
  const Prefix& prefix_;
  const Journal& journal_;
  InstallReporter& reporter_;
  /// Old slots may hold files: after a restart, or on file systems that cannot swap.
  bool look_twice_;
  ApplyResult result_;
};
}  // namespace

ApplyResult apply_journal(const Prefix& prefix, const Journal& journal, Durability durability, InstallReporter& reporter,
                          bool replay) {
  // Blocks and inodes set aside for exactly now. That it cannot be removed is no reason to stop.
  unlink((prefix.transaction_directory() + "/reserve").c_str());
  ApplyResult result = Applier(prefix, journal, reporter, replay).run();
  if (durability == Durability::full) sync_file_system(prefix.path());
  return result;
}

}  // namespace envtool::detail
