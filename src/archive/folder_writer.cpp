#include "folder_writer.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/failpoint.hpp"
#include "member_path.hpp"

namespace envtool {
namespace {

constexpr std::size_t most_open_directories = 8;

int open_beneath(int root, const char* path, std::uint64_t flags, std::uint64_t resolve) {
  open_how how{};
  how.flags = flags;
  how.resolve = resolve;
  for (int attempt = 0; attempt < 64; ++attempt) {
    const long fd = syscall(SYS_openat2, root, path, &how, sizeof how);
    // EAGAIN: a rename happened somewhere while the kernel checked; it asks to try again.
    if (fd >= 0 || (errno != EAGAIN && errno != EINTR)) return static_cast<int>(fd);
  }
  return -1;
}

}  // namespace

FolderWriter::FolderWriter(const std::string& folder, std::string archive, Walk walk)
    : archive_(std::move(archive)), folder_(folder),
      root_(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)), walk_(walk) {
  if (!root_) throw system_error("cannot open the folder to unpack into", errno).at(folder);
  if (!list_directory(folder).empty())
    throw Error("the folder to unpack into is not empty", ErrorKind::internal).at(folder);
  if (walk_ == Walk::openat2) {
    const FileDescriptor probe(open_beneath(root_.get(), ".", O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_BENEATH));
    if (!probe) walk_ = Walk::part_by_part;
  }
}

FolderWriter::~FolderWriter() = default;

void FolderWriter::fail(const char* verb, std::string_view path, int error_number) const {
  switch (error_number) {
    case EEXIST:
      throw_unsafe(archive_, path, "a member of this name (or one that this file system takes for it) came before");
    case ELOOP:
    case EXDEV:
    case ENOTDIR:
      throw_unsafe(archive_, path, "its path leads through a member that is not a folder");
    case ENAMETOOLONG:
      throw_unsafe(archive_, path, "its path is too long for the file system");
    default:
      throw system_error(std::string("cannot ") + verb + " `" + escape_control(path) + "` of a package", error_number)
          .at(folder_);
  }
}

int FolderWriter::open_part_by_part(std::string_view path) {
  FileDescriptor current;
  int parent = root_.get();
  for (const std::string_view part : split(path, '/')) {
    FileDescriptor next(
        ::openat(parent, std::string(part).c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!next) return -1;
    current = std::move(next);
    parent = current.get();
  }
  return current.release();
}

int FolderWriter::try_open_directory(std::string_view path) {
  if (walk_ == Walk::part_by_part) return open_part_by_part(path);
  return open_beneath(root_.get(), std::string(path).c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC,
                      RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS);
}

int FolderWriter::directory(std::string_view path) {
  if (path.empty()) return root_.get();
  if (last_fd_ >= 0 && path == last_path_) return last_fd_;
  std::string key(path);
  auto found = open_directories_.find(key);
  if (found == open_directories_.end()) {
    FileDescriptor fd(try_open_directory(path));
    if (!fd) {
      if (errno != ENOENT) fail("open", path, errno);
      if (const int error_number = failpoint("archive.mkdir")) fail("create", path, error_number);
      const int parent = directory(parent_path(path));
      if (::mkdirat(parent, std::string(leaf_name(path)).c_str(), 0777) != 0) fail("create", path, errno);
      ++directories_made_;
      fd = FileDescriptor(try_open_directory(path));
      if (!fd) fail("open", path, errno);
    }
    if (open_directories_.size() >= most_open_directories) open_directories_.clear();
    found = open_directories_.emplace(key, std::move(fd)).first;
  }
  last_path_ = std::move(key);
  last_fd_ = found->second.get();
  return last_fd_;
}

void FolderWriter::make_directory(const std::string& path) { directory(path); }

FileDescriptor FolderWriter::create_file(const std::string& path, bool executable) {
  if (const int error_number = failpoint("archive.create")) fail("create", path, error_number);
  const int parent = directory(parent_path(path));
  FileDescriptor fd(::openat(parent, std::string(leaf_name(path)).c_str(),
                             O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, executable ? 0777 : 0666));
  if (!fd) fail("create", path, errno);
  return fd;
}

void FolderWriter::make_symlink(const std::string& path, const std::string& target) {
  const int parent = directory(parent_path(path));
  if (::symlinkat(target.c_str(), parent, std::string(leaf_name(path)).c_str()) != 0) fail("create", path, errno);
}

void FolderWriter::make_hardlink(const std::string& path, const std::string& existing) {
  // Each of the two look-ups may throw the other's descriptor out of the small cache: hold one by a copy.
  const FileDescriptor from(::fcntl(directory(parent_path(existing)), F_DUPFD_CLOEXEC, 0));
  if (!from) fail("open", existing, errno);
  const std::string from_leaf(leaf_name(existing));
  struct stat status{};
  if (::fstatat(from.get(), from_leaf.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode))
    throw_unsafe(archive_, path, "it is a hard link to `" + escape_control(existing) + "`, which is no file of the package");
  const int parent = directory(parent_path(path));
  if (::linkat(from.get(), from_leaf.c_str(), parent, std::string(leaf_name(path)).c_str(), 0) != 0)
    fail("link", path, errno);
}

bool FolderWriter::resolves_inside(const std::string& path) const {
  if (walk_ == Walk::part_by_part) return true;  // the check of the link's text has to do
  const FileDescriptor fd(
      open_beneath(root_.get(), path.c_str(), O_PATH | O_CLOEXEC, RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS));
  return fd || errno != EXDEV;
}

}  // namespace envtool
