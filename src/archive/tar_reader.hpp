#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "envtool/archive/extract.hpp"
#include "package_file.hpp"

namespace envtool {

/// What a tar file says of a member, unchecked.
struct TarMember {
  enum class Type { file, symlink, directory, hardlink, special };
  Type type = Type::special;
  std::string name;
  std::string target;          ///< of a symlink or hard link
  std::uint64_t size = 0;      ///< of a file
  bool executable = false;
  std::int64_t mtime = 0;      ///< seconds since the epoch
  long mtime_nanoseconds = 0;
};

/// Counts unpacked bytes over all parts of one archive.
struct ExpansionMeter {
  std::uint64_t limit = 0;
  std::uint64_t used = 0;
};

/// A compressed tar file (the whole of a `.tar.bz2`, or a part of a `.conda`) read once from start to end.
class TarReader {
 public:
  enum class Compression { bzip2, zstd };
  struct Source {
    const PackageFile& file;
    FileRange range;
    Compression compression;
    std::optional<std::uint32_t> crc;  ///< of the compressed bytes, checked by `finish`
  };

  TarReader(const Source& source, ExpansionMeter& meter, std::stop_token stop);
  ~TarReader();
  TarReader(const TarReader&) = delete;

  /// The next member, or nothing at the end. Data of the last member that was not read is skipped.
  std::optional<TarMember> next();
  /// Calls `sink` with the pieces of the current file and their places; between them may be holes.
  void read_data(const std::function<void(std::uint64_t offset, std::string_view piece)>& sink);
  /// Reads to the very end of the compressed data, so that damage after the last member shows too.
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace envtool
