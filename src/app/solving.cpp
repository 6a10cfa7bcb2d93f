#include "solving.hpp"

#include <algorithm>
#include <set>

#include "envtool/app/sources.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/abandonable.hpp"
#include "envtool/os/memory.hpp"
#include "repodata_news.hpp"

namespace envtool {

namespace detail {

void ReachableRecords::load(const AppInputs& inputs, const std::vector<Channel>& channels, const Platform& platform,
                            std::vector<std::string> names, const std::vector<MatchSpec>& specs) {
  expect_many_allocations();
  std::vector<Channel> wanted_channels = channels;
  ChannelConfig config = inputs.settings.channel_config;
  config.home = inputs.environment.home;
  config.working_directory = inputs.environment.working_directory;
  // `channel::spec` may name a channel that no list has: it comes last.
  for (const MatchSpec& spec : specs)
    if (!spec.channel.empty() && spec.channel.find('*') == std::string::npos)
      for (Channel& channel : Channel::resolve(spec.channel, config))
        if (std::find(wanted_channels.begin(), wanted_channels.end(), channel) == wanted_channels.end())
          wanted_channels.push_back(std::move(channel));

  fetcher_ = std::make_unique<Fetcher>(fetch_options(inputs.settings, inputs.environment));
  reporter_ = std::make_unique<RepoDataNews>(inputs.reporter, [this](const std::string& text) { warnings_.push_back(text); });
  gateway_ = std::make_unique<RepoDataGateway>(wanted_channels, std::vector<std::string>{platform.str(), "noarch"},
                                               repodata_options(inputs.settings), *fetcher_, reporter_.get());
  inputs.reporter.on_repodata_start();
  gateway_->prepare(inputs.stop);
  channels_ = gateway_->channels();

  for (const MatchSpec& spec : specs) {
    if (!spec.name_matcher) {
      names.push_back(spec.name);
      continue;
    }
    for (const std::string& name : gateway_->all_names(inputs.stop))
      if (spec.name_matcher->matches(name)) names.push_back(name);
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  names_ = std::move(names);
  fill(inputs.stop);
  inputs.reporter.on_repodata_finish();
}

void ReachableRecords::fill(std::stop_token stop) {
  index_ = CandidateIndex();
  records_ = gateway_->load_reachable_tables(names_, stop);
  for (const Channel& channel : channels_) index_.add_channel(channel.name);
  for (const auto& [name, lists] : records_)
    for (const SubdirTable& list : lists) index_.add(name, *list.table, static_cast<std::uint32_t>(list.channel));
}

void ReachableRecords::load_more(const std::vector<std::string>& names, std::stop_token stop) {
  names_.insert(names_.end(), names.begin(), names.end());
  fill(stop);
}

std::vector<RepoDataRecord> solve_wishes(const AppInputs& inputs, const std::vector<Channel>& channels,
                                         const Platform& platform, const Wishes& wishes,
                                         std::vector<std::string>& warnings) {
  std::vector<std::string> names;
  for (const RepoDataRecord* record : wishes.installed.records) names.push_back(record->name);
  std::vector<MatchSpec> specs = wishes.specs;
  ChannelConfig config = inputs.settings.channel_config;
  config.home = inputs.environment.home;
  config.working_directory = inputs.environment.working_directory;
  for (MatchSpec& spec : specs) spec.promote_channel(config);
  ReachableRecords reachable;
  reachable.load(inputs, channels, platform, std::move(names), specs);
  warnings.insert(warnings.end(), reachable.warnings().begin(), reachable.warnings().end());

  SolveRequest request;
  request.candidates = &reachable.index();
  request.virtual_packages = virtual_packages(platform, inputs.settings, inputs.environment);
  request.specs = std::move(specs);
  request.pins = wishes.pins;
  request.installed = wishes.installed;
  request.options.dependencies = wishes.dependencies;
  set_release_cutoffs(request.options, inputs.settings, reachable.channels(), inputs.environment);
  switch (inputs.settings.channel_priority) {
    case ChannelPrioritySetting::strict: request.options.channel_priority = ChannelPriority::strict; break;
    case ChannelPrioritySetting::flexible: request.options.channel_priority = ChannelPriority::flexible; break;
    case ChannelPrioritySetting::disabled: request.options.channel_priority = ChannelPriority::disabled; break;
  }
  // The solver sees only what the request can reach.
  request.known_names = [&] { return reachable.all_names(inputs.stop); };
  inputs.reporter.on_solve_start();
  if (inputs.stop.stop_requested()) throw Error("interrupted", ErrorKind::interrupted);
  auto result = [&] {
    const AbandonableWork solving;
    return solve(request);
  }();
  inputs.reporter.on_solve_finish();
  if (auto* unsolvable = std::get_if<Unsolvable>(&result)) {
    add_app_suggestions(*unsolvable, reachable, inputs, platform, wishes);
    std::vector<std::string> closest;
    for (const MissingPackage& missing : unsolvable->missing)
      if (!missing.closest.empty()) closest.push_back(missing.closest.front());
    if (!closest.empty()) {
      // Would the name that is spelled alike do?
      reachable.load_more(closest, inputs.stop);
      const AbandonableWork solving;
      auto again = solve(request);
      if (const auto* renamed = std::get_if<Unsolvable>(&again))
        for (const Suggestion& suggestion : renamed->suggestions)
          if (suggestion.kind == Suggestion::Kind::other_name) unsolvable->suggestions.push_back(suggestion);
    }
    throw unsolvable_error(*unsolvable, reachable.channels());
  }
  std::vector<RepoDataRecord> records;
  for (const Solution::Package& package : std::get<Solution>(result).packages) records.push_back(*package.record);
  return records;
}

}  // namespace detail
}  // namespace envtool
