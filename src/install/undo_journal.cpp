#include "undo_journal.hpp"

#include <fcntl.h>
#include <linux/fs.h>

#include <cstdio>
#include <optional>

#include "envtool/base/error.hpp"
#include "journal_files.hpp"
#include "system_call.hpp"

namespace envtool::detail {

namespace {
class Undoer {
 public:
  Undoer(const Prefix& prefix, const Journal& journal, InstallReporter& reporter)
      : root_(prefix.path()), slots_(prefix.path()), prefix_(prefix), journal_(journal), reporter_(reporter) {}

  ApplyResult run() {
    for (auto step = journal_.steps.rbegin(); step != journal_.steps.rend(); ++step) run_step(*step);
    if (!failures_.empty()) {
      Error error("a change could not be taken back", first_->kind());
      error.at(prefix_ / failures_.front()).caused_by(*first_).with("paths", failures_);
      if (failures_.size() > 1) error.because(std::to_string(failures_.size()) + " paths are not as they were");
      throw error.hint("remove the cause; the next envtool command on this environment goes on");
    }
    return std::move(result_);
  }

 private:
  using Old = JournalStep::Old;

  /// One path that refuses is no reason to leave the others.
  void run_step(const JournalStep& step) {
    for (int attempt = 1;; ++attempt) {
      try {
        stage_point("install.undo", prefix_.path());
        switch (step.kind) {
          case JournalStep::Kind::place: return take_out(step);
          case JournalStep::Kind::remove: return bring_back(step);
          case JournalStep::Kind::make_folder: return remove_folder(step);
          case JournalStep::Kind::remove_folder: return (void)root_.make_folder(step.path);
        }
      } catch (const Error& error) {
        forget_folders();
        if (error.kind() == ErrorKind::interrupted) throw;
        if (attempt < 3 && error.kind() != ErrorKind::unsafe) continue;
        failures_.push_back(step.path);
        if (!first_) first_ = error;
        return;
      }
    }
  }

  void take_out(const JournalStep& step) {
    const std::string staged_path = std::string(state_folder) + new_slot(step.slot);
    Found staged = slots_.look(staged_path);
    bool staged_is_new = staged && is_result(step, slots_, staged_path, staged);
    Found there;
    try {
      there = root_.look(step.path);
    } catch (const Error& error) {
      // Nobody could have put it there; symlinks of this very change may lead away.
      if (error.kind() != ErrorKind::unsafe || !staged_is_new) throw;
      return;
    }
    // While the new file waits it is not in its place, however much what is there looks like it.
    if (!staged_is_new && there && is_result(step, root_, step.path, there)) {
      if (staged) {
        if (!exchange(step.path, staged_path)) move_out(step, staged_path);
      } else if (!move_new(root_, step.path, slots_, staged_path)) {
        fail_errno("cannot take a file out of its place", prefix_ / step.path, EBUSY);
      }
      if (step.after.type != Found::Type::file) forget_folders();
      there = root_.look(step.path);
      staged = slots_.look(staged_path);
      staged_is_new = staged && is_result(step, slots_, staged_path, staged);
    }
    put_back(step, staged_is_new ? std::string() : staged_path, there);
  }

  /// Where the file system cannot swap: what is in the slot waits under a name of its own.
  void move_out(const JournalStep& step, const std::string& staged_path) {
    const std::string old_path = std::string(state_folder) + old_slot(step.slot);
    if (!move_new(slots_, staged_path, slots_, old_path) || !move_new(root_, step.path, slots_, staged_path))
      fail_errno("cannot take a file out of its place", prefix_ / step.path, EBUSY);
  }

  bool exchange(const std::string& path, const std::string& staged_path) {
    const auto target = root_.place(path), source = slots_.place(staged_path);
    if (!target || !source) fail_errno("cannot take a file out of its place", prefix_ / path, ENOENT);
    const int outcome = system_call("install.exchange", [&] {
      return renameat2(source->folder, source->name.c_str(), target->folder, target->name.c_str(), RENAME_EXCHANGE);
    });
    if (outcome == 0) return true;
    if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) fail_errno("cannot take a file out of its place", prefix_ / path, errno);
    return false;
  }

  void bring_back(const JournalStep& step) { put_back(step, {}, root_.look(step.path)); }

  /// `there` is at the path now and not the change's own; the old file is looked for where a step may have put it.
  void put_back(const JournalStep& step, const std::string& staged_path, const Found& there) {
    if (there && step.before && was_expected(step, there, true)) return keep_rest(step, staged_path);
    const std::optional<std::string> source = find_old(step, staged_path, static_cast<bool>(there));
    if (!source) {
      if (!there && step.before && step.before.type != Found::Type::directory) {
        result_.lost.push_back(step.path);
        reporter_.on_warning("`" + step.path + "` could not be put back: its old file is gone");
      }
      return;
    }
    if (there) keep_aside(step.path, step.path, root_);
    if (!move_new(slots_, *source, root_, step.path)) fail_errno("cannot put an old file back", prefix_ / step.path, EBUSY);
    forget_folders();
    keep_rest(step, staged_path);
  }

  std::optional<std::string> find_old(const JournalStep& step, const std::string& staged_path, bool is_taken) {
    for (const std::string& slot : {staged_path, std::string(state_folder) + old_slot(step.slot)})
      if (!slot.empty() && slots_.look(slot)) return slot;
    if (step.old == Old::park && was_expected(step, slots_.look(step.parking_place), true)) return step.parking_place;
    std::optional<std::string> first;
    for (int number = 0;; ++number) {
      std::string name = saved_name(step.path, journal_.id, number);
      const Found saved = root_.look(name);
      if (!saved) break;
      if (step.before && was_expected(step, saved, true)) return name;
      if (number == 0) first = std::move(name);
    }
    // What appeared at the path while the change was under way goes back to an empty path only.
    return is_taken ? std::nullopt : first;
  }

  /// Two things may have been displaced by one step; the change's own files go with the slots.
  void keep_rest(const JournalStep& step, const std::string& staged_path) {
    for (const std::string& slot : {staged_path, std::string(state_folder) + old_slot(step.slot)}) {
      const Found rest = slot.empty() ? Found() : slots_.look(slot);
      if (!rest || (step.kind == JournalStep::Kind::place && is_result(step, slots_, slot, rest))) continue;
      keep_aside(step.path, slot, slots_);
    }
  }

  void keep_aside(const std::string& path, const std::string& from, PrefixRoot& from_root) {
    for (int number = 0; number < 10000; ++number) {
      const std::string name = saved_name(path, journal_.id + "-undone", number);
      if (!move_new(from_root, from, root_, name)) {
        if (!from_root.look(from)) return;
        continue;
      }
      forget_folders();
      result_.saved.emplace_back(path, name);
      reporter_.on_saved(path, name);
      return;
    }
    fail_errno("cannot keep a file aside", prefix_ / path, EEXIST);
  }

  void remove_folder(const JournalStep& step) {
    root_.remove_empty_folder(step.path);
    forget_folders();
    // Something may have been in the folder's way.
    const std::string saved = saved_name(step.path, journal_.id, 0);
    if (!root_.look(step.path) && root_.look(saved)) move_new(root_, saved, root_, step.path);
    forget_folders();
  }

  void forget_folders() {
    root_.forget_folders();
    slots_.forget_folders();
  }

  PrefixRoot root_, slots_;
  const Prefix& prefix_;
  const Journal& journal_;
  InstallReporter& reporter_;
  ApplyResult result_;
  std::vector<std::string> failures_;
  std::optional<Error> first_;
};
}  // namespace

ApplyResult undo_journal(const Prefix& prefix, const Journal& journal, Durability durability, InstallReporter& reporter) {
  ApplyResult result = Undoer(prefix, journal, reporter).run();
  if (durability == Durability::full) sync_file_system(prefix.path());
  return result;
}

}  // namespace envtool::detail
