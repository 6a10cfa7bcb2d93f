#pragma once

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "envtool/records/record_table.hpp"

namespace envtool {

/// The records that a solve may choose from, grouped by package name. Holds pointers: the records and
/// tables must outlive the index and every `Solution` made from it.
class CandidateIndex {
 public:
  /// Records of one name in one channel (its position in the order of priority).
  struct Source {
    const RecordTable* table = nullptr;
    std::uint32_t channel = 0;
  };
  /// A record and the channel that it was added for.
  struct Entry {
    const RepoDataRecord* record = nullptr;
    std::uint32_t channel = 0;
  };

  /// Announces the next channel; the first one has the highest priority. The short name is what
  /// `channel::spec` may say instead of the URL. Subdirs of one channel share one number.
  std::uint32_t add_channel(std::string short_name);
  /// Adds one record of a channel announced before.
  void add(const RepoDataRecord& record, std::uint32_t channel);
  /// Adds many records of one channel.
  void add(std::span<const RepoDataRecord> records, std::uint32_t channel);
  void add(std::span<const RepoDataRecord* const> records, std::uint32_t channel);
  /// Adds all records of a name; the name must outlive the index, too.
  void add(std::string_view name, const RecordTable& table, std::uint32_t channel);

  /// Where the records of that name are, in the order in which they were added.
  std::span<const Source> sources(std::string_view name) const;
  /// All of these records. Makes whole records of them.
  std::vector<Entry> find(std::string_view name) const;
  /// Every name, sorted.
  std::vector<std::string> names() const;
  const std::vector<std::string>& channels() const { return channels_; }
  std::size_t size() const { return size_; }

 private:
  struct Sources {
    std::vector<Source> all;
    RecordList* open = nullptr;  ///< the last of them, when it is our own
  };

  std::vector<std::string> channels_;
  std::unordered_map<std::string_view, Sources> by_name_;
  std::deque<RecordList> lists_;  ///< of records that were added one by one
  std::size_t size_ = 0;
};

}  // namespace envtool
