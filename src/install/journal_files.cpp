#include "journal_files.hpp"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/stat.h>

#include <cstdio>

#include "system_call.hpp"

namespace envtool::detail {

namespace {
bool rename_new(int from_folder, const std::string& from, int to_folder, const std::string& to) {
  const int outcome = system_call("install.rename", [&] {
    return renameat2(from_folder, from.c_str(), to_folder, to.c_str(), RENAME_NOREPLACE);
  });
  if (outcome == 0) return true;
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) return false;
  // Not known to this file system: look, then rename.
  struct stat status{};
  if (fstatat(to_folder, to.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) {
    errno = EEXIST;
    return false;
  }
  return system_call("install.rename", [&] { return renameat(from_folder, from.c_str(), to_folder, to.c_str()); }) == 0;
}
}  // namespace

bool same_file(const Found& now, const Found& then) {
  return now.type == then.type && now.inode == then.inode &&
         (now.type == Found::Type::directory || (now.size == then.size && now.mtime_ns == then.mtime_ns));
}

bool is_result(const JournalStep& step, PrefixRoot& root, const std::string& path, const Found& found) {
  if (!found || found.type != step.after.type) return false;
  if (found.size != step.after.size || found.mtime_ns != step.after.mtime_ns) return false;
  if (found.inode == step.after.inode) return true;
  if (step.content.empty()) return false;
  return (found.type == Found::Type::link ? root.link_text(path) : root.file_digest(path)) == step.content;
}

bool was_expected(const JournalStep& step, const Found& displaced, bool is_replay) {
  if (same_file(displaced, step.before)) return true;
  return is_replay && displaced.type == step.before.type && displaced.type != Found::Type::directory &&
         displaced.size == step.before.size && displaced.mtime_ns == step.before.mtime_ns;
}

bool move_new(PrefixRoot& from_root, const std::string& from, PrefixRoot& to_root, const std::string& to) {
  const PrefixRoot::Place target = to_root.make_place(to);
  const auto source = from_root.place(from);
  if (!source) return false;
  if (rename_new(source->folder, source->name, target.folder, target.name)) return true;
  if (errno == EEXIST || errno == ENOENT) return false;
  fail_errno("cannot put a file in place", to_root.path() + "/" + to, errno);
}

std::string saved_name(const std::string& path, const std::string& journal_id, int number) {
  const std::size_t slash = path.rfind('/');
  const std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  // A name has 255 bytes at most.
  std::string name = folder + path.substr(folder.size()).substr(0, 200) + ".envtool-saved-" + journal_id;
  return number == 0 ? name : name + "-" + std::to_string(number);
}

}  // namespace envtool::detail
