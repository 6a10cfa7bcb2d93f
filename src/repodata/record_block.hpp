#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "envtool/records/package_record.hpp"

namespace envtool {

/// What is the same for all records of a subdir.
struct RecordPlace {
  std::string channel;     ///< URL without subdir
  std::string package_url; ///< what file names are appended to, with a slash
  std::string subdir;
};

using RecordBlockFilter = std::function<bool(const RepoDataRecord&)>;

/// The records of a block (`IndexBuilder` made it) that the filter (if any) keeps, ordered by file name.
/// The names that they depend on are added to `dependencies`. Throws `DamagedIndex`.
std::vector<RepoDataRecord> decode_block(std::string_view block, std::size_t record_count, std::string_view name,
                                         const RecordPlace& place, const RecordBlockFilter& filter = {},
                                         std::unordered_set<std::string>* dependencies = nullptr);

}  // namespace envtool
