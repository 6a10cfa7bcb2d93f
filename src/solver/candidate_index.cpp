#include "envtool/solver/candidate_index.hpp"

#include <algorithm>

namespace envtool {

std::uint32_t CandidateIndex::add_channel(std::string short_name) {
  channels_.push_back(std::move(short_name));
  return static_cast<std::uint32_t>(channels_.size() - 1);
}

void CandidateIndex::add(const RepoDataRecord& record, std::uint32_t channel) {
  Sources& sources = by_name_[record.name];
  if (sources.open == nullptr || sources.all.back().channel != channel) {
    sources.open = &lists_.emplace_back();
    sources.all.push_back({sources.open, channel});
  }
  sources.open->add(record);
  ++size_;
}

void CandidateIndex::add(std::span<const RepoDataRecord> records, std::uint32_t channel) {
  for (const auto& record : records) add(record, channel);
}

void CandidateIndex::add(std::span<const RepoDataRecord* const> records, std::uint32_t channel) {
  for (const auto* record : records) add(*record, channel);
}

void CandidateIndex::add(std::string_view name, const RecordTable& table, std::uint32_t channel) {
  Sources& sources = by_name_[name];
  sources.open = nullptr;
  sources.all.push_back({&table, channel});
  size_ += table.size();
}

std::span<const CandidateIndex::Source> CandidateIndex::sources(std::string_view name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return {};
  return found->second.all;
}

std::vector<CandidateIndex::Entry> CandidateIndex::find(std::string_view name) const {
  std::vector<Entry> entries;
  for (const Source& source : sources(name))
    for (std::size_t i = 0; i < source.table->size(); ++i) entries.push_back({&source.table->record(i), source.channel});
  return entries;
}

std::vector<std::string> CandidateIndex::names() const {
  std::vector<std::string> names;
  names.reserve(by_name_.size());
  for (const auto& [name, sources] : by_name_) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace envtool
