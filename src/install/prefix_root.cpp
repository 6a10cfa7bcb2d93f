#include "prefix_root.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>

#include "envtool/base/digest.hpp"
#include "envtool/base/text.hpp"
#include "system_call.hpp"

namespace envtool::detail {

namespace {
int open_beneath(int root, const std::string& path, std::uint64_t flags) {
  open_how how{};
  how.flags = flags | O_CLOEXEC;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0;; ++attempt) {
    const long fd = syscall(SYS_openat2, root, path.c_str(), &how, sizeof how);
    // EAGAIN: something was renamed while the kernel looked.
    if (fd >= 0 || (errno != EINTR && errno != EAGAIN) || attempt > 100) return static_cast<int>(fd);
  }
}

/// For kernels without openat2: the real path has to stay inside.
int open_inside(const std::string& root_path, int root, const std::string& path, int flags) {
  const std::string full = root_path + "/" + path;
  const std::unique_ptr<char, decltype(&free)> real(realpath(full.c_str(), nullptr), &free);
  if (!real) return -1;
  const std::unique_ptr<char, decltype(&free)> real_root(realpath(root_path.c_str(), nullptr), &free);
  if (!real_root) return -1;
  const std::string inside(real.get());
  if (inside != real_root.get() && !inside.starts_with(std::string(real_root.get()) + "/")) {
    errno = EXDEV;
    return -1;
  }
  return openat(root, path.c_str(), flags | O_CLOEXEC);
}

/// Where an open folder is, every symlink resolved.
std::string real_path(const FileDescriptor& folder) {
  const std::string link = "/proc/self/fd/" + std::to_string(folder.get());
  std::array<char, 4097> target{};
  const ssize_t size = readlink(link.c_str(), target.data(), target.size() - 1);
  if (size <= 0) fail_errno("cannot tell where a folder is", link, errno);
  return {target.data(), static_cast<std::size_t>(size)};
}

std::pair<std::string_view, std::string_view> split_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {"", path};
  return {path.substr(0, slash), path.substr(slash + 1)};
}
}  // namespace

Found to_found(const struct stat& status) {
  Found found;
  found.inode = status.st_ino;
  found.size = static_cast<std::uint64_t>(status.st_size);
  found.mode = status.st_mode & 07777;
  found.mtime_ns = std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
  if (S_ISREG(status.st_mode))
    found.type = Found::Type::file;
  else if (S_ISLNK(status.st_mode))
    found.type = Found::Type::link;
  else if (S_ISDIR(status.st_mode))
    found.type = Found::Type::directory;
  else
    found.type = Found::Type::other;
  return found;
}

PrefixRoot::PrefixRoot(const std::string& path)
    : path_(path), root_(open(path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)) {
  if (!root_) fail_errno("cannot open an environment", path, errno);
}

FileDescriptor PrefixRoot::open_folder(std::string_view path) const {
  if (path.empty()) return FileDescriptor(fcntl(root_.get(), F_DUPFD_CLOEXEC, 0));
  const std::string text(path);
  int fd = open_beneath(root_.get(), text, O_PATH | O_DIRECTORY);
  if (fd < 0 && (errno == ENOSYS || errno == EPERM)) fd = open_inside(path_, root_.get(), text, O_PATH | O_DIRECTORY);
  if (fd < 0 && (errno == EXDEV || errno == ELOOP)) {
    throw Error("refusing to follow a symlink out of the environment", ErrorKind::unsafe)
        .at(path_ + "/" + text)
        .because("the path leads outside")
        .hint("remove the symlink, or move what it points to into the environment");
  }
  if (fd < 0 && errno != ENOENT && errno != ENOTDIR) fail_errno("cannot open a folder", path_ + "/" + text, errno);
  FileDescriptor folder(fd);
  if (folder) refuse_way_into_conda_meta(folder, text);
  return folder;
}

void PrefixRoot::refuse_way_into_conda_meta(const FileDescriptor& folder, const std::string& path) const {
  if (path == "conda-meta" || path.starts_with("conda-meta/")) return;  // our own work, said openly
  const std::string root = real_path(root_);
  const std::string real = real_path(folder);
  if (real != root + "/conda-meta" && !real.starts_with(root + "/conda-meta/")) return;
  throw Error("refusing to follow a symlink into `conda-meta`", ErrorKind::unsafe)
      .at(path_ + "/" + path)
      .because("a package's files would become the environment's own records")
      .hint("do not install this package; tell the channel's owner");
}

std::optional<PrefixRoot::Place> PrefixRoot::place(std::string_view path) {
  const auto [folder, name] = split_path(path);
  if (!folder_path_ || *folder_path_ != folder) {
    folder_path_.reset();
    folder_ = open_folder(folder);
    if (!folder_) return std::nullopt;
    folder_path_ = std::string(folder);
  }
  // `link/conda-meta` where `link` leads to the environment itself.
  if (name == "conda-meta" && !folder.empty() && real_path(folder_) == real_path(root_))
    refuse_way_into_conda_meta(open_folder("conda-meta"), std::string(path) + "/");
  return Place{folder_.get(), std::string(name)};
}

PrefixRoot::Place PrefixRoot::make_place(std::string_view path) {
  if (auto found = place(path)) return *found;
  const std::string_view folder = split_path(path).first;
  if (!make_folder(folder)) fail_errno("cannot create a folder", path_ + "/" + std::string(folder), ENOTDIR);
  if (auto found = place(path)) return *found;
  fail_errno("cannot open a folder", path_ + "/" + std::string(folder), ENOENT);
}

Found PrefixRoot::look(std::string_view path) {
  const auto where = place(path);
  if (!where) return {};
  struct stat status{};
  if (fstatat(where->folder, where->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return to_found(status);
  if (errno == ENOENT || errno == ENOTDIR) return {};
  fail_errno("cannot look at a file", path_ + "/" + std::string(path), errno);
}

bool PrefixRoot::make_folder(std::string_view path) {
  if (path.empty()) return true;
  if (open_folder(path)) return true;
  if (const std::string_view above = split_path(path).first; !above.empty() && !make_folder(above)) return false;
  const auto where = place(path);
  if (!where) return false;
  if (system_call("install.mkdir", [&] { return mkdirat(where->folder, where->name.c_str(), 0777); }) == 0) return true;
  if (errno == EEXIST) return static_cast<bool>(open_folder(path));
  fail_errno("cannot create a folder", path_ + "/" + std::string(path), errno);
}

void PrefixRoot::remove_empty_folder(std::string_view path) {
  const auto where = place(path);
  if (!where) return;
  const int outcome = system_call("install.rmdir", [&] { return unlinkat(where->folder, where->name.c_str(), AT_REMOVEDIR); });
  const int error_number = errno;
  forget_folders();
  if (outcome == 0) return;
  switch (error_number) {
    case ENOTEMPTY:
    case EEXIST:
    case ENOENT:
    case ENOTDIR:
    case EBUSY:
      return;
    default:
      fail_errno("cannot remove an empty folder", path_ + "/" + std::string(path), error_number);
  }
}

std::optional<std::string> PrefixRoot::file_digest(std::string_view path) {
  const auto where = place(path);
  if (!where) return std::nullopt;
  const FileDescriptor fd(openat(where->folder, where->name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
  struct stat status{};
  if (!fd || fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  Hasher<Sha256> hasher;
  const auto buffer = std::make_unique_for_overwrite<std::array<char, 128 * 1024>>();
  for (;;) {
    const ssize_t got = read(fd.get(), buffer->data(), buffer->size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return std::nullopt;
    if (got == 0) break;
    hasher.update(buffer->data(), static_cast<std::size_t>(got));
  }
  return hasher.finish().hex();
}

std::optional<std::string> PrefixRoot::link_text(std::string_view path) {
  const auto where = place(path);
  if (!where) return std::nullopt;
  std::array<char, 4096> buffer{};
  const ssize_t length = readlinkat(where->folder, where->name.c_str(), buffer.data(), buffer.size());
  if (length < 0) return std::nullopt;
  return std::string(buffer.data(), static_cast<std::size_t>(length));
}

}  // namespace envtool::detail
