#include "folder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <ctime>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/log.hpp"

namespace envtool {

bool CacheFolder::is_writable() const {
  return is_directory(path) && ::faccessat(AT_FDCWD, path.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0;
}

bool CacheFolder::prepare() const {
  try {
    make_directories(path);
    if (!is_writable()) return false;
    make_directories(temporary());
    // In a shared cache it may be another user's.
    if (::faccessat(AT_FDCWD, temporary().c_str(), R_OK | W_OK | X_OK, AT_EACCESS) != 0) return false;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::no_space) throw;
    return false;
  }
  try {
    make_directories(locks());
  } catch (const Error& error) {
    log_debug(std::string("a package cache without locks: ") + error.what());
  }
  // conda takes a folder for a cache when it holds `urls.txt`; mamba looks for `urls`.
  for (const char* name : {"urls.txt", "urls"}) {
    const FileDescriptor fd(::open(entry(name).c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666));
    if (!fd) log_debug("cannot create `" + entry(name) + "`");
  }
  return true;
}

void CacheFolder::append_url(const std::string& url) const {
  const FileDescriptor fd(
      ::open(entry("urls.txt").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0666));
  const std::string line = url + "\n";
  // One write in append mode: lines of several processes do not mix.
  if (!fd || ::write(fd.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    log_debug("cannot add to `" + entry("urls.txt") + "`");
}

void CacheFolder::discard(const std::string& victim) const {
  const std::string aside = temporary() + "/discarded-" + random_name();
  if (::rename(victim.c_str(), aside.c_str()) != 0) {
    if (errno == ENOENT) return;
    throw system_error("cannot remove a damaged part of the package cache", errno).at(victim);
  }
  try {
    remove_tree(aside);
  } catch (const Error& error) {
    log_debug(std::string("left behind: ") + error.what());
  }
}

void CacheFolder::remove_old_leftovers() const {
  remove_stale_temporaries(path);
  constexpr std::time_t day = 24 * 60 * 60;
  const std::time_t now = std::time(nullptr);
  try {
    // Notes of a download that was killed after its part had become the archive.
    for (const std::string& name : list_directory(path)) {
      struct stat status{};
      const std::string note = entry(name);
      if (name.ends_with(".part.info") && !exists_no_follow(note.substr(0, note.size() - 5)) && ::lstat(note.c_str(), &status) == 0 &&
          now - status.st_mtim.tv_sec > 60 * 60)
        remove_file(note);
    }
    for (const std::string& name : list_directory(temporary())) {
      struct stat status{};
      const std::string leftover = temporary() + "/" + name;
      if (::lstat(leftover.c_str(), &status) == 0 && now - status.st_ctim.tv_sec > day) remove_tree(leftover);
    }
  } catch (const Error& error) {
    log_debug(error.what());
  }
}

std::shared_ptr<const void> take_lease(const CacheFolder& folder, const std::stop_token& stop) {
  if (!folder.is_writable()) return nullptr;
  try {
    make_directories(folder.locks());
    FileLock::Options options;
    // Cleaning holds its lock for some renames only. Where locks are made of folders, they cannot be
    // shared: then the wait is in vain and better short.
    options.timeout = std::chrono::seconds(5);
    options.command = "package cache";
    options.stop = stop;
    return std::make_shared<const FileLock>(FileLock::acquire(folder.cleaning_lock(), FileLock::Mode::shared, options));
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw;
    log_debug(std::string("using the package cache without a lock: ") + error.what());
    return nullptr;
  }
}

}  // namespace envtool
