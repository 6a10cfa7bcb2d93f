#include "envtool/solver/candidate_index.hpp"

#include <algorithm>

namespace envtool {

std::uint32_t CandidateIndex::add_channel(std::string short_name) {
  channels_.push_back(std::move(short_name));
  return static_cast<std::uint32_t>(channels_.size() - 1);
}

void CandidateIndex::add(const RepoDataRecord& record, std::uint32_t channel) {
  by_name_[record.name].push_back({&record, channel});
  ++size_;
}

void CandidateIndex::add(std::span<const RepoDataRecord> records, std::uint32_t channel) {
  for (const auto& record : records) add(record, channel);
}

void CandidateIndex::add(std::span<const RepoDataRecord* const> records, std::uint32_t channel) {
  for (const auto* record : records) add(*record, channel);
}

std::span<const CandidateIndex::Entry> CandidateIndex::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  if (found == by_name_.end()) return {};
  return found->second;
}

std::vector<std::string> CandidateIndex::names() const {
  std::vector<std::string> names;
  names.reserve(by_name_.size());
  for (const auto& [name, entries] : by_name_) names.emplace_back(name);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace envtool
