#include <algorithm>
#include <nlohmann/json.hpp>
#include <optional>

#include "envtool/app/sources.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "solving.hpp"

namespace envtool {

namespace {

using Json = nlohmann::ordered_json;

Json to_json(const std::vector<ConflictReason>& reasons) {
  Json list = Json::array();
  for (const ConflictReason& reason : reasons) {
    Json entry = {{"kind", kind_name(reason.kind)}};
    if (!reason.package.empty()) entry["package"] = reason.package;
    if (!reason.spec.empty()) entry["spec"] = reason.spec;
    if (!reason.detail.empty()) entry["detail"] = reason.detail;
    entry["causes"] = to_json(reason.causes);
    list.push_back(std::move(entry));
  }
  return list;
}

Json to_json(const std::vector<Suggestion>& suggestions) {
  Json list = Json::array();
  for (const Suggestion& suggestion : suggestions) {
    Json entry = {{"kind", kind_name(suggestion.kind)}, {"text", suggestion.text}};
    if (!suggestion.spec.empty()) entry["spec"] = suggestion.spec;
    if (!suggestion.replacement.empty()) entry["replacement"] = suggestion.replacement;
    entry["packages"] = suggestion.outcome;
    entry["complete"] = suggestion.complete;
    list.push_back(std::move(entry));
  }
  return list;
}

Json to_json(const std::vector<MissingPackage>& missing) {
  Json list = Json::array();
  for (const MissingPackage& package : missing) {
    Json entry = {{"spec", package.spec}, {"name", package.name}};
    if (!package.available.empty()) entry["available"] = package.available;
    entry["closest"] = package.closest;
    list.push_back(std::move(entry));
  }
  return list;
}

constexpr const char* common_platforms[] = {"linux-64", "linux-aarch64", "osx-64", "osx-arm64", "win-64"};

std::string dump(const Json& json) { return json.dump(-1, ' ', false, Json::error_handler_t::replace); }

/// A changed beginning of a suggestion, with the end that says what it gives.
void reword(Suggestion& suggestion, std::string beginning) {
  const auto end = suggestion.text.find(": gives ");
  suggestion.text = std::move(beginning) + (end == std::string::npos ? "" : suggestion.text.substr(end));
}

}  // namespace

Error unsolvable_error(const Unsolvable& unsolvable, const std::vector<Channel>& channels) {
  std::vector<std::string> urls;
  for (const Channel& channel : channels) urls.push_back(channel.base_url.str());
  const bool missing = unsolvable.kind == Unsolvable::Kind::packages_not_found;
  Error error(headline(unsolvable), missing ? ErrorKind::packages_not_found : ErrorKind::unsatisfiable);
  if (missing) error.at("channels " + join(urls, ", "));
  const std::string why = explain(unsolvable);
  const bool tree = !missing && why.find('\n') != std::string::npos;
  error.because((tree ? "nothing satisfies all of these demands:\n" : "") + why);
  for (const Suggestion& suggestion : unsolvable.suggestions)
    // The reason asks already whether that name was meant.
    if (suggestion.kind != Suggestion::Kind::other_name) error.hint(suggestion.text);
  if (missing) {
    std::vector<std::string> specs;
    for (const MissingPackage& package : unsolvable.missing) specs.push_back(package.spec);
    error.with("packages", specs).with_json("missing", dump(to_json(unsolvable.missing)));
  } else {
    const Json conflict = {{"specs", unsolvable.conflicting_specs},
                           {"pins", unsolvable.conflicting_pins},
                           {"frozen", unsolvable.conflicting_frozen},
                           {"reasons", to_json(unsolvable.reasons)}};
    error.with_json("conflict", dump(conflict));
  }
  error.with("channel_urls", urls).with_json("suggestions", dump(to_json(unsolvable.suggestions)));
  return error;
}

namespace detail {

bool ReachableRecords::platform_is_empty(const AppInputs& inputs, const Platform& platform) {
  RepoDataOptions options = repodata_options(inputs.settings);
  options.channel_relations_max_depth = 0;
  // Nothing when it is not at hand.
  const auto has_records = [&](const Channel& channel, const std::string& subdir) -> std::optional<bool> {
    try {
      RepoDataGateway gateway({channel}, {subdir}, options, *fetcher_, nullptr);
      // Shards are not counted, but their index has all names.
      return gateway.record_count(inputs.stop) != 0 || !gateway.all_names(inputs.stop).empty();
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      // A channel without that folder.
      if (error.kind() == ErrorKind::invalid_input || error.kind() == ErrorKind::channel_not_found) return false;
      return std::nullopt;
    }
  };
  // This one was fetched a moment ago.
  if (options.cache_use != RepoDataCacheUse::only_cached) options.cache_use = RepoDataCacheUse::prefer_cached;
  for (const Channel& channel : channels_)
    if (has_records(channel, platform.str()).value_or(true)) return false;
  // Channels that have only noarch packages miss nothing.
  options.cache_use = RepoDataCacheUse::only_cached;
  for (const char* other : common_platforms)
    for (const Channel& channel : channels_)
      if (platform.str() != other && has_records(channel, other).value_or(true)) return true;
  return false;
}

std::map<std::string, std::vector<std::string>> ReachableRecords::on_other_platforms(
    const AppInputs& inputs, const Platform& platform, const std::vector<std::string>& names) {
  std::map<std::string, std::vector<std::string>> found;
  RepoDataOptions options = repodata_options(inputs.settings);
  options.channel_relations_max_depth = 0;
  // Channels in folders are read as they are; nobody waits for a download to learn why a name is wrong.
  options.cache_use = RepoDataCacheUse::only_cached;
  for (const char* other : common_platforms) {
    if (platform.str() == other) continue;
    for (const Channel& channel : channels_) {
      try {
        RepoDataGateway gateway({channel}, {other}, options, *fetcher_, nullptr);
        for (const auto& [name, lists] : gateway.records_for(names, inputs.stop)) {
          auto& platforms = found[name];
          if (!lists.empty() && std::find(platforms.begin(), platforms.end(), other) == platforms.end()) platforms.emplace_back(other);
        }
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted) throw;
        // Not at hand: then nothing is said about it.
      }
    }
  }
  return found;
}

void add_app_suggestions(Unsolvable& unsolvable, ReachableRecords& reachable, const AppInputs& inputs,
                         const Platform& platform, const Wishes& wishes) {
  std::vector<std::string> unknown;
  for (const MissingPackage& missing : unsolvable.missing)
    if (missing.available.empty()) unknown.push_back(missing.name);
  if (!unknown.empty()) {
    const bool empty = reachable.platform_is_empty(inputs, platform);
    auto elsewhere = reachable.on_other_platforms(inputs, platform, unknown);
    for (MissingPackage& missing : unsolvable.missing) {
      if (!missing.available.empty()) continue;
      const auto& platforms = elsewhere[missing.name];
      if (empty) {
        missing.available = std::string(reachable.channels().size() == 1 ? "the channel has" : "the channels have") +
                            " no packages for " + platform.str();
        missing.closest.clear();
      } else if (!platforms.empty()) {
        missing.available = "there is no `" + missing.name + "` for " + platform.str();
        missing.closest.clear();
      }
      if (platforms.empty()) continue;
      Suggestion suggestion;
      suggestion.kind = Suggestion::Kind::other_platform;
      suggestion.spec = missing.spec;
      suggestion.replacement = join(platforms, " ");
      suggestion.text = "`" + missing.name + "` is there for " + join(platforms, ", ") + " (`--platform`)";
      unsolvable.suggestions.push_back(std::move(suggestion));
    }
  }
  for (Suggestion& suggestion : unsolvable.suggestions) {
    if (suggestion.kind != Suggestion::Kind::loosen_pin) continue;
    const auto& pinned = inputs.settings.pinned_packages;
    const auto same = [&](const std::string& text) {
      return MatchSpec::parse(text) == MatchSpec::parse(suggestion.spec);
    };
    if (const auto pin = std::find_if(pinned.begin(), pinned.end(), same); pin != pinned.end()) {
      const auto& sources = inputs.settings.pinned_packages_sources;
      const auto source = sources.find(*pin);
      reword(suggestion, suggestion.text.substr(0, suggestion.text.find(": gives ")) + (source == sources.end() ? "" : " in " + source->second));
      continue;
    }
    // Nobody wrote this pin: an installed Python stays in its series unless it is asked for.
    if (suggestion.replacement.empty() || MatchSpec::parse(suggestion.spec).name != "python") continue;
    for (const RepoDataRecord* record : wishes.installed.records)
      if (record->name == "python" && suggestion.spec == "python " + Version::parse(record->version).truncated(2).str() + ".*")
        reword(suggestion, "ask for `" + suggestion.replacement + "` as well, so that Python may leave its series");
  }
}

}  // namespace detail
}  // namespace envtool
