// `link_or_copy()` of files.hpp.
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "system_call.hpp"

namespace envtool {
namespace {

/// The file system cannot do it this way; another way may do.
bool try_next_way(int error_number) {
  switch (error_number) {
    case EXDEV:
    case EPERM:   // file systems without hard links; protected_hardlinks
    case EMLINK:
    case ENOTSUP:
    case ENOSYS:
    case EINVAL:
    case ENOTTY:
      return true;
    default:
      return false;
  }
}

/// Bytes through this process; false with errno.
bool copy_by_hand(int from, int to) {
  std::array<char, 256 * 1024> buffer;
  for (;;) {
    const ssize_t got = retry_interrupted([&] { return ::read(from, buffer.data(), buffer.size()); });
    if (got < 0) return false;
    if (got == 0) return true;
    if (!write_all(to, {buffer.data(), static_cast<std::size_t>(got)})) return false;
  }
}

/// All bytes from position 0; false with errno.
bool copy_content(int from, int to) {
  constexpr std::size_t chunk = std::size_t{1} << 30;
  bool copied_some = false;
  for (;;) {
    const ssize_t copied =
        system_call("os.write", [&] { return ::copy_file_range(from, nullptr, to, nullptr, chunk, 0); });
    if (copied > 0) {
      copied_some = true;
      continue;
    }
    // Nothing at once may also mean that the file system cannot tell: reading settles it.
    if (copied == 0) return copied_some || copy_by_hand(from, to);
    if (copied_some || !(try_next_way(errno) || errno == EBADF || errno == EOVERFLOW)) return false;
    return copy_by_hand(from, to);
  }
}

LinkOutcome copy_symlink(const std::string& from, const std::string& to, std::size_t size) {
  std::string target(size + 1, '\0');
  const ssize_t length = ::readlink(from.c_str(), target.data(), target.size());
  if (length < 0) throw_errno("cannot read a symlink", from, errno);
  target.resize(static_cast<std::size_t>(length));
  if (system_call("os.symlink", [&] { return ::symlink(target.c_str(), to.c_str()); }) != 0) {
    throw_errno("cannot create a symlink", to, errno);
  }
  return LinkOutcome::copy;
}

/// Fills the new file, with the mode and the modification time of the source (compiled Python files
/// are valid for one modification time only). False with errno.
bool fill_copy(int source, FileDescriptor& target, const struct stat& status, bool reflink, LinkOutcome& outcome) {
  outcome = LinkOutcome::copy;
  if (reflink) {
    if (system_call("os.reflink", [&] { return ::ioctl(target.get(), FICLONE, source); }) == 0) {
      outcome = LinkOutcome::reflink;
    } else if (!try_next_way(errno) && errno != ETXTBSY && errno != EBADF) {
      return false;
    }
  }
  if (outcome == LinkOutcome::copy && !copy_content(source, target.get())) return false;
  if (system_call("os.chmod", [&] { return ::fchmod(target.get(), status.st_mode & 0777); }) != 0) return false;
  const timespec times[2] = {{0, UTIME_OMIT}, status.st_mtim};
  if (system_call("os.utime", [&] { return ::futimens(target.get(), times); }) != 0) return false;
  return close_checked(target);
}

}  // namespace

LinkOutcome link_or_copy(const std::string& from, const std::string& to, LinkPolicy policy) {
  if (policy.hardlink) {
    if (system_call("os.link", [&] { return ::linkat(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), 0); }) == 0) {
      return LinkOutcome::hardlink;
    }
    if (!try_next_way(errno)) {
      const int error_number = errno;
      throw system_error("cannot link `" + from + "`", error_number).at(to);
    }
  }
  struct stat status{};
  if (::lstat(from.c_str(), &status) != 0) throw_errno("cannot open a file", from, errno);
  if (S_ISLNK(status.st_mode)) return copy_symlink(from, to, static_cast<std::size_t>(status.st_size));
  // O_NONBLOCK: opening a FIFO put in place meanwhile must not hang.
  const FileDescriptor source(retry_interrupted(
      [&] { return ::open(from.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC); }));
  if (!source || ::fstat(source.get(), &status) != 0) throw_errno("cannot open a file", from, errno);
  if (!S_ISREG(status.st_mode)) {
    throw Error("refusing to copy something that is not a plain file", ErrorKind::unsafe).at(from);
  }
  FileDescriptor target(system_call("os.create", [&] {
    return ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  }));
  if (!target) throw_errno("cannot create a file", to, errno);
  LinkOutcome outcome{};
  if (!fill_copy(source.get(), target, status, policy.reflink, outcome)) {
    const int error_number = errno;
    ::unlink(to.c_str());
    throw system_error("cannot copy `" + from + "`", error_number).at(to);
  }
  return outcome;
}

}  // namespace envtool
