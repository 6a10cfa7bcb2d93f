#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

#include "envtool/os/files.hpp"

namespace envtool {

/// Writes beneath one folder and nowhere else: every path is opened relative to a descriptor of that
/// folder, no symlink on the way is followed, and nothing that exists is opened, replaced or removed.
/// Paths are clean (see `clean_member_path`). All failures are `Error`.
class FolderWriter {
 public:
  /// How folders are opened: by one openat2(2) with RESOLVE_BENEATH and RESOLVE_NO_SYMLINKS, or, for
  /// kernels without it, part by part with O_NOFOLLOW.
  enum class Walk { openat2, part_by_part };

  /// `folder` must exist and be empty. `archive` is for messages.
  FolderWriter(const std::string& folder, std::string archive, Walk walk = Walk::openat2);
  ~FolderWriter();
  FolderWriter(const FolderWriter&) = delete;

  void make_directory(const std::string& path);
  /// A new file open for writing; missing folders are made.
  FileDescriptor create_file(const std::string& path, bool executable);
  void make_symlink(const std::string& path, const std::string& target);
  /// `existing` must be a regular file made before.
  void make_hardlink(const std::string& path, const std::string& existing);
  /// False when following the symlink at `path` to its end leaves the folder. A link to nothing stays inside.
  bool resolves_inside(const std::string& path) const;
  /// Folders made so far, those on the way to other members included.
  std::uint64_t directories_made() const { return directories_made_; }

 private:
  int directory(std::string_view path);
  int try_open_directory(std::string_view path);
  int open_part_by_part(std::string_view path);
  [[noreturn]] void fail(const char* verb, std::string_view path, int error_number) const;

  std::string archive_;
  std::string folder_;
  FileDescriptor root_;
  Walk walk_;
  // Members of one folder mostly follow one another, and folders come back: keep some open.
  std::unordered_map<std::string, FileDescriptor> open_directories_;
  std::string last_path_;
  int last_fd_ = -1;
  std::uint64_t directories_made_ = 0;
};

}  // namespace envtool
