#include "record_loader.hpp"

#include <algorithm>

#include "envtool/base/text.hpp"
#include "envtool/os/log.hpp"
#include "shard_reader.hpp"

namespace envtool {

namespace {

// The largest shards known have about 1 MB, 20 MB decompressed.
constexpr std::uint64_t served_limit = std::uint64_t{64} << 20;
constexpr std::uint64_t decoded_limit = std::uint64_t{64} << 20;
// From so many names on one document costs less than that many shards.
constexpr std::size_t many_names = 2000;
// Waiting for another process only saves work.
constexpr std::chrono::seconds longest_wait{60};

}  // namespace

RecordLoader::RecordLoader(std::vector<ChannelSource>& sources, const std::vector<Channel>& channels,
                           const RepoDataOptions& options, Fetcher& fetcher, SharedReporter& reporter)
    : sources_(sources), channels_(channels), options_(options), fetcher_(fetcher), reporter_(reporter),
      store_(options.cache_directory + "/shards") {}

void RecordLoader::expect(std::size_t name_count, std::stop_token stop) {
  if (name_count < many_names || options_.cache_use == RepoDataCacheUse::only_cached) return;
  for (ChannelSource& source : sources_) {
    if (source.shards() != nullptr && source.shards()->size() >= many_names) source.use_full_index(stop);
  }
}

void RecordLoader::load(const Wish& wish, std::stop_token stop) {
  expect(wish.names.size(), stop);
  for (;;) {
    try {
      return attempt(wish, stop);
    } catch (const UnusableShards& unusable) {
      change_over(unusable, stop);
    }
  }
}

void RecordLoader::change_over(const UnusableShards& unusable, std::stop_token stop) {
  ChannelSource& source = sources_[unusable.source];
  const bool offline = options_.cache_use == RepoDataCacheUse::only_cached;
  Error failure = unusable.error;
  try {
    // Servers clear away the shards that their present index does not name.
    if (!offline && source.renew_shards(stop)) return;
    if (!source.use_full_index(stop)) throw failure;
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::internal) throw;
    if (offline || error.where() == failure.where()) throw failure;
    throw failure.caused_by(error);
  }
  if (!offline) source.give_up_shards();
  reporter_([&](RepoDataReporter& target) {
    target.on_warning("the shards of " + source.display_url() + " are of no use, reading " +
                      (offline ? "an older whole index" : "the whole index") + " instead: " + failure.message() + " at " +
                      failure.where() + " (" + failure.why() + ")");
  });
}

void RecordLoader::attempt(const Wish& wish, std::stop_token stop) {
  seen_.clear();
  pending_.clear();
  found_.clear();
  targets_.clear();
  requests_.clear();
  for (const std::string& name : wish.names) want(name);
  work_off(wish, stop);
  if (!targets_.empty()) fetch(wish, stop);
}

void RecordLoader::want(const std::string& name) {
  if (seen_.insert(name).second) pending_.push_back(name);
}

// Everything that needs no request.
void RecordLoader::work_off(const Wish& wish, std::stop_token stop) {
  while (!pending_.empty()) {
    if (stop.stop_requested()) throw Error("interrupted", ErrorKind::interrupted);
    const std::string name = std::move(pending_.back());
    pending_.pop_back();
    for (std::size_t i = 0; i < sources_.size(); ++i) {
      if (sources_[i].shards() != nullptr) {
        look_up(name, i, wish);
        continue;
      }
      if (auto block = sources_[i].records(name, stop)) keep(i, name, std::move(block), wish);
    }
  }
}

void RecordLoader::look_up(const std::string& name, std::size_t source, const Wish& wish) {
  std::optional<Sha256> digest;
  try {
    digest = sources_[source].shards()->find(name);
  } catch (const DamagedIndex&) {
    throw UnusableShards{source, Error("the index cache cannot be read", ErrorKind::corrupt).at(sources_[source].display_url())};
  }
  if (!digest) return;
  if (auto block = store_.read(*digest, name)) {
    try {
      return add(source, name, std::move(*block), wish);
    } catch (const DamagedIndex&) {
      // Whole, yet not readable: written by another version, say. It is fetched anew.
    }
  }
  request({source, name, *digest});
}

void RecordLoader::request(Target target) {
  FetchRequest request;
  request.url = sources_[target.source].shard_url(target.digest);
  if (options_.cache_use == RepoDataCacheUse::only_cached) {
    throw UnusableShards{target.source, Error("the records of `" + target.name + "` are not cached", ErrorKind::offline)
                                            .at(request.url.str())
                                            .because("the offline mode is on")
                                            .hint("run once without `--offline` to fetch them")};
  }
  request.sha256 = target.digest;
  request.size_limit = served_limit;
  request.label = sources_[target.source].subdir() + "/" + target.name;
  requests_.push_back(std::move(request));
  targets_.push_back(std::move(target));
}

void RecordLoader::fetch(const Wish& wish, std::stop_token stop) {
  if (!lock_tried_) {
    lock_tried_ = true;
    FileLock::Options lock = lock_options(sources_[targets_.front().source].display_url(), options_, reporter_, stop);
    lock.timeout = std::min<std::chrono::milliseconds>(lock.timeout, longest_wait);
    lock_ = store_.lock(lock);
    // Another process may have fetched them while we waited.
    std::vector<Target> missing = std::exchange(targets_, {});
    requests_.clear();
    for (Target& target : missing) look_up(target.name, target.source, wish);
    work_off(wish, stop);
    if (targets_.empty()) return;
  }
  fetcher_.fetch_growing(
      requests_,
      [&](std::size_t i, FetchResult result) {
        const Target target = targets_[i];  // a copy: more may be added
        receive(target, result, wish);
        work_off(wish, stop);
      },
      [&](std::size_t i, const Error& error) {
        if (error.kind() == ErrorKind::no_space || error.kind() == ErrorKind::permission) throw error;
        throw UnusableShards{targets_[i].source, error};
      },
      nullptr, stop);
  store_.tidy();
}

void RecordLoader::receive(const Target& target, const FetchResult& result, const Wish& wish) {
  const std::string origin = result.final_url.str();
  IndexBuilder::Block block;
  ReadSummary summary;
  try {
    const std::string document = decompress_zstd(result.body, origin, std::min(decoded_limit, options_.decoded_size_limit));
    IndexBuilder builder({});
    summary = read_shard(document, origin, target.name, builder);
    block = builder.take_block(target.name);
  } catch (const Error& error) {
    throw UnusableShards{target.source, error};
  }
  if (summary.skipped > 0) {
    reporter_([&](RepoDataReporter& reporter) {
      reporter.on_warning("left out " + with_thousands(summary.skipped) + " of " + with_thousands(summary.records) +
                          " records of `" + target.name + "` of " + origin + ", the first is " + summary.first_problem);
    });
  }
  store_.write(target.digest, target.name, block);
  try {
    add(target.source, target.name, std::move(block), wish);
  } catch (const DamagedIndex&) {
    throw Error("a shard cannot be read back", ErrorKind::internal).at(origin);
  }
}

void RecordLoader::add(std::size_t source, const std::string& name, IndexBuilder::Block block, const Wish& wish) {
  if (block.record_count == 0) return;
  keep(source, name, std::make_unique<RecordBlock>(std::move(block.bytes), block.record_count, name, sources_[source].place()), wish);
}

void RecordLoader::keep(std::size_t source, const std::string& name, std::unique_ptr<RecordBlock> block, const Wish& wish) {
  dependencies_.clear();
  Piece piece{source, {}, nullptr};
  if (wish.as_tables) {
    if (wish.follow_dependencies) block->add_dependencies(dependencies_);
    piece.table = std::move(block);
  } else {
    piece.records = block->records(wish.filter, wish.follow_dependencies ? &dependencies_ : nullptr);
  }
  if (piece.table || !piece.records.empty()) found_[name].push_back(std::move(piece));
  for (const std::string& dependency : dependencies_) want(dependency);
}

// The order of the answers must not show.
template <typename List, typename MakeEntry>
std::map<std::string, List, std::less<>> RecordLoader::take_result(MakeEntry&& make_entry) {
  std::vector<std::size_t> channel_of;
  for (const ChannelSource& source : sources_) {
    const auto channel = std::find_if(channels_.begin(), channels_.end(), [&](const Channel& candidate) {
      return candidate.base_url.str() == source.place().channel;
    });
    channel_of.push_back(static_cast<std::size_t>(channel - channels_.begin()));
  }
  std::map<std::string, List, std::less<>> result;
  for (auto& [name, pieces] : found_) {
    std::sort(pieces.begin(), pieces.end(), [](const Piece& a, const Piece& b) { return a.source < b.source; });
    List& target = result[name];
    for (Piece& piece : pieces) target.push_back(make_entry(channel_of[piece.source], sources_[piece.source].subdir(), piece));
  }
  return result;
}

RecordsByName RecordLoader::load_records(const Wish& wish, std::stop_token stop) {
  load(wish, std::move(stop));
  return take_result<std::vector<SubdirRecords>>([](std::size_t channel, const std::string& subdir, Piece& piece) {
    return SubdirRecords{channel, subdir, std::move(piece.records)};
  });
}

TablesByName RecordLoader::load_tables(const Wish& wish, std::stop_token stop) {
  load(wish, std::move(stop));
  return take_result<std::vector<SubdirTable>>([](std::size_t channel, const std::string& subdir, Piece& piece) {
    return SubdirTable{channel, subdir, std::move(piece.table)};
  });
}

}  // namespace envtool
