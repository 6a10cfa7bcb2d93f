#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace envtool {

/// A file descriptor that closes itself.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int fd) : fd_(fd) {}
  FileDescriptor(FileDescriptor&& other) noexcept : fd_(other.release()) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { reset(); }
  int get() const { return fd_; }
  explicit operator bool() const { return fd_ >= 0; }
  int release() { int fd = fd_; fd_ = -1; return fd; }
  void reset();

 private:
  int fd_ = -1;
};

/// The whole regular file. What stands in its place (a pipe, a socket, a device but `/dev/null`, a folder) is never
/// waited for: `Error` (invalid_input), as for more than `limit` bytes. Throws `Error` with the path for all else.
std::string read_file(const std::string& path, std::uint64_t limit = std::uint64_t{4} << 30);
/// The same, or nothing when the file does not exist (ENOENT, ENOTDIR).
std::optional<std::string> read_file_if_exists(const std::string& path,
                                               std::uint64_t limit = std::uint64_t{4} << 30);
/// What the user named: pipes and devices (`/dev/stdin`, `<(command)`), too, for which this waits.
std::string read_named_file(const std::string& path, std::uint64_t limit);
bool exists(const std::string& path);  ///< follows symlinks; false also where it cannot be told
bool exists_no_follow(const std::string& path);
bool is_directory(const std::string& path);
bool is_regular_file(const std::string& path);

enum class Durability { none, full };
/// Writes a temporary file next to `path`, syncs it when `full`, renames it over: readers see the
/// old or the new content. A symlink at `path` is replaced, not followed; `mode` is reduced by the
/// umask. Throws `Error` and leaves no temporary file.
void write_atomically(const std::string& path, std::string_view content, mode_t mode = 0644,
                      Durability durability = Durability::none);
/// Removes the temporary files that killed calls of `write_atomically` left in a folder, one hour old or
/// more: nobody writes for so long. Failing is no error.
void remove_stale_temporaries(const std::string& folder);
/// Creates a new file that must not exist yet and writes it whole; leaves nothing on failure.
void write_new_file(const std::string& path, std::string_view content, mode_t mode = 0644);

/// `mkdir -p`. Throws `Error`.
void make_directories(const std::string& path, mode_t mode = 0777);
/// Removes a tree (or a file) without following symlinks; missing is fine. Read-only folders inside
/// are made writable first, very deep trees need no more descriptors or stack. Goes on after a
/// failure, then throws `Error` for the first thing that stays.
void remove_tree(const std::string& path);
/// Removes a file or symlink; missing is fine.
void remove_file(const std::string& path);
/// rename(2): replaces what is at `to`. Throws `Error`.
void rename_path(const std::string& from, const std::string& to);
/// renameat2(RENAME_NOREPLACE) with a fallback for file systems without it; false when the target
/// exists. Throws `Error`.
bool rename_no_replace(const std::string& from, const std::string& to);
/// fsync(2) of a folder: its entries survive a power cut. Throws `Error`.
void sync_directory(const std::string& path);
/// syncfs(2) of the file system that holds the existing path. Throws `Error`.
void sync_file_system(const std::string& path);

/// How a file came to its second place.
enum class LinkOutcome { hardlink, reflink, copy };
/// What to try, in this order.
struct LinkPolicy {
  bool hardlink = true;
  bool reflink = true;
};
/// Places `from` at the new path `to`: hard link, else reflink, else copy (permission bits and
/// modification time kept, a symlink stays a symlink). EXDEV, EPERM, EMLINK, ENOTSUP and the like fall
/// through to the next way; other errors, an existing `to` and a `from` that is neither file nor
/// symlink throw `Error`.
LinkOutcome link_or_copy(const std::string& from, const std::string& to, LinkPolicy policy = {});

/// Names in a folder (without `.` and `..`), sorted bytewise. Missing folder: empty. Throws `Error`.
std::vector<std::string> list_directory(const std::string& path);
/// Everything below a folder that is no folder, relative, sorted bytewise; symlinks below it are
/// listed, not followed. Missing folder: empty. Throws `Error`.
std::vector<std::string> list_tree(const std::string& path);

/// A folder (mode 0700) that removes itself.
class TemporaryDirectory {
 public:
  /// `<parent>/<stem>XXXXXX`.
  TemporaryDirectory(const std::string& parent, std::string_view stem);
  ~TemporaryDirectory();
  TemporaryDirectory(TemporaryDirectory&&) noexcept;
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  const std::string& path() const { return path_; }
  /// Gives the folder up: it stays.
  std::string release();

 private:
  std::string path_;
};

/// Free bytes and inodes for this user on the file system of the path (its nearest existing parent).
struct FileSystemSpace {
  std::uint64_t free_bytes = 0;
  /// The largest number where inodes are not limited.
  std::uint64_t free_inodes = 0;
};
FileSystemSpace file_system_space(const std::string& path);

/// A random lower-case hex string of `bytes*2` characters for temporary names.
std::string random_name(std::size_t bytes = 6);

}  // namespace envtool
