#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace envtool::test {

/// One tar member, written byte for byte as asked, however wrong.
struct Member {
  std::string name;
  std::string content;
  char type = '0';  ///< tar's type flag: 0 file, 1 hard link, 2 symlink, 3 4 6 devices and FIFO, 5 folder
  std::string link;
  unsigned mode = 0644;
  std::int64_t mtime = 1'600'000'000;
  /// Claimed size where it is not the content's.
  std::optional<std::uint64_t> size;
  /// Records of an extended (pax) header before this member.
  std::vector<std::pair<std::string, std::string>> pax;
};

Member file(std::string name, std::string content, unsigned mode = 0644);
Member folder(std::string name);
Member soft_link(std::string name, std::string target);
Member hard_link(std::string name, std::string target);

/// A tar file of these members with its end mark; names beyond 100 bytes get a pax header.
std::string tar_bytes(const std::vector<Member>& members);
std::string bzip2(const std::string& bytes);
std::string zstd(const std::string& bytes, int level = 3);

/// One zip member with everything that can be wrong about it.
struct ZipEntry {
  std::string name;
  std::string content;
  std::optional<std::string> local_name;       ///< in the local header, when it differs
  std::optional<std::uint32_t> local_size;     ///< likewise
  std::optional<std::uint32_t> crc;            ///< a wrong checksum
  std::uint16_t method = 0, flags = 0;
};
struct ZipOptions {
  bool zip64 = false;
  std::string comment;
  std::optional<std::uint16_t> count;
  std::optional<std::uint32_t> directory_offset;
};
std::string zip_bytes(const std::vector<ZipEntry>& entries, const ZipOptions& options = {});

/// The three parts of a good `.conda` file.
std::vector<ZipEntry> conda_entries(const std::string& dist, const std::vector<Member>& info,
                                    const std::vector<Member>& package);
/// A good `.conda` or `.tar.bz2`; members beneath `info/` go into the right part.
std::string conda_bytes(const std::string& dist, const std::vector<Member>& members);
std::string tar_bz2_bytes(const std::vector<Member>& members);

/// The members with `info/index.json`, `info/paths.json` and `info/files` that fit them.
std::vector<Member> with_metadata(const std::string& name, const std::string& version, const std::string& build,
                                  std::vector<Member> members);

}  // namespace envtool::test
