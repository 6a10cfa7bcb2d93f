#include <algorithm>
#include <atomic>
#include <exception>
#include <set>
#include <thread>
#include <unordered_set>

#include "channel_relations.hpp"
#include "envtool/base/text.hpp"
#include "envtool/repodata/repodata_gateway.hpp"
#include "repodata_index.hpp"
#include "subdir_cache.hpp"

namespace envtool {

namespace {

// One subdir of one channel.
struct Source {
  Channel channel;
  std::string subdir;
  std::unique_ptr<SubdirCache> cache;
  std::shared_ptr<RepoDataIndex> index;  // empty: the channel has no such subdir
  RepoDataIndex::Place place;
};

// Where a subdir's packages are (CEP 15). A remote channel cannot point at local files, nor an
// encrypted one at an open one.
std::string package_folder(const Channel& channel, const std::string& subdir, const std::string& base_url) {
  const Url folder = channel.base_url / subdir;
  if (base_url.empty()) return folder.str() + "/";
  const auto refuse = [&](const std::string& why) {
    return Error("channel index names a folder of packages that is not allowed", ErrorKind::unsafe)
        .at(folder.str())
        .because("its `base_url` `" + escape_control(redact(base_url)) + "` " + why);
  };
  Url target;
  try {
    target = (folder / "repodata.json").resolve(base_url);
  } catch (const Error&) {
    throw refuse("is not a URL");
  }
  const bool web = target.scheme() == "https" || target.scheme() == "http";
  if (!web && !(target.scheme() == "file" && folder.scheme() == "file")) throw refuse("has another scheme");
  if (folder.scheme() == "https" && target.scheme() == "http") throw refuse("leads from https to http");
  if (!target.query().empty()) throw refuse("has a query");
  std::string text = target.str();
  if (!text.ends_with('/')) text += '/';
  return text;
}

// Runs the jobs on a few threads. The first exception stops the others and is thrown.
void run_parallel(std::size_t count, const std::function<void(std::size_t, std::stop_token)>& job, std::stop_token stop) {
  std::stop_source source;
  const std::stop_callback forward(stop, [&source] { source.request_stop(); });
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  std::exception_ptr first;
  const auto work = [&] {
    for (std::size_t i = next++; i < count; i = next++) {
      if (source.stop_requested()) return;
      try {
        job(i, source.get_token());
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (!first) first = std::current_exception();
        source.request_stop();
      }
    }
  };
  const std::size_t threads = std::min<std::size_t>(count, std::clamp(std::thread::hardware_concurrency(), 2U, 8U));
  {
    std::vector<std::jthread> pool;
    for (std::size_t i = 1; i < threads; ++i) pool.emplace_back(work);
    work();
  }
  if (first) std::rethrow_exception(first);
  if (stop.stop_requested()) throw Error("interrupted", ErrorKind::interrupted);
}

}  // namespace

struct RepoDataGateway::Implementation {
  std::vector<Channel> user_channels;
  std::vector<std::string> subdirs;
  RepoDataOptions options;
  Fetcher& fetcher;
  SharedReporter reporter;
  std::vector<Channel> channels;
  std::vector<Source> sources;  // in the order of channels and subdirs once prepared
  bool prepared = false;

  void prepare(std::stop_token stop);
  void open_channels(const std::vector<Channel>& wanted, std::stop_token stop);
  std::vector<ChannelRelation> relations_of(const Channel& channel);
  void put_into_order();
  template <typename Result>
  Result with_index(Source& source, const std::function<Result(RepoDataIndex&)>& use, std::stop_token stop);
  void load(const std::string& name, RecordsByName& result, const RecordFilter& filter,
            std::unordered_set<std::string>* dependencies, std::stop_token stop);
};

void RepoDataGateway::Implementation::open_channels(const std::vector<Channel>& wanted, std::stop_token stop) {
  const std::size_t begin = sources.size();
  for (const Channel& channel : wanted) {
    for (const std::string& subdir : subdirs) {
      Source& source = sources.emplace_back();
      source.channel = channel;
      source.subdir = subdir;
      source.cache = std::make_unique<SubdirCache>(channel.base_url / subdir, subdir, options, fetcher, reporter);
    }
  }
  run_parallel(sources.size() - begin, [&](std::size_t i, std::stop_token token) {
    Source& source = sources[begin + i];
    source.index = source.cache->open(token);
  }, stop);

  for (const Channel& channel : wanted) {
    bool any = false;
    for (std::size_t i = begin; i < sources.size(); ++i) {
      Source& source = sources[i];
      if (source.channel != channel || !source.index) continue;
      any = true;
      source.place = {channel.base_url.str(), package_folder(channel, source.subdir, source.index->base_url()), source.subdir};
    }
    if (any) continue;
    throw Error("`" + channel.base_url.str() + "` is not a channel", ErrorKind::channel_not_found)
        .at(channel.base_url.str())
        .because("there is no `repodata.json` in " + join(subdirs, ", "))
        .hint("check the channel's name and spelling, and that it has packages for this platform")
        .with("channel_url", {channel.base_url.str()});
  }
}

std::vector<ChannelRelation> RepoDataGateway::Implementation::relations_of(const Channel& channel) {
  std::vector<ChannelRelation> relations;
  std::set<std::string> bases, overridden;
  for (const Source& source : sources) {
    if (source.channel != channel || !source.index) continue;
    const auto add = [&](const std::string& reference, ChannelRelation::Kind kind, std::set<std::string>& targets) {
      if (reference.empty()) return;
      Channel target = resolve_channel_reference(channel, reference);
      if (targets.insert(target.base_url.str()).second) relations.push_back({channel, kind, std::move(target)});
    };
    add(source.index->relation_base(), ChannelRelation::Kind::base, bases);
    add(source.index->relation_overrides(), ChannelRelation::Kind::overrides, overridden);
  }
  for (const std::string& base : bases) {
    if (!overridden.contains(base)) continue;
    throw Error("channel contradicts itself", ErrorKind::invalid_input)
        .at(channel.base_url.str())
        .because("it names `" + base + "` both as base and as overridden (CEP 42)");
  }
  return relations;
}

void RepoDataGateway::Implementation::prepare(std::stop_token stop) {
  if (prepared) return;
  sources.clear();
  std::vector<Channel> known, frontier;
  const auto is_known = [&](const Channel& channel) {
    return std::any_of(known.begin(), known.end(),
                       [&](const Channel& other) { return other.base_url.str() == channel.base_url.str(); });
  };
  for (const Channel& channel : user_channels) {
    if (is_known(channel)) continue;
    known.push_back(channel);
    frontier.push_back(channel);
  }
  const std::vector<Channel> given = known;
  std::vector<ChannelRelation> relations;
  for (unsigned depth = 0; !frontier.empty(); ++depth) {
    if (depth > 0 && depth > options.channel_relations_max_depth) {
      throw Error("channels name each other too deeply", ErrorKind::invalid_input)
          .at(frontier.front().base_url.str())
          .because("the limit is " + std::to_string(options.channel_relations_max_depth))
          .hint("`channel_relations_max_depth` sets the limit");
    }
    open_channels(frontier, stop);
    std::vector<Channel> found;
    if (options.channel_relations_max_depth > 0) {
      for (const Channel& channel : frontier) {
        for (ChannelRelation& relation : relations_of(channel)) {
          if (!is_known(relation.target)) {
            known.push_back(relation.target);
            found.push_back(relation.target);
            reporter([&](RepoDataReporter& target) { target.on_related_channel(relation.target, channel); });
          }
          relations.push_back(std::move(relation));
        }
      }
    }
    frontier = std::move(found);
  }
  channels = order_channels(given, relations);
  put_into_order();
  prepared = true;
}

void RepoDataGateway::Implementation::put_into_order() {
  std::vector<Source> ordered;
  for (const Channel& channel : channels) {
    for (Source& source : sources) {
      if (source.cache && source.index && source.channel.base_url.str() == channel.base_url.str()) {
        ordered.push_back(std::move(source));
      }
    }
  }
  sources = std::move(ordered);
}

// Uses an index; one that turns out to be damaged is made anew, once.
template <typename Result>
Result RepoDataGateway::Implementation::with_index(Source& source, const std::function<Result(RepoDataIndex&)>& use,
                                                   std::stop_token stop) {
  try {
    return use(*source.index);
  } catch (const DamagedIndex&) {
    source.index = source.cache->rebuild(stop);
  }
  try {
    if (source.index) return use(*source.index);
  } catch (const DamagedIndex&) {
  }
  throw Error("the index cache cannot be read", ErrorKind::corrupt).at(source.cache->display_url());
}

void RepoDataGateway::Implementation::load(const std::string& name, RecordsByName& result, const RecordFilter& filter,
                                           std::unordered_set<std::string>* dependencies, std::stop_token stop) {
  std::vector<SubdirRecords> found;
  std::size_t channel = 0;
  for (Source& source : sources) {
    while (channels[channel].base_url.str() != source.place.channel) ++channel;
    auto records = with_index<std::vector<RepoDataRecord>>(
        source, [&](RepoDataIndex& index) { return index.records(name, source.place, filter, dependencies); }, stop);
    if (!records.empty()) found.push_back({channel, source.subdir, std::move(records)});
  }
  if (!found.empty()) result.emplace(name, std::move(found));
}

RepoDataGateway::RepoDataGateway(std::vector<Channel> channels, std::vector<std::string> subdirs, RepoDataOptions options,
                                 Fetcher& fetcher, RepoDataReporter* reporter)
    : implementation_(new Implementation{std::move(channels), std::move(subdirs), std::move(options), fetcher,
                                         SharedReporter(reporter), {}, {}, false}) {}

RepoDataGateway::~RepoDataGateway() = default;

void RepoDataGateway::prepare(std::stop_token stop) { implementation_->prepare(std::move(stop)); }

const std::vector<Channel>& RepoDataGateway::channels() const { return implementation_->channels; }

RecordsByName RepoDataGateway::records_for(std::span<const std::string> names, std::stop_token stop) {
  prepare(stop);
  RecordsByName result;
  for (const std::string& name : names) {
    if (!result.contains(name)) implementation_->load(name, result, {}, nullptr, stop);
  }
  return result;
}

RecordsByName RepoDataGateway::load_reachable(std::vector<std::string> root_names, const RecordFilter& filter,
                                              std::stop_token stop) {
  prepare(stop);
  RecordsByName result;
  std::unordered_set<std::string> seen;
  std::vector<std::string> frontier = std::move(root_names);
  while (!frontier.empty()) {
    std::unordered_set<std::string> dependencies;
    for (const std::string& name : frontier) {
      if (stop.stop_requested()) throw Error("interrupted", ErrorKind::interrupted);
      if (seen.insert(name).second) implementation_->load(name, result, filter, &dependencies, stop);
    }
    frontier.clear();
    for (const std::string& name : dependencies) {
      if (!seen.contains(name)) frontier.push_back(name);
    }
  }
  return result;
}

std::vector<std::string> RepoDataGateway::all_names(std::stop_token stop) {
  prepare(stop);
  std::vector<std::string> names;
  for (Source& source : implementation_->sources) {
    const auto found = implementation_->with_index<std::vector<std::string>>(source, [](RepoDataIndex& index) {
      std::vector<std::string> list;
      for (std::size_t i = 0; i < index.size(); ++i) list.emplace_back(index.name(i));
      return list;
    }, stop);
    names.insert(names.end(), found.begin(), found.end());
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::uint64_t RepoDataGateway::record_count(std::stop_token stop) {
  prepare(stop);
  std::uint64_t count = 0;
  for (const Source& source : implementation_->sources) count += source.index->header().record_count;
  return count;
}

}  // namespace envtool
