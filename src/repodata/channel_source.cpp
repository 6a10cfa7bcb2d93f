#include "channel_source.hpp"

#include "envtool/base/text.hpp"

namespace envtool {

ChannelSource::ChannelSource(Channel channel, std::string subdir, const RepoDataOptions& options, Fetcher& fetcher,
                             SharedReporter& reporter)
    : channel_(std::move(channel)), subdir_(std::move(subdir)), options_(options),
      full_cache_(channel_.base_url / subdir_, subdir_, options, fetcher, reporter),
      shard_cache_(channel_.base_url / subdir_, options, fetcher, reporter) {}

void ChannelSource::open(std::stop_token stop) {
  full_.reset();
  shards_.reset();
  if (options_.use_shards && channel_.base_url.scheme() != "file") {
    // What is here already and good needs no request; of two the one that was checked last.
    auto full = full_cache_.fresh_copy(stop);
    auto shards = shard_cache_.fresh_copy();
    if (full.index && (!shards.index || full.checked_ns >= shards.checked_ns)) full_ = std::move(full.index);
    else if (shards.index) shards_ = std::move(shards.index);
    else shards_ = shard_cache_.open(stop);
  }
  if (!full_ && !shards_) full_ = full_cache_.open(stop);
  // Nothing but shards, and those are broken: that is no channel without packages.
  if (!full_ && !shards_ && options_.use_shards && channel_.base_url.scheme() != "file") shards_ = shard_cache_.insist(stop);
  if (exists()) settle();
}

void ChannelSource::settle() {
  const Url folder = channel_.base_url / subdir_;
  const std::string& base_url = full_ ? full_->base_url() : shards_->base_url();
  std::string packages = base_url.empty() ? folder.str() : resolve_folder(folder / "repodata.json", base_url, "base_url").str();
  if (!packages.ends_with('/')) packages += '/';
  place_ = {channel_.base_url.str(), std::move(packages), subdir_};
  if (shards_) shard_folder_ = shard_cache_.shard_folder(*shards_);
}

Url ChannelSource::shard_url(const Sha256& digest) const { return shard_folder_ / (digest.hex() + ".msgpack.zst"); }

bool ChannelSource::use_full_index(std::stop_token stop) {
  auto full = full_cache_.open(stop);
  if (!full) return false;
  full_ = std::move(full);
  shards_.reset();
  settle();
  return true;
}

bool ChannelSource::renew_shards(std::stop_token stop) {
  auto shards = shard_cache_.recheck(stop);
  if (!shards || shards->source() == shards_->source()) return false;
  shards_ = std::move(shards);
  settle();
  return true;
}

template <typename Result, typename Use>
Result ChannelSource::with_full_index(Use&& use, std::stop_token stop) {
  try {
    return use(*full_);
  } catch (const DamagedIndex&) {
    full_ = full_cache_.rebuild(stop);
  }
  try {
    if (full_) return use(*full_);
  } catch (const DamagedIndex&) {
  }
  throw Error("the index cache cannot be read", ErrorKind::corrupt).at(display_url());
}

std::vector<std::string> ChannelSource::names(std::stop_token stop) {
  const auto list = [](const auto& index) {
    std::vector<std::string> names;
    names.reserve(index.size());
    for (std::size_t i = 0; i < index.size(); ++i) names.emplace_back(index.name(i));
    return names;
  };
  if (shards_) {
    try {
      return list(*shards_);
    } catch (const DamagedIndex&) {
      throw Error("the index cache cannot be read", ErrorKind::corrupt).at(display_url());
    }
  }
  return with_full_index<std::vector<std::string>>(list, stop);
}

std::unique_ptr<RecordBlock> ChannelSource::records(const std::string& name, std::stop_token stop) {
  return with_full_index<std::unique_ptr<RecordBlock>>(
      [&](const RepoDataIndex& index) { return index.records(name, place_); }, stop);
}

}  // namespace envtool
