#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "envtool/base/digest.hpp"
#include "index_format.hpp"
#include "record_parser.hpp"

namespace envtool {

/// Which file an index was made from.
struct IndexSource {
  Sha256 digest;
  std::uint64_t size = 0;
  std::int64_t mtime_ns = 0;
  std::uint64_t inode = 0;
};

/// Which part of the document a record stands in.
enum class Section : std::uint8_t { packages, packages_conda, revision3, forgotten };

/// Collects the records of one subdir in compact form and writes them as a binary index.
class IndexBuilder {
 public:
  /// `subdir` is what a record without a subdir of its own belongs to.
  explicit IndexBuilder(std::string subdir) : subdir_(std::move(subdir)) {}

  /// Adds a record that `RecordParser` found good. Returns why name or file name break CEP 26, or an
  /// empty text. A later record of the same file name replaces an earlier one.
  std::string add(Section section, std::string_view file_name, const RawRecord& record);
  /// Drops the records that came from a section: its key came a second time in the document.
  void forget(Section section);
  /// The file name is in the document's list of removed files.
  void remove(std::string file_name) { removed_.push_back(std::move(file_name)); }
  /// Takes over the records of another builder; the two have no name in common.
  void absorb(IndexBuilder& other);
  const std::string& subdir() const { return subdir_; }
  void set_info(RepoDataInfo info) { info_ = std::move(info); }

  /// Writes the index to an empty file and gives the memory back. Of two records that differ only in
  /// the archive's format the `.conda` is kept. Throws `Error` naming `path`.
  void write(int file, const std::string& path, const IndexSource& source);

  /// The records of one name.
  struct Block {
    std::string bytes;  ///< for `decode_block`
    std::uint32_t record_count = 0;
  };
  /// All records of a name alone; the builder may not be used afterwards.
  Block take_block(std::string_view name);

 private:
  struct Reference {
    std::uint32_t offset;  // in `records`
    Section section;
  };
  // All records of one name.
  struct Bucket {
    std::string name;
    std::string text;                   // the strings, one behind the other
    std::vector<std::uint32_t> ends;    // where each string ends
    std::vector<std::uint32_t> table;   // hash table of string numbers + 1
    std::string records;
    std::vector<Reference> references;
    std::vector<std::uint32_t> previous;  // the strings of the record before, in order

    std::uint32_t intern(std::string_view string);
    std::uint32_t intern_next(std::string_view string, std::size_t position);
    std::string_view string(std::uint64_t number) const;
    void grow_table();
  };
  struct Kept;

  Bucket* bucket_for(std::string_view name);
  static std::vector<Kept> surviving_records(const Bucket& bucket, const std::vector<std::string>& removed);
  static std::string encode_block(const Bucket& bucket, const std::vector<Kept>& kept);

  std::string subdir_;
  RepoDataInfo info_;
  std::vector<std::string> removed_;
  std::unordered_map<std::string, std::unique_ptr<Bucket>> buckets_;
  Bucket* last_ = nullptr;
};

}  // namespace envtool
