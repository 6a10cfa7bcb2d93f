#include "history_state.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/os/files.hpp"
#include "envtool/package_cache/bundle.hpp"
#include "envtool/records/record_json.hpp"
#include "pip_distributions.hpp"

namespace envtool::detail {

namespace {
constexpr std::uint64_t record_limit = 16 << 20;

/// How well a record fits a line of the history: 2 for the very line, 1 for the same package of a channel
/// that may be spelt otherwise, 0 for another one.
int fits(const RepoDataRecord& record, std::string_view line) {
  if (record.dist() != dist_of_history_line(line)) return 0;
  const std::string ours = history_line(record);
  if (ours == line) return 2;
  const std::size_t colons = line.rfind("::");
  if (colons == std::string_view::npos) return 1;  // very old histories name no channel
  const std::string_view channel = line.substr(0, colons);
  const std::string whole = ours.substr(0, ours.rfind("::"));
  // `defaults` stands for several channels; `channel` without a subdir and full URLs are in use, too.
  const std::string_view last = std::string_view(whole).substr(0, whole.rfind('/'));
  return channel == "defaults" || channel.starts_with("defaults/") || channel == last || whole.ends_with("/" + std::string(channel)) ||
                 channel.ends_with("/" + whole)
             ? 1
             : 0;
}
}  // namespace

std::map<std::string, std::vector<std::string>> requested_specs(const History& history, std::span<const PrefixRecord> records) {
  std::map<std::string, std::vector<std::string>> requested;
  const auto wishes = history.requested_specs();
  for (const PrefixRecord& record : records) {
    if (const auto found = wishes.find(record.name); found != wishes.end()) requested[record.name] = {found->second};
    if (!record.requested_specs.empty()) requested[record.name] = record.requested_specs;
  }
  return requested;
}

std::optional<std::string> pinned_text(const Prefix& prefix) {
  auto text = read_file_if_exists(prefix.pinned_file(), record_limit);
  return text ? std::optional(redact(*text)) : std::nullopt;
}

EnvironmentState observe_state(const Prefix& prefix, std::span<const PrefixRecord> records, const RevisionStore& store,
                               const std::vector<std::string>& pkgs_dirs) {
  EnvironmentState state;
  state.packages.assign(records.begin(), records.end());
  std::sort(state.packages.begin(), state.packages.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  state.requested = requested_specs(store.history(), records);
  state.pinned = pinned_text(prefix);
  if (exists_no_follow(prefix.state_file())) state.variables = read_state(prefix);
  state.pip = installed_distributions(prefix, records);
  if (state.pip.empty()) return state;
  const BundleStore bundles(pkgs_dirs);
  for (std::size_t number = 0; number < store.size(); ++number)
    if (store.is_recorded(number)) find_bundles(state.pip, store.pip(number), bundles);
  return state;
}

std::vector<RepoDataRecord> find_unrecorded(const RevisionStore& store, std::size_t number, std::span<const PrefixRecord> installed,
                                            const std::vector<std::string>& pkgs_dirs) {
  std::multimap<std::string, RepoDataRecord, std::less<>> known;
  for (const PrefixRecord& record : installed) known.emplace(record.dist(), record);
  for (std::size_t i = 0; i < store.size(); ++i) {
    if (!store.is_recorded(i)) continue;
    try {
      for (RepoDataRecord& record : store.state(i).packages) known.emplace(record.dist(), std::move(record));
    } catch (const Error&) {
      // Another revision's trouble.
    }
  }
  std::map<std::string, std::vector<std::string>, std::less<>> cached;
  for (const std::string& directory : pkgs_dirs)
    for (const std::string& name : list_directory(directory))
      if (name.front() != '.') cached[name.substr(0, name.find('~'))].push_back(directory + "/" + name);

  std::vector<RepoDataRecord> found;
  std::vector<std::string> missing;
  for (const std::string& line : store.history().state_at(number)) {
    std::vector<RepoDataRecord> candidates;
    const auto [first, last] = known.equal_range(dist_of_history_line(line));
    for (auto item = first; item != last; ++item) candidates.push_back(item->second);
    if (const auto places = cached.find(dist_of_history_line(line)); places != cached.end())
      for (const std::string& place : places->second) {
        const std::string path = place + "/info/repodata_record.json";
        try {
          if (const auto text = read_file_if_exists(path, record_limit)) candidates.push_back(parse_repodata_record(*text, path));
        } catch (const Error&) {
          // A damaged package of the cache is none.
        }
      }
    const RepoDataRecord* best = nullptr;
    int best_fit = 0;
    bool doubtful = false;
    for (const RepoDataRecord& candidate : candidates) {
      const int fit = candidate.url.empty() ? 0 : fits(candidate, line);
      if (fit > best_fit) {
        best = &candidate;
        best_fit = fit;
        doubtful = false;
      } else if (fit == best_fit && best != nullptr && candidate.sha256 && best->sha256 && *candidate.sha256 != *best->sha256) {
        doubtful = true;
      }
    }
    if (best == nullptr || doubtful) missing.push_back(line);
    else found.push_back(*best);
  }
  if (missing.empty()) return found;
  std::vector<std::string> shown(missing.begin(), missing.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(missing.size(), 5)));
  throw Error("revision " + std::to_string(number) + " cannot be brought back", ErrorKind::packages_not_found)
      .because("another tool made it, and of " + std::to_string(missing.size()) + (missing.size() == 1 ? " package" : " packages") +
               " neither the environment nor a package cache knows more than the name: " + join(shown, ", ") +
               (missing.size() > shown.size() ? ", ..." : ""))
      .hint("`envtool install` with the versions that `envtool history show " + std::to_string(number) + "` lists asks the channels for them")
      .with("packages", missing);
}

}  // namespace envtool::detail
