#include "move_mark.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "envtool/base/digest.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/log.hpp"
#include "metadata.hpp"
#include "prefix_tree.hpp"
#include "leftovers.hpp"
#include "system_call.hpp"

namespace envtool::detail {

namespace {
std::string mark_file(const std::string& folder) { return folder + "/conda-meta/.envtool/tx/move"; }

std::string parent_of(const std::string& path) { return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)); }

bool same_move(const std::string& folder, const MoveMark& mark) {
  const auto other = read_move_mark(folder);
  return other && other->id == mark.id && other->from == mark.from && other->to == mark.to;
}

bool is_later(const struct stat& status, const timespec& time) {
  return status.st_ctim.tv_sec != time.tv_sec ? status.st_ctim.tv_sec > time.tv_sec : status.st_ctim.tv_nsec >= time.tv_nsec;
}

bool same_content(const TreeEntry& entry, const std::string& old_path, const std::string& new_path, const struct stat& there) {
  if ((there.st_mode & S_IFMT) != (entry.status.st_mode & S_IFMT)) return false;
  if (there.st_ino == entry.status.st_ino && there.st_dev == entry.status.st_dev) return true;
  return entry.is_file() && there.st_size == entry.status.st_size && read_file(old_path) == read_file(new_path);
}

/// Programs may have written to the old environment between the copy and now: nothing of that is lost.
std::vector<std::pair<std::string, std::string>> carry_late_files(const MoveMark& mark, InstallReporter& reporter) {
  std::vector<std::pair<std::string, std::string>> saved;
  struct stat marked{};
  if (lstat(mark_file(mark.trash).c_str(), &marked) != 0) return saved;
  for (const TreeEntry& entry : read_tree(mark.trash)) {
    if (entry.path.starts_with("conda-meta/.envtool/") || is_byte_code(entry.path) || !is_later(entry.status, marked.st_ctim)) continue;
    if (!entry.is_file() && !entry.is_link()) continue;
    const std::string old_path = mark.trash + "/" + entry.path;
    std::string new_path = mark.to + "/" + entry.path, shown = entry.path;
    struct stat there{};
    if (lstat(new_path.c_str(), &there) == 0) {
      if (same_content(entry, old_path, new_path, there)) continue;
      shown += ".envtool-saved-" + mark.id;
      new_path += ".envtool-saved-" + mark.id;
      if (exists_no_follow(new_path)) continue;
      saved.emplace_back(entry.path, shown);
      reporter.on_saved(entry.path, shown);
    }
    make_directories(parent_of(new_path));
    link_or_copy(old_path, new_path, {.hardlink = false});
  }
  return saved;
}
}  // namespace

void write_move_mark(const std::string& folder, const MoveMark& mark, Durability durability) {
  make_directories(parent_of(mark_file(folder)));
  // A path of an environment holds no control characters (`Prefix`), so lines will do.
  const std::string body = "envtool move 1\n" + mark.id + "\n" + mark.from + "\n" + mark.to + "\n" + mark.trash + "\n";
  write_atomically(mark_file(folder), body + sha256(body).hex() + "\n", 0644, durability);
}

std::optional<MoveMark> read_move_mark(const std::string& folder) {
  const auto text = read_file_if_exists(mark_file(folder), 64 * 1024);
  if (!text) return std::nullopt;
  const std::vector<std::string_view> lines = split_lines(*text);
  if (lines.size() < 6 || lines[0] != "envtool move 1") return std::nullopt;
  std::string body;
  for (std::size_t i = 0; i < 5; ++i) body.append(lines[i]).append("\n");
  if (sha256(body).hex() != lines[5]) return std::nullopt;
  // The mark may be somebody else's work: what it lets us delete is a folder of trash next to the old place.
  const std::string from(lines[2]), trash(lines[4]);
  const std::string parent = from.substr(0, from.rfind('/') + 1);
  if (!from.starts_with('/') || !lines[3].starts_with('/') || !trash.starts_with(parent) || !is_trash_name(trash.substr(parent.size())))
    return std::nullopt;
  return MoveMark{std::string(lines[1]), std::string(lines[2]), std::string(lines[3]), std::string(lines[4])};
}

std::vector<std::pair<std::string, std::string>> finish_move(const MoveMark& mark, const InstallOptions& options) {
  std::vector<std::pair<std::string, std::string>> saved;
  if (surely_exists(mark.from)) {
    stage_point("move.decided", mark.from);
    rename_path(mark.from, mark.trash);
    stage_point("move.renamed", mark.from);
    if (options.durability == Durability::full) sync_directory(parent_of(mark.from));
  }
  if (surely_exists(mark.trash)) {
    saved = carry_late_files(mark, reporter_of(options));
    stage_point("move.carried", mark.to);
  }
  remove_tree(mark.to + "/conda-meta/.envtool/tx");
  if (options.durability == Durability::full) sync_directory(mark.to + "/conda-meta/.envtool");
  stage_point("move.forgotten", mark.to);
  // What cannot be deleted now is swept later.
  try {
    remove_tree(mark.trash);
  } catch (const Error& error) {
    reporter_of(options).on_warning(std::string("the environment is moved, but some of its old files are still there: ") + error.what());
  }
  return saved;
}

bool recover_move(const Prefix& prefix, const InstallOptions& options, RecoverResult& result) {
  const auto mark = read_move_mark(prefix.path());
  if (!mark) return false;
  const bool is_old = prefix.path() == mark->from, is_new = prefix.path() == mark->to;
  const auto forget = [&] {
    remove_tree(prefix.transaction_directory());
    result.outcome = RecoverResult::Outcome::discarded;
  };
  const std::string& other = is_old ? mark->to : mark->from;
  if (!is_old && !is_new) {
    forget();  // somebody moved it by hand
  } else if (!same_move(other, *mark)) {
    // A new environment without an old one: it is deleted already or waits in the trash.
    if (is_new && !surely_exists(other) && surely_exists(mark->trash)) result.saved = finish_move(*mark, options);
    else forget();
    if (is_new) result.outcome = RecoverResult::Outcome::rolled_forward;
  } else {
    const auto lock = FileLock::try_acquire(Prefix(other).lock_file(), FileLock::Mode::exclusive, "recover");
    if (!lock) {
      result.outcome = RecoverResult::Outcome::busy;
      return true;
    }
    result.saved = finish_move(*mark, options);
    result.outcome = RecoverResult::Outcome::rolled_forward;
  }
  if (is_old && result.outcome == RecoverResult::Outcome::rolled_forward)
    throw Error("the environment has moved", ErrorKind::environment_not_found)
        .at(prefix.path())
        .because("it is at " + mark->to + " now")
        .hint("`envtool env list` shows the environments");
  return true;
}

}  // namespace envtool::detail
