#include "envtool/records/record_table.hpp"

#include "envtool/records/record_queries.hpp"

namespace envtool {

RecordTable::Text RecordList::intern(std::string_view text) {
  const auto [found, added] = numbers_.try_emplace(text, static_cast<Text>(texts_.size()));
  if (added) texts_.push_back(text);
  return found->second;
}

void RecordList::add(const RepoDataRecord& record) {
  Row row;
  row.version = intern(record.version);
  row.build = intern(record.build);
  row.subdir = intern(record.subdir);
  row.noarch = record.noarch;
  row.build_number = record.build_number;
  row.timestamp = record.timestamp;
  row.release_time = release_time(record);
  row.has_track_features = !record.track_features.empty();
  row.first_spec = static_cast<std::uint32_t>(specs_.size());
  row.depends_count = static_cast<std::uint32_t>(record.depends.size());
  row.constrains_count = static_cast<std::uint32_t>(record.constrains.size());
  for (const auto* list : {&record.depends, &record.constrains})
    for (const std::string& text : *list) specs_.push_back(intern(text));
  rows_.push_back(row);
  records_.push_back(&record);
}

}  // namespace envtool
