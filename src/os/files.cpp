#include "envtool/os/files.hpp"

#include <fcntl.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <limits>
#include <utility>

#include "envtool/base/text.hpp"
#include "system_call.hpp"

namespace envtool {
namespace {

std::string parent_of(const std::string& path) {
  std::string_view view = path;
  while (view.size() > 1 && view.ends_with('/')) view.remove_suffix(1);
  const std::size_t slash = view.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(view.substr(0, slash == 0 ? 1 : slash));
}

constexpr std::string_view temporary_stem = ".envtool-";

/// A new file that vanishes again unless `keep()` is called.
class NewFile {
 public:
  NewFile(std::string path, mode_t mode) : path_(std::move(path)) {
    fd_ = FileDescriptor(system_call("os.create", [&] {
      return ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    }));
  }
  NewFile(const NewFile&) = delete;
  NewFile& operator=(const NewFile&) = delete;
  ~NewFile() {
    if (created_ && !path_.empty()) ::unlink(path_.c_str());
  }
  /// False with errno when the file was not made.
  bool opened() {
    created_ = static_cast<bool>(fd_);
    return created_;
  }
  /// Writes, syncs when asked to, and closes; false with errno.
  bool fill(std::string_view content, Durability durability) {
    if (!write_all(fd_.get(), content)) return false;
    if (durability == Durability::full && system_call("os.sync", [&] { return ::fsync(fd_.get()); }) != 0) return false;
    return close_checked(fd_);
  }
  void keep() { path_.clear(); }

 private:
  std::string path_;
  FileDescriptor fd_;
  bool created_ = false;
};

/// What is no file, in words.
std::string_view kind_of(mode_t mode) {
  if (S_ISDIR(mode)) return "it is a folder";
  if (S_ISFIFO(mode)) return "it is a pipe";
  if (S_ISSOCK(mode)) return "it is a socket";
  return "it is a device";
}

Error not_a_file(const std::string& path, mode_t mode) {
  return Error("this is not a regular file", ErrorKind::invalid_input).at(path).because(std::string(kind_of(mode)));
}

/// `/dev/null` in the place of a file is a usual way to say that there is nothing in it.
bool is_null_device(const struct stat& status) { return S_ISCHR(status.st_mode) && status.st_rdev == makedev(1, 3); }

/// Which kinds of files may be read.
enum class Readable { regular, also_streams };

/// Content of an open file; false with errno. A file that grows beyond the limit throws.
bool read_all(int fd, std::string& content, std::uint64_t limit, const std::string& path, Readable kinds) {
  struct stat status{};
  if (::fstat(fd, &status) != 0) return false;
  if (kinds == Readable::regular && !S_ISREG(status.st_mode) && !is_null_device(status)) throw not_a_file(path, status.st_mode);
  const auto refuse_large = [&] {
    throw Error("the file is too large to be read", ErrorKind::invalid_input)
        .at(path)
        .because("it has more than " + human_size(limit));
  };
  std::size_t step = 64 * 1024;
  if (S_ISREG(status.st_mode) && status.st_size > 0) {
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (size > limit) refuse_large();
    // One byte more, so that the end of the file is seen without growing.
    step = static_cast<std::size_t>(size) + 1;
  }
  std::size_t used = 0;
  for (;;) {
    if (content.size() == used) content.resize(used + std::max(step, used / 2));
    const ssize_t got = retry_interrupted([&] { return ::read(fd, content.data() + used, content.size() - used); });
    if (got < 0) return false;
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
    if (used > limit) refuse_large();
  }
  content.resize(used);
  return true;
}

bool is_missing(int error_number) { return error_number == ENOENT || error_number == ENOTDIR; }

/// For file systems without RENAME_NOREPLACE. A file is linked to its new name, which never
/// replaces; a directory is renamed over an empty one that only we can have made.
bool rename_no_replace_fallback(const std::string& from, const std::string& to) {
  struct stat status{};
  if (::lstat(from.c_str(), &status) != 0) throw_errno("cannot rename a file", from, errno);
  if (S_ISDIR(status.st_mode)) {
    if (system_call("os.mkdir", [&] { return ::mkdir(to.c_str(), 0700); }) != 0) {
      if (errno == EEXIST) return false;
      throw_errno("cannot rename a folder", to, errno);
    }
    if (system_call("os.rename", [&] { return ::rename(from.c_str(), to.c_str()); }) == 0) return true;
    const int error_number = errno;
    ::rmdir(to.c_str());
    if (error_number == ENOTEMPTY || error_number == EEXIST) return false;
    throw_errno("cannot rename a folder", to, error_number);
  }
  if (system_call("os.link", [&] { return ::link(from.c_str(), to.c_str()); }) == 0) {
    remove_file(from);
    return true;
  }
  if (errno == EEXIST) return false;
  if (errno != EPERM && errno != ENOTSUP && errno != EMLINK && errno != ENOSYS) {
    throw_errno("cannot rename a file", to, errno);
  }
  // Neither links nor RENAME_NOREPLACE: the check is all that such a file system allows.
  if (exists_no_follow(to)) return false;
  rename_path(from, to);
  return true;
}

}  // namespace

void throw_errno(const std::string& what, const std::string& path, int error_number) {
  throw system_error(what, error_number).at(path);
}

bool write_all(int fd, std::string_view content) {
  while (!content.empty()) {
    const ssize_t written = system_call("os.write", [&] { return ::write(fd, content.data(), content.size()); });
    if (written < 0) return false;
    if (written == 0) {
      errno = EIO;
      return false;
    }
    content.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

bool close_checked(FileDescriptor& fd) {
  const int injected = failpoint("os.close");
  const int outcome = ::close(fd.release());
  if (injected != 0) {
    errno = injected;
    return false;
  }
  // Linux has closed the descriptor even when it says EINTR.
  return outcome == 0 || errno == EINTR;
}

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    fd_ = other.release();
  }
  return *this;
}

void FileDescriptor::reset() {
  if (fd_ < 0) return;
  const int error_number = errno;
  ::close(fd_);
  fd_ = -1;
  errno = error_number;
}

namespace {
std::optional<std::string> read_any(const std::string& path, std::uint64_t limit, Readable kinds) {
  // A pipe without a writer must not keep us from finding out that it is one.
  const int flags = O_RDONLY | O_CLOEXEC | (kinds == Readable::regular ? O_NONBLOCK | O_NOCTTY : 0);
  const FileDescriptor fd(retry_interrupted([&] { return ::open(path.c_str(), flags); }));
  if (!fd) {
    const int error_number = errno;
    if (is_missing(error_number)) return std::nullopt;
    struct stat status{};
    if (error_number == ENXIO && ::stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode)) throw not_a_file(path, status.st_mode);
    throw_errno("cannot open a file", path, error_number);
  }
  std::string content;
  if (!read_all(fd.get(), content, limit, path, kinds)) throw_errno("cannot read a file", path, errno);
  return content;
}
}  // namespace

std::optional<std::string> read_file_if_exists(const std::string& path, std::uint64_t limit) {
  return read_any(path, limit, Readable::regular);
}

std::string read_file(const std::string& path, std::uint64_t limit) {
  std::optional<std::string> content = read_any(path, limit, Readable::regular);
  if (!content) throw_errno("cannot open a file", path, ENOENT);
  return std::move(*content);
}

std::string read_named_file(const std::string& path, std::uint64_t limit) {
  std::optional<std::string> content = read_any(path, limit, Readable::also_streams);
  if (!content) throw_errno("cannot open a file", path, ENOENT);
  return std::move(*content);
}

bool exists(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0;
}

bool exists_no_follow(const std::string& path) {
  struct stat status{};
  return ::lstat(path.c_str(), &status) == 0;
}

bool is_directory(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

bool is_regular_file(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode);
}

void write_atomically(const std::string& path, std::string_view content, mode_t mode, Durability durability) {
  const std::string folder = parent_of(path);
  // A name of its own length, since the target's may be as long as names can be.
  const std::string temporary = folder + "/" + std::string(temporary_stem) + random_name(8) + ".tmp";
  NewFile file(temporary, mode);
  if (!file.opened()) throw_errno("cannot create a file", path, errno);
  if (!file.fill(content, durability)) throw_errno("cannot write a file", path, errno);
  if (system_call("os.rename", [&] { return ::rename(temporary.c_str(), path.c_str()); }) != 0) {
    throw_errno("cannot put a new file in place", path, errno);
  }
  file.keep();
  if (durability == Durability::full) sync_directory(folder);
}

void remove_stale_temporaries(const std::string& folder) {
  constexpr std::time_t hour = 60 * 60;
  const std::time_t now = std::time(nullptr);
  try {
    for (const std::string& name : list_directory(folder)) {
      if (!name.starts_with(temporary_stem) || !name.ends_with(".tmp") || name.size() != temporary_stem.size() + 20) continue;
      struct stat status{};
      const std::string path = folder + "/" + name;
      if (::lstat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) && now - status.st_mtim.tv_sec > hour) ::unlink(path.c_str());
    }
  } catch (const Error&) {
    // A folder that cannot be read keeps what it has.
  }
}

void write_new_file(const std::string& path, std::string_view content, mode_t mode) {
  NewFile file(path, mode);
  if (!file.opened()) throw_errno("cannot create a file", path, errno);
  if (!file.fill(content, Durability::none)) throw_errno("cannot write a file", path, errno);
  file.keep();
}

void make_directories(const std::string& path, mode_t mode) {
  std::vector<std::string> missing = {path};
  // Somebody may remove a parent again while we work; that must not go on for ever.
  for (int attempts = 0; !missing.empty();) {
    const std::string& folder = missing.back();
    if (system_call("os.mkdir", [&] { return ::mkdir(folder.c_str(), mode); }) == 0) {
      missing.pop_back();
      continue;
    }
    const int error_number = errno;
    // An existing folder may answer EROFS or EACCES instead of EEXIST.
    if (error_number != ENOENT && is_directory(folder)) {
      missing.pop_back();
      continue;
    }
    const std::string parent = parent_of(folder);
    if (error_number != ENOENT || parent == folder || ++attempts > 10000) {
      throw_errno("cannot create a folder", folder, error_number);
    }
    // Another process may have made the parent since: then the next round settles it.
    if (!is_directory(parent)) missing.push_back(parent);
  }
}

void remove_file(const std::string& path) {
  if (system_call("os.unlink", [&] { return ::unlink(path.c_str()); }) != 0 && !is_missing(errno)) {
    throw_errno("cannot remove a file", path, errno);
  }
}

void rename_path(const std::string& from, const std::string& to) {
  if (system_call("os.rename", [&] { return ::rename(from.c_str(), to.c_str()); }) != 0) {
    const int error_number = errno;
    throw system_error("cannot rename `" + from + "`", error_number).at(to);
  }
}

bool rename_no_replace(const std::string& from, const std::string& to) {
  const int outcome = system_call(
      "os.rename", [&] { return ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE); });
  if (outcome == 0) return true;
  if (errno == EEXIST || errno == ENOTEMPTY) return false;
  if (errno == EINVAL || errno == ENOSYS || errno == ENOTSUP) return rename_no_replace_fallback(from, to);
  const int error_number = errno;
  throw system_error("cannot rename `" + from + "`", error_number).at(to);
}

void sync_directory(const std::string& path) {
  FileDescriptor fd(retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!fd) throw_errno("cannot open a folder", path, errno);
  // Some file systems cannot sync a folder and say so with EINVAL; there is nothing better to do there.
  if (system_call("os.sync", [&] { return ::fsync(fd.get()); }) != 0 && errno != EINVAL) {
    throw_errno("cannot write a folder to disk", path, errno);
  }
}

void sync_file_system(const std::string& path) {
  FileDescriptor fd(retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC); }));
  if (!fd) throw_errno("cannot open a path to write its file system to disk", path, errno);
  if (system_call("os.sync", [&] { return ::syncfs(fd.get()); }) != 0) {
    throw_errno("cannot write a file system to disk", path, errno);
  }
}

TemporaryDirectory::TemporaryDirectory(const std::string& parent, std::string_view stem) {
  std::string name = parent + "/" + std::string(stem) + "XXXXXX";
  if (system_call("os.mkdir", [&] { return ::mkdtemp(name.data()) == nullptr ? -1 : 0; }) != 0) {
    throw_errno("cannot create a temporary folder", parent, errno);
  }
  path_ = std::move(name);
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept : path_(std::exchange(other.path_, {})) {}

TemporaryDirectory::~TemporaryDirectory() {
  if (path_.empty()) return;
  try {
    remove_tree(path_);
  } catch (const std::exception&) {
    // A leftover temporary folder is found by the next cleaning; a destructor cannot report it.
  }
}

std::string TemporaryDirectory::release() { return std::exchange(path_, {}); }

FileSystemSpace file_system_space(const std::string& path) {
  std::string place = path;
  struct statvfs status{};
  while (retry_interrupted([&] { return ::statvfs(place.c_str(), &status); }) != 0) {
    const std::string parent = parent_of(place);
    if (!is_missing(errno) || parent == place) throw_errno("cannot ask for the free space", place, errno);
    place = parent;
  }
  FileSystemSpace space;
  const bool root = ::geteuid() == 0;
  space.free_bytes = std::uint64_t{root ? status.f_bfree : status.f_bavail} * status.f_frsize;
  // File systems without a fixed number of inodes report none at all.
  space.free_inodes = status.f_files == 0 ? std::numeric_limits<std::uint64_t>::max()
                                          : std::uint64_t{root ? status.f_ffree : status.f_favail};
  return space;
}

std::string random_name(std::size_t bytes) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string random(bytes, '\0');
  std::size_t filled = 0;
  while (filled < bytes) {
    const ssize_t got = retry_interrupted([&] { return ::getrandom(random.data() + filled, bytes - filled, 0); });
    if (got < 0) throw system_error("cannot get random bytes", errno);
    filled += static_cast<std::size_t>(got);
  }
  std::string name;
  for (const char c : random) {
    const auto byte = static_cast<unsigned char>(c);
    name += digits[byte >> 4];
    name += digits[byte & 15];
  }
  return name;
}

}  // namespace envtool
