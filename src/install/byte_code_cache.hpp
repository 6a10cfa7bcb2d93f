#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "envtool/base/digest.hpp"
#include "envtool/os/files.hpp"

namespace envtool::detail {

/// Byte code that earlier environments compiled, kept beside the package cache and shared by hard links:
/// compiling is most of the time of a create whose packages are cached. A file is found by the interpreter's
/// package, the source's digest, path, size and modification time (which the byte code names), so a hit
/// is what compiling would give.
class ByteCodeCache {
 public:
  /// `folder` empty or no digest of the interpreter's package: nothing is found or kept.
  ByteCodeCache(std::string folder, const std::optional<Sha256>& python, LinkPolicy policy);

  /// One source and its byte code; absolute paths, `name` is the source's path relative to the prefix.
  struct Item {
    std::string source;
    std::string target;
    std::string name;
    std::optional<Sha256> source_digest;
  };
  /// Places the byte code at `target`, whose folder is made; false when the cache has none that fits.
  bool take(const Item& item) const;
  /// Keeps a target that was compiled; to be called when it is on disk. Failing is no error: the next
  /// environment compiles again.
  void keep(const Item& item) const;

 private:
  struct Entry {
    std::string path;
    std::uint32_t source_time = 0;
    std::uint32_t source_size = 0;
  };
  /// Nothing for a source that cannot be identified.
  std::optional<Entry> entry_of(const Item& item) const;

  std::string folder_;
  std::string python_;
  LinkPolicy policy_;
};

}  // namespace envtool::detail
