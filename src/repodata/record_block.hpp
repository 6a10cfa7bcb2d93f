#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "envtool/records/record_table.hpp"

namespace envtool {

/// What is the same for all records of a subdir.
struct RecordPlace {
  std::string channel;     ///< URL without subdir
  std::string package_url; ///< what file names are appended to, with a slash
  std::string subdir;
};

using RecordBlockFilter = std::function<bool(const RepoDataRecord&)>;

/// The records of a block that `IndexBuilder` made, ordered by file name. The block is checked when the
/// object is made; a record is decoded when it is asked for.
class RecordBlock : public RecordTable {
 public:
  /// Throws `DamagedIndex`.
  RecordBlock(std::string block, std::size_t record_count, std::string_view name, RecordPlace place);

  const RepoDataRecord& record(std::size_t position) const override;
  /// The records that the filter (if any) keeps. The names that they depend on are added to `dependencies`.
  std::vector<RepoDataRecord> records(const RecordBlockFilter& filter = {},
                                      std::unordered_set<std::string>* dependencies = nullptr) const;
  /// The names that all records depend on.
  void add_dependencies(std::unordered_set<std::string>& names) const;

 private:
  void decode(std::size_t position, RepoDataRecord& record) const;
  void mark_dependencies(std::size_t position, std::vector<bool>& texts) const;
  void add_names(const std::vector<bool>& texts, std::unordered_set<std::string>& names) const;

  const std::string block_;
  const std::string name_;
  const RecordPlace place_;
  std::vector<std::uint32_t> offsets_;  // of the records in the block
  std::vector<std::pair<std::uint32_t, Text>> extra_depends_;  // positions and what their groups need
  mutable std::unordered_map<std::size_t, RepoDataRecord> decoded_;
};

}  // namespace envtool
