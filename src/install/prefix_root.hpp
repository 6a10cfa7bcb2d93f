#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "envtool/os/files.hpp"

namespace envtool::detail {

/// What lies at a path, without following a symlink there.
struct Found {
  enum class Type { absent, file, link, directory, other } type = Type::absent;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  /// Permission bits; not part of the identity.
  std::uint32_t mode = 0;
  bool operator==(const Found& other) const {
    return type == other.type && inode == other.inode && size == other.size && mtime_ns == other.mtime_ns;
  }
  explicit operator bool() const { return type != Type::absent; }
};
Found to_found(const struct stat& status);

/// A prefix opened once; every path is resolved beneath it, so neither `..`, nor a symlink that leads
/// out of it (planted or packaged) takes a change elsewhere.
class PrefixRoot {
 public:
  /// Throws `Error` when the folder cannot be opened.
  explicit PrefixRoot(const std::string& path);
  const std::string& path() const { return path_; }

  /// A name in an open folder.
  struct Place {
    int folder = -1;
    std::string name;
  };
  /// The folder above a path, or nothing when it (or one above it) is missing or not a folder. Throws
  /// `Error` (unsafe) when the way there leaves the prefix. Valid until the next call of any method.
  std::optional<Place> place(std::string_view path);
  /// The same; missing folders are made.
  Place make_place(std::string_view path);

  Found look(std::string_view path);
  /// Makes a folder and those above it. A symlink that leads to a folder inside counts as one. False
  /// when something that is not a folder is in the way.
  bool make_folder(std::string_view path);
  /// Removes an empty folder; anything else stays.
  void remove_empty_folder(std::string_view path);
  /// SHA-256 of a regular file in hex, or nothing when it is none.
  std::optional<std::string> file_digest(std::string_view path);
  std::optional<std::string> link_text(std::string_view path);

  /// After folders or symlinks were changed.
  void forget_folders() { folder_path_.reset(); }

 private:
  FileDescriptor open_folder(std::string_view path) const;
  /// Throws `Error` (unsafe) when symlinks led a path that does not say so into `conda-meta`, where a
  /// package could plant records, variables or a journal.
  void refuse_way_into_conda_meta(const FileDescriptor& folder, const std::string& path) const;

  std::string path_;
  FileDescriptor root_;
  /// The folder opened last; work goes in path order.
  std::optional<std::string> folder_path_;
  FileDescriptor folder_;
};

}  // namespace envtool::detail
