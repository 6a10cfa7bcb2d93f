#include "envtool/app/query.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <tuple>

#include "envtool/app/sources.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/records/record_queries.hpp"
#include "envtool/repodata/repodata_gateway.hpp"
#include "repodata_news.hpp"

namespace envtool {

namespace {

/// A version that cannot be understood (a foreign record's) is older than any other.
std::optional<Version> try_parse(const std::string& text) {
  try {
    return Version::parse(text);
  } catch (const Error&) {
    return std::nullopt;
  }
}

std::strong_ordering compare_versions(const std::optional<Version>& left, const std::optional<Version>& right) {
  if (left && right) return *left <=> *right;
  return left.has_value() <=> right.has_value();
}

}  // namespace

struct RecordSource::Implementation {
  std::stop_token stop;
  bool channel_decides = true;
  std::vector<std::string> places;
  /// By channel URL: its position and short name.
  std::map<std::string, std::pair<std::size_t, std::string>, std::less<>> channels;
  // An environment's records,
  std::map<std::string, std::vector<RepoDataRecord>> installed;
  bool is_environment = false;
  // or channels.
  std::unique_ptr<Fetcher> fetcher;
  std::unique_ptr<RepoDataReporter> news;
  std::unique_ptr<RepoDataGateway> gateway;
  const AppInputs* inputs = nullptr;
  /// Only its release cutoffs are used.
  SolveOptions cutoffs;
  bool has_cutoffs = false;
  bool prepared = false;

  RepoDataGateway& ready() {
    if (prepared) return *gateway;
    inputs->reporter.on_repodata_start();
    gateway->prepare(stop);
    inputs->reporter.on_repodata_finish();
    for (const Channel& channel : gateway->channels()) {
      channels.try_emplace(channel.base_url.str(), channels.size(), channel.name);
      // Also those that other channels brought in.
      if (std::find(places.begin(), places.end(), channel.base_url.str()) == places.end())
        places.push_back(channel.base_url.str());
    }
    set_release_cutoffs(cutoffs, inputs->settings, gateway->channels(), inputs->environment);
    has_cutoffs = cutoffs.exclude_newer_ms != 0 || !cutoffs.exclude_newer_packages.empty() || !cutoffs.exclude_newer_channels.empty();
    prepared = true;
    return *gateway;
  }
  bool is_too_new(const RepoDataRecord& record) const {
    if (!has_cutoffs) return false;
    const std::uint64_t limit = cutoffs.date_limit(record.name, static_cast<std::uint32_t>(position(record.channel)));
    return limit != 0 && release_time(record) > limit;
  }
  std::size_t position(const std::string& channel) const {
    const auto found = channels.find(channel);
    return found == channels.end() ? channels.size() : found->second.first;
  }
};

RecordSource::RecordSource(std::unique_ptr<Implementation> implementation) : implementation_(std::move(implementation)) {}
RecordSource::~RecordSource() = default;
RecordSource::RecordSource(RecordSource&&) noexcept = default;

RecordSource RecordSource::of_channels(const AppInputs& inputs, std::vector<Channel> channels,
                                       std::vector<std::string> subdirs) {
  auto made = std::make_unique<Implementation>();
  made->stop = inputs.stop;
  made->channel_decides = inputs.settings.channel_priority != ChannelPrioritySetting::disabled;
  made->inputs = &inputs;
  for (const Channel& channel : channels) made->places.push_back(channel.base_url.str());
  made->fetcher = std::make_unique<Fetcher>(fetch_options(inputs.settings, inputs.environment));
  made->news = std::make_unique<detail::RepoDataNews>(
      inputs.reporter, [&reporter = inputs.reporter](const std::string& text) { reporter.on_warning(text); });
  made->gateway = std::make_unique<RepoDataGateway>(std::move(channels), std::move(subdirs), repodata_options(inputs.settings),
                                                    *made->fetcher, made->news.get());
  return RecordSource(std::move(made));
}

RecordSource RecordSource::of_environment(const AppInputs& inputs, const Prefix& prefix, const PrefixData& data) {
  auto made = std::make_unique<Implementation>();
  made->stop = inputs.stop;
  made->is_environment = true;
  made->places = {prefix.path()};
  ChannelConfig config = inputs.settings.channel_config;
  config.home = inputs.environment.home;
  config.working_directory = inputs.environment.working_directory;
  for (const PrefixRecord& record : data.records()) {
    made->installed[record.name].push_back(record);
    if (record.channel.empty() || made->channels.count(record.channel) != 0) continue;
    std::string name = record.channel;
    if (Url::looks_like_url(name))
      if (const auto channels = Channel::resolve(name, config); channels.size() == 1) name = channels[0].name;
    made->channels.try_emplace(record.channel, made->channels.size(), std::move(name));
  }
  return RecordSource(std::move(made));
}

std::vector<std::string> RecordSource::names() {
  if (!is_environment()) return implementation_->ready().all_names(implementation_->stop);
  std::vector<std::string> names;
  for (const auto& [name, records] : implementation_->installed) names.push_back(name);
  return names;
}

void RecordSource::visit(std::vector<std::string> names, const Visitor& visitor) {
  if (!is_environment()) {
    // A filter that keeps nothing sees every record, and no dependency is followed.
    implementation_->ready().load_reachable(
        std::move(names),
        [&](const RepoDataRecord& record) {
          if (!implementation_->is_too_new(record)) visitor(record);
          return false;
        },
        implementation_->stop);
    return;
  }
  for (const std::string& name : names)
    if (const auto found = implementation_->installed.find(name); found != implementation_->installed.end())
      for (const RepoDataRecord& record : found->second) visitor(record);
}

void RecordSource::expect(std::size_t name_count) {
  if (!is_environment()) implementation_->ready().expect(name_count, implementation_->stop);
}

void RecordSource::prefetch(std::vector<std::string> names) {
  if (!is_environment()) visit(std::move(names), [](const RepoDataRecord&) {});
}

bool RecordSource::matches(const MatchSpec& spec, const RepoDataRecord& record) const {
  if (!spec.name_matcher && spec.name != "*" && spec.name != record.name) return false;
  if (spec.is_name_only()) return !spec.name_matcher || spec.name_matcher->matches(record.name);
  const auto version = try_parse(record.version);
  if (!version) return false;
  const auto found = implementation_->channels.find(record.channel);
  return envtool::matches(spec, record, *version,
                          found == implementation_->channels.end() ? std::string_view() : std::string_view(found->second.second));
}

bool RecordSource::is_better(const RepoDataRecord& left, const RepoDataRecord& right) const {
  const auto channel_left = implementation_->position(left.channel), channel_right = implementation_->position(right.channel);
  if (implementation_->channel_decides && channel_left != channel_right) return channel_left < channel_right;
  if (left.track_features.size() != right.track_features.size())
    return left.track_features.size() < right.track_features.size();
  if (left.version != right.version)
    if (const auto order = compare_versions(try_parse(left.version), try_parse(right.version)); order != 0) return order > 0;
  if (channel_left != channel_right) return channel_left < channel_right;
  if (left.build_number != right.build_number) return left.build_number > right.build_number;
  if (left.timestamp != right.timestamp) return left.timestamp > right.timestamp;
  return std::tie(left.build, left.fn) < std::tie(right.build, right.fn);
}

std::size_t RecordSource::channel_position(const RepoDataRecord& record) const {
  return implementation_->position(record.channel);
}

std::optional<RepoDataRecord> RecordSource::best(const MatchSpec& spec) {
  std::optional<RepoDataRecord> found;
  std::vector<std::string> wanted{spec.name};
  if (spec.name_matcher || spec.name == "*") {
    wanted = names();
    if (spec.name_matcher) std::erase_if(wanted, [&](const std::string& name) { return !spec.name_matcher->matches(name); });
  }
  visit(std::move(wanted), [&](const RepoDataRecord& record) {
    if (matches(spec, record) && (!found || is_better(record, *found))) found = record;
  });
  return found;
}

bool RecordSource::hides_records() const { return implementation_->has_cutoffs; }
bool RecordSource::is_environment() const { return implementation_->is_environment; }
const std::vector<std::string>& RecordSource::places() const { return implementation_->places; }

namespace {

/// The texts in a line; from the middle of many some are left out.
std::string shortened(std::vector<std::string> texts) {
  constexpr std::size_t shown = 8;
  if (texts.size() > shown) {
    texts.erase(texts.begin() + 2, texts.end() - static_cast<std::ptrdiff_t>(shown - 3));
    texts.insert(texts.begin() + 2, "...");
  }
  return join(texts, ", ");
}

/// What there is of the name instead: versions, oldest first, or builds of the versions that would do.
std::string what_there_is(RecordSource& source, const MatchSpec& spec) {
  std::vector<std::pair<std::optional<Version>, std::string>> versions;
  std::set<std::string> builds;
  source.visit({spec.name}, [&](const RepoDataRecord& record) {
    versions.emplace_back(try_parse(record.version), record.version);
    if (versions.back().first && spec.version.matches(*versions.back().first)) builds.insert(record.version + "=" + record.build);
  });
  if (versions.empty()) return "all that there is of `" + spec.name + "` was released later than `exclude_newer` allows";
  if (!builds.empty()) return "of `" + spec.name + "` there are only " + shortened({builds.begin(), builds.end()});
  std::sort(versions.begin(), versions.end(), [](const auto& left, const auto& right) {
    const auto order = compare_versions(left.first, right.first);
    return order != 0 ? order < 0 : left.second < right.second;
  });
  std::vector<std::string> texts;
  for (auto& [version, text] : versions)
    if (texts.empty() || texts.back() != text) texts.push_back(std::move(text));
  if (texts.size() == 1) return "the only version of `" + spec.name + "` is " + texts[0];
  return "there are these versions of `" + spec.name + "`: " + shortened(std::move(texts));
}

/// As people write it, where that says everything.
std::string spec_text(const MatchSpec& spec) {
  MatchSpec rest = spec;
  rest.version = {};
  rest.build = {};
  return rest.is_name_only() ? spec.dependency_str() : spec.str();
}

std::vector<std::string> names_for(const MatchSpec& spec, const std::vector<std::string>& all) {
  std::vector<std::string> names;
  if (!spec.name_matcher && spec.name != "*") {
    if (std::binary_search(all.begin(), all.end(), spec.name)) names.push_back(spec.name);
  } else {
    for (const std::string& name : all)
      if (!spec.name_matcher || spec.name_matcher->matches(name)) names.push_back(name);
  }
  return names;
}

/// Puts the oldest first and drops what is there in a better archive format.
void put_in_order(RecordSource& source, std::vector<RepoDataRecord>& records) {
  std::vector<std::pair<std::optional<Version>, RepoDataRecord*>> keyed;
  for (RepoDataRecord& record : records) keyed.emplace_back(try_parse(record.version), &record);
  std::sort(keyed.begin(), keyed.end(), [&](const auto& left, const auto& right) {
    if (const auto order = compare_versions(left.first, right.first); order != 0) return order < 0;
    const RepoDataRecord &a = *left.second, &b = *right.second;
    if (a.version != b.version) return a.version < b.version;
    if (a.build_number != b.build_number) return a.build_number < b.build_number;
    if (a.build != b.build) return a.build < b.build;
    // The channel that comes first is the best answer, so it stands last.
    if (a.channel != b.channel) return source.channel_position(a) > source.channel_position(b);
    return std::tie(a.subdir, a.fn) < std::tie(b.subdir, b.fn);
  });
  std::vector<RepoDataRecord> sorted;
  sorted.reserve(keyed.size());
  for (auto& [version, record] : keyed) {
    // `.conda` sorts before `.tar.bz2`.
    if (!sorted.empty()) {
      const RepoDataRecord& last = sorted.back();
      if (last.channel == record->channel && last.subdir == record->subdir && last.version == record->version &&
          last.build == record->build)
        continue;
    }
    sorted.push_back(std::move(*record));
  }
  records = std::move(sorted);
}

}  // namespace

Error not_found(RecordSource& source, const std::vector<MatchSpec>& specs) {
  const std::vector<std::string> all = source.names();
  std::vector<std::string> texts;
  for (const MatchSpec& spec : specs) texts.push_back(spec_text(spec));
  const std::string place = source.is_environment() ? "the environment has no package" : "no channel has a package";
  Error error(texts.size() == 1 ? place + " for `" + texts[0] + "`" : place + " for these specs: `" + join(texts, "`, `") + "`",
              ErrorKind::packages_not_found);
  error.at((source.is_environment() ? "" : "channels ") + join(source.places(), ", "));
  std::vector<std::string> reasons;
  for (const MatchSpec& spec : specs) {
    if (spec.name_matcher || spec.name == "*") continue;
    if (std::binary_search(all.begin(), all.end(), spec.name)) {
      reasons.push_back(what_there_is(source, spec));
    } else if (const auto close = closest_matches(spec.name, all); !close.empty()) {
      error.hint("did you mean `" + join(close, "`, `") + "`?");
    }
  }
  if (!reasons.empty()) error.because(join(reasons, "; "));
  if (source.is_environment()) error.hint("`--remote` asks the channels");
  else error.hint("`-c CHANNEL` asks another channel, `--platform` another platform");
  error.with("packages", texts);
  if (!source.is_environment()) error.with("channel_urls", source.places());
  return error;
}

void search_records(RecordSource& source, std::vector<MatchSpec> specs, const RecordSink& sink,
                    std::vector<std::string>* widened) {
  const std::vector<std::string> all = source.names();
  if (specs.empty()) specs.push_back(MatchSpec());
  std::set<std::string> names;
  std::vector<MatchSpec> unanswered;
  for (MatchSpec& spec : specs) {
    auto found = names_for(spec, all);
    if (found.empty() && spec.is_name_only() && !spec.name_matcher) {
      MatchSpec wider = spec;
      wider.name = "*" + spec.name + "*";
      wider.name_matcher = StringMatcher::parse(wider.name);
      found = names_for(wider, all);
      if (!found.empty()) {
        if (widened != nullptr) widened->push_back(wider.name);
        spec = std::move(wider);
      }
    }
    // A mere name mostly needs no look at the records: the index of names tells that there are some.
    bool answered = spec.is_name_only() && !source.hides_records() && !found.empty();
    if (!answered && !found.empty())
      source.visit(found, [&](const RepoDataRecord& record) { answered = answered || source.matches(spec, record); });
    if (!answered && !(specs.size() == 1 && spec.name == "*")) unanswered.push_back(spec);
    names.insert(found.begin(), found.end());
  }
  if (!unanswered.empty()) throw not_found(source, unanswered);

  // By so many names that little is held at once.
  constexpr std::size_t at_once = 256;
  const std::vector<std::string> wanted(names.begin(), names.end());
  source.expect(wanted.size());
  for (std::size_t begin = 0; begin < wanted.size(); begin += at_once) {
    const auto first = wanted.begin() + static_cast<std::ptrdiff_t>(begin);
    const auto last = wanted.begin() + static_cast<std::ptrdiff_t>(std::min(begin + at_once, wanted.size()));
    std::map<std::string, std::vector<RepoDataRecord>> found;
    auto current = found.end();
    source.visit({first, last}, [&](const RepoDataRecord& record) {
      if (std::none_of(specs.begin(), specs.end(), [&](const MatchSpec& spec) { return source.matches(spec, record); })) return;
      if (current == found.end() || current->first != record.name) current = found.try_emplace(record.name).first;
      current->second.push_back(record);
    });
    for (auto& [name, records] : found) {
      put_in_order(source, records);
      sink(name, records);
    }
  }
}

}  // namespace envtool
