#include "solving.hpp"

#include <algorithm>
#include <set>

#include "envtool/app/sources.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {

/// Passes the gateway's news on and keeps what the user must be told at the end.
class RepoDataNews : public RepoDataReporter {
 public:
  RepoDataNews(AppReporter& reporter, std::vector<std::string>& warnings) : reporter_(reporter), warnings_(warnings) {}
  void on_fetch_start(const std::string& url) override { reporter_.on_repodata_fetch(url); }
  void on_warning(const std::string& text) override { warnings_.push_back(text); }
  void on_lock_wait(const std::string& url, const std::string& holder) override {
    reporter_.on_warning("waiting for " + holder + ", which fetches " + url);
  }

 private:
  AppReporter& reporter_;
  std::vector<std::string>& warnings_;
};

}  // namespace

Error unsolvable_error(const Unsolvable& unsolvable, const std::vector<Channel>& channels) {
  std::vector<std::string> urls;
  for (const Channel& channel : channels) urls.push_back(channel.base_url.str());
  if (unsolvable.kind == Unsolvable::Kind::packages_not_found) {
    std::vector<std::string> specs;
    for (const MissingPackage& missing : unsolvable.missing) specs.push_back(missing.spec);
    Error error(specs.size() == 1 ? "no channel has a package for `" + specs[0] + "`"
                                  : "no channel has packages for these specs",
                ErrorKind::packages_not_found);
    error.at("channels " + join(urls, ", "));
    error.because(explain(unsolvable));
    error.with("packages", specs).with("channel_urls", urls);
    return error;
  }
  Error error("the wishes cannot stand together", ErrorKind::unsatisfiable);
  error.because(explain(unsolvable));
  error.with("channel_urls", urls);
  return error;
}

namespace detail {

void ReachableRecords::load(const AppInputs& inputs, const std::vector<Channel>& channels, const Platform& platform,
                            std::vector<std::string> names, const std::vector<MatchSpec>& specs) {
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
  reporter_ = std::make_unique<RepoDataNews>(inputs.reporter, warnings_);
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
  records_ = gateway_->load_reachable(std::move(names), {}, inputs.stop);
  inputs.reporter.on_repodata_finish();

  for (const Channel& channel : channels_) index_.add_channel(channel.name);
  for (const auto& [name, lists] : records_)
    for (const SubdirRecords& list : lists) index_.add(list.records, static_cast<std::uint32_t>(list.channel));
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
  inputs.reporter.on_solve_start();
  auto result = solve(request);
  inputs.reporter.on_solve_finish();
  if (auto* unsolvable = std::get_if<Unsolvable>(&result)) {
    // The solver sees only what the request can reach: names spelled alike are looked up here.
    if (unsolvable->kind == Unsolvable::Kind::packages_not_found) {
      const auto all_names = reachable.all_names(inputs.stop);
      for (MissingPackage& missing : unsolvable->missing)
        {
        missing.closest = closest_matches(MatchSpec::parse(missing.spec).name, all_names);
        std::erase(missing.closest, MatchSpec::parse(missing.spec).name);
      }
    }
    throw unsolvable_error(*unsolvable, reachable.channels());
  }
  std::vector<RepoDataRecord> records;
  for (const Solution::Package& package : std::get<Solution>(result).packages) records.push_back(*package.record);
  return records;
}

}  // namespace detail
}  // namespace envtool
