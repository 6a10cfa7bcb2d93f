#pragma once

#include <cstdint>
#include <string>

#include "envtool/os/files.hpp"

namespace envtool {

/// A piece of a file.
struct FileRange {
  std::uint64_t offset = 0;
  std::uint64_t size = 0;
};

/// A package archive open for reading.
class PackageFile {
 public:
  enum class Kind { conda, tar_bz2 };

  /// Opens the file and finds out its kind by its first bytes. Throws `Error` (corrupt) when it is
  /// neither kind or the name says otherwise.
  explicit PackageFile(std::string path);

  const std::string& path() const { return path_; }
  Kind kind() const { return kind_; }
  std::uint64_t size() const { return size_; }
  /// The open file, for calls that only look.
  int descriptor() const { return fd_.get(); }
  /// Fills the whole buffer from this place. Throws `Error` when the file ends before.
  void read(std::uint64_t offset, void* buffer, std::size_t size) const;
  std::string read(FileRange range) const;

 private:
  std::string path_;
  FileDescriptor fd_;
  std::uint64_t size_ = 0;
  Kind kind_ = Kind::conda;
};

}  // namespace envtool
