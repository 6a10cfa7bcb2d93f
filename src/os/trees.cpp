// Walking and removing directory trees without following symlinks and with one descriptor at a
// time, so that neither a planted symlink nor a very deep tree does harm.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "system_call.hpp"

namespace envtool {
namespace {

struct Entry {
  std::string name;
  bool directory = false;
};

/// All entries of an open folder, in the folder's order; false with errno.
bool read_entries(int fd, std::vector<Entry>& entries) {
  // fdopendir takes the descriptor over, and the position is shared: read through a fresh one.
  FileDescriptor own(retry_interrupted([&] { return ::openat(fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!own) return false;
  const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(own.get()), &::closedir);
  if (!stream) return false;
  own.release();
  for (;;) {
    errno = 0;
    const dirent* found = ::readdir(stream.get());
    if (found == nullptr) return errno == 0;
    Entry entry;
    entry.name = found->d_name;
    if (entry.name == "." || entry.name == "..") continue;
    entry.directory = found->d_type == DT_DIR;
    if (found->d_type == DT_UNKNOWN) {
      struct stat status{};
      if (::fstatat(fd, found->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone meanwhile
      entry.directory = S_ISDIR(status.st_mode);
    }
    entries.push_back(std::move(entry));
  }
}

/// A place in a tree: one open folder, and the way back up by `..`, checked to be the way down.
class TreeWalk {
 public:
  explicit TreeWalk(FileDescriptor root) { push(std::move(root), {}); }

  int fd() const { return fd_.get(); }
  std::size_t depth() const { return frames_.size(); }
  /// Path of the current folder below the root, with a slash at its end; empty for the root.
  const std::string& path() const { return path_; }

  /// Goes into a subfolder that is no symlink; false with errno.
  bool descend(const std::string& name, bool make_accessible) {
    FileDescriptor child(retry_interrupted(
        [&] { return ::openat(fd(), name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
    if (!child && errno == EACCES && make_accessible) child = open_made_accessible(name);
    if (!child) return false;
    push(std::move(child), name);
    return true;
  }

  /// Goes back up and gives the name of the folder that was left; false with errno.
  bool ascend(std::string& name) {
    FileDescriptor parent(
        retry_interrupted([&] { return ::openat(fd(), "..", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!parent) return false;
    struct stat status{};
    if (::fstat(parent.get(), &status) != 0) return false;
    const Frame& expected = frames_[frames_.size() - 2];
    if (status.st_dev != expected.device || status.st_ino != expected.inode) {
      errno = ESTALE;  // the tree was moved under our feet
      return false;
    }
    name = std::move(frames_.back().name);
    path_.resize(path_.size() - name.size() - 1);
    frames_.pop_back();
    fd_ = std::move(parent);
    return true;
  }

 private:
  struct Frame {
    std::string name;
    dev_t device;
    ino_t inode;
  };

  /// Opens a folder that its mode bits lock us out of. O_PATH needs no permission, and the mode is
  /// changed through the descriptor, so no symlink can come between.
  FileDescriptor open_made_accessible(const std::string& name) {
    const FileDescriptor handle(
        retry_interrupted([&] { return ::openat(fd(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
    if (!handle) return {};
    const std::string place = "/proc/self/fd/" + std::to_string(handle.get());
    if (system_call("os.chmod", [&] { return ::chmod(place.c_str(), 0700); }) != 0) {
      errno = EACCES;
      return {};
    }
    return FileDescriptor(
        retry_interrupted([&] { return ::openat(handle.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  }

  void push(FileDescriptor fd, std::string name) {
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) throw_errno("cannot read a folder", path_, errno);
    if (!frames_.empty()) path_ += name + "/";
    frames_.push_back({std::move(name), status.st_dev, status.st_ino});
    fd_ = std::move(fd);
  }

  FileDescriptor fd_;
  std::vector<Frame> frames_;
  std::string path_;
};

/// Removes everything below an open folder, goes on after a failure and remembers the first.
class TreeRemover {
 public:
  TreeRemover(FileDescriptor root, std::string root_path) : walk_(std::move(root)), root_path_(std::move(root_path)) {}

  void run() {
    std::vector<std::vector<std::string>> pending;  // subfolders still to remove, per level
    pending.push_back(clear_folder());
    for (;;) {
      if (!pending.back().empty()) {
        const std::string name = std::move(pending.back().back());
        pending.back().pop_back();
        if (walk_.descend(name, true)) {
          pending.push_back(clear_folder());
        } else if (errno == ENOTDIR || errno == ELOOP) {
          unlink_entry(name);  // turned into something else meanwhile
        } else if (errno != ENOENT) {
          note(name);
        }
        continue;
      }
      if (walk_.depth() == 1) return;
      std::string name;
      if (!walk_.ascend(name)) {
        note("..");
        return;
      }
      pending.pop_back();
      remove_folder(name, pending.back());
    }
  }

  int first_error() const { return first_error_; }
  const std::string& first_path() const { return first_path_; }

 private:
  /// Unlinks what is no folder; gives the names of the folders.
  std::vector<std::string> clear_folder() {
    make_writable();
    std::vector<Entry> entries;
    std::vector<std::string> folders;
    if (!read_entries(walk_.fd(), entries)) {
      note("");
      return folders;
    }
    for (Entry& entry : entries) {
      if (entry.directory) {
        folders.push_back(std::move(entry.name));
      } else {
        unlink_entry(entry.name);
      }
    }
    return folders;
  }

  /// Packages carry read-only folders; nothing can be removed from them as they are.
  void make_writable() {
    struct stat status{};
    if (::fstat(walk_.fd(), &status) != 0 || (status.st_mode & 0700) == 0700) return;
    // A failure shows in the unlink that follows.
    system_call("os.chmod", [&] { return ::fchmod(walk_.fd(), (status.st_mode & 07777) | 0700); });
  }

  void unlink_entry(const std::string& name) {
    if (system_call("os.unlink", [&] { return ::unlinkat(walk_.fd(), name.c_str(), 0); }) != 0 && errno != ENOENT) {
      note(name);
    }
  }

  void remove_folder(const std::string& name, std::vector<std::string>& pending) {
    if (system_call("os.rmdir", [&] { return ::unlinkat(walk_.fd(), name.c_str(), AT_REMOVEDIR); }) == 0) return;
    if (errno == ENOENT) return;
    // Another process put something in: try again, but not for ever.
    if ((errno == ENOTEMPTY || errno == EEXIST) && first_error_ == 0 && retries_ < 100) {
      ++retries_;
      pending.push_back(name);
      return;
    }
    note(name);
  }

  void note(const std::string& name) {
    if (first_error_ != 0) return;
    first_error_ = errno;
    first_path_ = root_path_ + "/" + walk_.path() + name;
  }

  TreeWalk walk_;
  std::string root_path_;
  int first_error_ = 0;
  int retries_ = 0;
  std::string first_path_;
};

}  // namespace

void remove_tree(const std::string& path) {
  struct stat status{};
  if (::lstat(path.c_str(), &status) != 0) {
    if (errno == ENOENT || errno == ENOTDIR) return;
    throw_errno("cannot remove a folder", path, errno);
  }
  if (!S_ISDIR(status.st_mode)) {
    remove_file(path);
    return;
  }
  constexpr int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  FileDescriptor root(retry_interrupted([&] { return ::open(path.c_str(), flags); }));
  if (!root && errno == EACCES) {
    const FileDescriptor handle(retry_interrupted(
        [&] { return ::open(path.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }));
    const std::string place = "/proc/self/fd/" + std::to_string(handle.get());
    if (handle && system_call("os.chmod", [&] { return ::chmod(place.c_str(), 0700); }) == 0) {
      root = FileDescriptor(retry_interrupted([&] { return ::openat(handle.get(), ".", flags); }));
    } else {
      errno = EACCES;
    }
  }
  if (!root) {
    if (errno == ENOENT) return;
    throw_errno("cannot remove a folder", path, errno);
  }
  TreeRemover remover(std::move(root), path);
  remover.run();
  if (remover.first_error() != 0) {
    throw_errno("cannot remove everything in `" + path + "`", remover.first_path(), remover.first_error());
  }
  if (system_call("os.rmdir", [&] { return ::rmdir(path.c_str()); }) != 0 && errno != ENOENT) {
    throw_errno("cannot remove a folder", path, errno);
  }
}

std::vector<std::string> list_directory(const std::string& path) {
  const FileDescriptor fd(
      retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!fd) {
    if (errno == ENOENT) return {};
    throw_errno("cannot open a folder", path, errno);
  }
  std::vector<Entry> entries;
  if (!read_entries(fd.get(), entries)) throw_errno("cannot read a folder", path, errno);
  std::vector<std::string> names;
  for (Entry& entry : entries) names.push_back(std::move(entry.name));
  std::sort(names.begin(), names.end());
  return names;
}

std::vector<std::string> list_tree(const std::string& path) {
  FileDescriptor root(retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!root) {
    if (errno == ENOENT) return {};
    throw_errno("cannot open a folder", path, errno);
  }
  std::vector<std::string> files;
  TreeWalk walk(std::move(root));
  std::vector<std::vector<std::string>> pending;
  const auto read_folder = [&] {
    std::vector<Entry> entries;
    if (!read_entries(walk.fd(), entries)) throw_errno("cannot read a folder", path + "/" + walk.path(), errno);
    std::vector<std::string> folders;
    for (Entry& entry : entries) {
      if (entry.directory) {
        folders.push_back(std::move(entry.name));
      } else {
        files.push_back(walk.path() + entry.name);
      }
    }
    pending.push_back(std::move(folders));
  };
  read_folder();
  for (;;) {
    if (!pending.back().empty()) {
      const std::string name = std::move(pending.back().back());
      pending.back().pop_back();
      if (walk.descend(name, false)) {
        read_folder();
      } else if (errno != ENOENT && errno != ENOTDIR && errno != ELOOP) {
        throw_errno("cannot open a folder", path + "/" + walk.path() + name, errno);
      }
      continue;
    }
    if (walk.depth() == 1) break;
    std::string name;
    if (!walk.ascend(name)) throw_errno("cannot read a folder", path + "/" + walk.path(), errno);
    pending.pop_back();
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace envtool
