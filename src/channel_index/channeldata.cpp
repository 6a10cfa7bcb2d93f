#include "channeldata.hpp"

#include <algorithm>
#include <map>
#include <tuple>

#include "envtool/specs/version.hpp"
#include "json.hpp"
#include "paths_summary.hpp"

namespace envtool {
namespace {

struct Candidate {
  Version version;
  const ChanneldataItem* item = nullptr;
};

/// Newest first; of those of one time the first by name, as other indexers choose.
bool is_newer(const Candidate& left, const Candidate& right) {
  if (left.version != right.version) return left.version > right.version;
  if (left.item->timestamp != right.item->timestamp) return left.item->timestamp > right.item->timestamp;
  return std::tie(left.item->subdir, left.item->file_name) < std::tie(right.item->subdir, right.item->file_name);
}

Json describe(std::vector<Candidate> candidates) {
  std::sort(candidates.begin(), candidates.end(), is_newer);
  Json result{{"run_exports", Json::object()}};
  for (const std::string& key : path_summary_keys()) result[key] = false;
  std::set<std::string> subdirs;
  std::uint64_t timestamp = 0;
  for (const auto& [version, item] : candidates) {
    const Json details = parse_json(item->package->details, item->file_name);
    for (const auto& [key, value] : details.at("about").items())
      if (!result.contains(key)) result[key] = value;
    for (const Json& key : details.at("paths")) result[key.get<std::string>()] = true;
    if (item->package->run_exports != "{}" && !result["run_exports"].contains(item->version))
      result["run_exports"][item->version] = parse_json(item->package->run_exports, item->file_name);
    subdirs.insert(item->subdir);
    timestamp = std::max(timestamp, item->timestamp);
  }
  result["version"] = candidates.front().item->version;
  result["subdirs"] = subdirs;
  result["timestamp"] = timestamp;
  return result;
}

}  // namespace

std::string make_channeldata(std::vector<ChanneldataItem> items, const std::set<std::string>& subdirs) {
  std::map<std::string, std::vector<Candidate>> by_name;
  for (const ChanneldataItem& item : items) by_name[item.name].push_back({Version::parse(item.version), &item});
  Json packages = Json::object();
  for (auto& [name, candidates] : by_name) packages[name] = describe(std::move(candidates));
  return compact(Json{{"channeldata_version", 1}, {"packages", std::move(packages)}, {"subdirs", subdirs}});
}

}  // namespace envtool
