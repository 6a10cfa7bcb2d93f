#include "leftovers.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/os/log.hpp"
#include "system_call.hpp"

namespace envtool {

namespace detail {

namespace {
constexpr std::string_view waiting_mark = ".envtool-old-";

bool is_id(std::string_view text) {
  return text.size() == 12 && text.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

bool is_real_folder(const std::string& path) {
  struct stat status{};
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}
}  // namespace

std::string waiting_place(const Prefix& prefix, const std::string& id) { return prefix.path() + std::string(waiting_mark) + id; }

bool is_trash_name(std::string_view name) { return name.starts_with(trash_stem) && is_id(name.substr(trash_stem.size())); }

std::string unfinished_text(const std::string& id) { return "pip\n" + id + "\n"; }

}  // namespace detail

using namespace detail;

namespace {
/// What lies next to a prefix.
class Sweeper {
 public:
  explicit Sweeper(const Prefix& prefix)
      : prefix_(prefix), parent_(prefix.path().substr(0, prefix.path().rfind('/') + 1)), name_(prefix.path().substr(parent_.size())) {}

  void run() {
    const std::string building = name_ + std::string(building_mark), waiting = name_ + std::string(waiting_mark);
    for (const std::string& name : list_directory(parent_)) {
      const std::string_view text = name;
      if (text.starts_with(waiting) && is_id(text.substr(waiting.size())))
        guarded(name, [&] { settle_waiting(parent_ + name, name.substr(waiting.size())); });
      else if (is_trash_name(text) || (text.starts_with(building) && is_id(text.substr(building.size()))))
        guarded(name, [&] {
          if (is_trash_name(text) || name.substr(building.size()) != unfinished_id()) remove(parent_ + name);
        });
    }
  }

 private:
  template <typename Work>
  void guarded(const std::string& name, Work work) {
    try {
      work();
    } catch (const Error& error) {
      log_debug("could not sweep the leftover folder " + name + ": " + error.what());
    }
  }

  /// The lock of a folder of ours: absent when it has none, nothing when somebody holds it.
  std::optional<std::optional<FileLock>> lock(const std::string& folder) {
    const std::string lock_file = folder + "/conda-meta/.envtool/lock";
    // Never behind a symlink: the lock would be made elsewhere.
    if (!is_real_folder(folder) || !is_real_folder(folder + "/conda-meta") || !is_real_folder(folder + "/conda-meta/.envtool") ||
        !exists_no_follow(lock_file))
      return std::optional<FileLock>();
    auto held = FileLock::try_acquire(lock_file, FileLock::Mode::exclusive, "sweep");
    if (!held) return std::nullopt;
    return held;
  }

  void remove(const std::string& folder) {
    const auto held = lock(folder);
    if (!held) return;
    if (*held || is_trash_name(std::string_view(folder).substr(parent_.size()))) return remove_tree(folder);
    // Its process died, or is alive and has not come to its lock yet (and makes its folders again
    // then): empty folders can go, what has files but no lock is not a state that creation leaves.
    for (const char* part : {"/conda-meta/.envtool", "/conda-meta", ""}) rmdir((folder + part).c_str());
  }

  /// Killed between the two renames of a file system that cannot swap folders, a process leaves the place
  /// empty: the old environment goes back.
  void settle_waiting(const std::string& folder, const std::string& id) {
    const auto held = lock(folder);
    if (!held) return;
    if (!surely_exists(prefix_.path())) {
      if (rename_no_replace(folder, prefix_.path())) log_info("put back an environment whose replacement was not finished: " + prefix_.path());
      return;
    }
    if (id != unfinished_id()) remove_tree(folder);
  }

  std::string unfinished_id() const {
    const auto text = read_file_if_exists(prefix_ / unfinished_file, 4096);
    const auto lines = text ? split_lines(*text) : std::vector<std::string_view>();
    return lines.size() < 2 ? std::string() : std::string(lines[1]);
  }

  const Prefix& prefix_;
  /// With a slash at its end.
  std::string parent_, name_;
};
}  // namespace

void sweep_leftovers(const Prefix& prefix) {
  if (prefix.path() != "/") Sweeper(prefix).run();
}

std::optional<std::string> unfinished_note(const Prefix& prefix) {
  const auto text = read_file_if_exists(prefix / unfinished_file, 4096);
  if (!text) {
    if (!exists_no_follow(prefix / "conda-meta/.envtool/link-scripts")) return std::nullopt;
    return "link scripts of the environment " + prefix.path() + " were begun and did not end; the next change runs them again where `link_scripts: on` allows it";
  }
  std::string note = "the environment " + prefix.path() +
                     " is not complete: envtool was ended while pip installed its packages or a link script ran; run that command again";
  const auto lines = split_lines(*text);
  if (lines.size() > 1 && is_id(lines[1]))
    if (const std::string old = waiting_place(prefix, std::string(lines[1])); exists_no_follow(old))
      note += " (the environment that it replaced is kept as " + old + ")";
  return note;
}

void mark_finished(const Prefix& prefix) { remove_file(prefix / unfinished_file); }

}  // namespace envtool
