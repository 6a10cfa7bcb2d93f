#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "envtool/os/files.hpp"
#include "envtool/records/package_record.hpp"
#include "index_builder.hpp"
#include "index_format.hpp"
#include "record_block.hpp"

namespace envtool {

/// Reads the binary index of one subdir: the directory once, then the blocks of the names that are
/// asked for. The file is read, not mapped, so a file that shrinks or a disk that fails cannot kill
/// the process.
class RepoDataIndex {
 public:
  /// Throws `DamagedIndex` unless header and directory are whole.
  explicit RepoDataIndex(FileDescriptor file);

  const IndexHeader& header() const { return header_; }
  const std::string& base_url() const { return base_url_; }
  const std::string& relation_base() const { return relation_base_; }
  const std::string& relation_overrides() const { return relation_overrides_; }
  std::size_t size() const { return header_.name_count; }
  std::string_view name(std::size_t position) const;

  using Place = RecordPlace;
  /// The records of a name; null for a name that is not there. Throws `DamagedIndex`.
  std::unique_ptr<RecordBlock> records(std::string_view name, const Place& place) const;

 private:
  IndexEntry entry(std::size_t position) const;
  std::optional<IndexEntry> find(std::string_view name) const;
  std::string read_piece(std::uint64_t offset, std::uint64_t size, std::uint64_t checksum) const;

  FileDescriptor file_;
  IndexHeader header_;
  std::uint64_t file_size_ = 0;
  std::string directory_;
  std::string_view names_;
  std::string base_url_, relation_base_, relation_overrides_;
};

}  // namespace envtool
