#include <algorithm>
#include <atomic>
#include <exception>
#include <iterator>
#include <set>
#include <system_error>
#include <thread>

#include "channel_relations.hpp"
#include "envtool/base/text.hpp"
#include "envtool/repodata/repodata_gateway.hpp"
#include "record_loader.hpp"

namespace envtool {

namespace {

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
    pool.reserve(threads);
    try {
      for (std::size_t i = 1; i < threads; ++i) pool.emplace_back(work);
    } catch (const std::system_error&) {
      // The system has no thread left: those that there are do it all.
    }
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
  std::vector<ChannelSource> sources;  // in the order of channels and subdirs once prepared
  bool prepared = false;

  void prepare(std::stop_token stop);
  void open_channels(const std::vector<Channel>& wanted, std::stop_token stop);
  std::vector<ChannelRelation> relations_of(const Channel& channel);
  void put_into_order();
  RecordLoader loader() { return {sources, channels, options, fetcher, reporter}; }
};

void RepoDataGateway::Implementation::open_channels(const std::vector<Channel>& wanted, std::stop_token stop) {
  const std::size_t begin = sources.size();
  for (const Channel& channel : wanted) {
    for (const std::string& subdir : subdirs) {
      sources.emplace_back(channel, subdir, options, fetcher, reporter);
    }
  }
  run_parallel(sources.size() - begin, [&](std::size_t i, std::stop_token token) { sources[begin + i].open(token); }, stop);

  for (const Channel& channel : wanted) {
    const auto of_channel = [&](const ChannelSource& source) { return source.channel() == channel; };
    const auto first = sources.begin() + static_cast<std::ptrdiff_t>(begin);
    if (std::any_of(first, sources.end(), [&](const ChannelSource& source) { return of_channel(source) && source.exists(); })) {
      continue;
    }
    // Somebody may be putting the channel up right now: the next run asks again.
    for (auto source = first; source != sources.end(); ++source) {
      if (of_channel(*source)) source->forget_missing();
    }
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
  for (const ChannelSource& source : sources) {
    if (source.channel() != channel || !source.exists()) continue;
    const auto add = [&](const std::string& reference, ChannelRelation::Kind kind, std::set<std::string>& targets) {
      if (reference.empty()) return;
      Channel target = resolve_channel_reference(channel, reference);
      if (targets.insert(target.base_url.str()).second) relations.push_back({channel, kind, std::move(target)});
    };
    add(source.relation_base(), ChannelRelation::Kind::base, bases);
    add(source.relation_overrides(), ChannelRelation::Kind::overrides, overridden);
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
  std::vector<ChannelSource> ordered;
  ordered.reserve(sources.size());
  for (const Channel& channel : channels) {
    for (ChannelSource& source : sources) {
      if (source.exists() && source.channel().base_url.str() == channel.base_url.str()) ordered.push_back(std::move(source));
    }
  }
  sources = std::move(ordered);
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
  return implementation_->loader().load_records({{names.begin(), names.end()}, {}, false, false}, std::move(stop));
}

RecordsByName RepoDataGateway::load_reachable(std::vector<std::string> root_names, const RecordFilter& filter,
                                              std::stop_token stop) {
  prepare(stop);
  return implementation_->loader().load_records({std::move(root_names), filter, true, false}, std::move(stop));
}

TablesByName RepoDataGateway::load_reachable_tables(std::vector<std::string> root_names, std::stop_token stop) {
  prepare(stop);
  return implementation_->loader().load_tables({std::move(root_names), {}, true, true}, std::move(stop));
}

void RepoDataGateway::expect(std::size_t name_count, std::stop_token stop) {
  prepare(stop);
  implementation_->loader().expect(name_count, std::move(stop));
}

std::vector<std::string> RepoDataGateway::all_names(std::stop_token stop) {
  prepare(stop);
  std::vector<std::string> names;
  for (ChannelSource& source : implementation_->sources) {
    auto found = source.names(stop);
    names.insert(names.end(), std::make_move_iterator(found.begin()), std::make_move_iterator(found.end()));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  return names;
}

std::uint64_t RepoDataGateway::record_count(std::stop_token stop) {
  prepare(stop);
  std::uint64_t count = 0;
  for (const ChannelSource& source : implementation_->sources) {
    if (source.full() != nullptr) count += source.full()->header().record_count;
  }
  return count;
}

}  // namespace envtool
