#include "shard_index_cache.hpp"

#include "byte_source.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/clock.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/log.hpp"
#include "shard_reader.hpp"

namespace envtool {

namespace {

// The index of the largest channel known has 700 KB, 3 MB decompressed.
constexpr std::uint64_t served_limit = std::uint64_t{64} << 20;
constexpr std::uint64_t decoded_limit = std::uint64_t{64} << 20;

bool looks_like_page(std::string_view text) { return strip(text.substr(0, 256)).starts_with('<'); }

}  // namespace

Url resolve_folder(const Url& document, const std::string& reference, const std::string& key) {
  const auto refuse = [&](const std::string& why) {
    return Error("channel index names a folder that is not allowed", ErrorKind::unsafe)
        .at(document.parent().str())
        .because("its `" + key + "` `" + escape_control(redact(reference)) + "` " + why);
  };
  Url target;
  try {
    target = document.resolve(reference);
  } catch (const Error&) {
    throw refuse("is not a URL");
  }
  const bool web = target.scheme() == "https" || target.scheme() == "http";
  if (!web && !(target.scheme() == "file" && document.scheme() == "file")) throw refuse("has another scheme");
  if (document.scheme() == "https" && target.scheme() == "http") throw refuse("leads from https to http");
  if (!target.query().empty()) throw refuse("has a query");
  return target.without_fragment();
}

ShardIndexCache::ShardIndexCache(Url url, const RepoDataOptions& options, Fetcher& fetcher, SharedReporter& reporter)
    : url_(url / "repodata_shards.msgpack.zst"), options_(options), fetcher_(fetcher), reporter_(reporter),
      display_url_(url.str()), stem_(cache_stem(options.cache_directory, display_url_)), started_ns_(now_ns()) {}

Url ShardIndexCache::shard_folder(const ShardIndex& index) const {
  const std::string& reference = index.shards_base_url();
  Url folder = reference.empty() ? url_.parent() : resolve_folder(url_, reference, "shards_base_url");
  // What names its whole path itself leaves the token out; on its own server it still belongs there.
  if (folder.token().empty() && !url_.token().empty() && folder.origin() == url_.origin()) {
    folder = folder.with_token(url_.token());
  }
  return folder;
}

std::optional<CacheState> ShardIndexCache::read_state() const {
  return read_cache_state(path(".shards.info.json"), url_.str());
}

void ShardIndexCache::write_state(const CacheState& state) const {
  write_atomically(path(".shards.info.json"), to_json(state));
}

// The server has no shards, or broken ones, and was asked not long ago.
bool ShardIndexCache::is_left_alone(const CacheState& state) const {
  if (options_.cache_use == RepoDataCacheUse::refresh || options_.cache_use == RepoDataCacheUse::only_cached) return false;
  const std::int64_t now = now_ns();
  return state.shards_missing_until_ns > now && state.shards_missing_until_ns <= now + form_missing_ns;
}

std::shared_ptr<const ShardIndex> ShardIndexCache::load(const CacheState& state) const {
  if (!state.sha256) return {};
  auto bytes = read_file_if_exists(path(".shards.idx"), decoded_limit * 2);
  if (!bytes) return {};
  try {
    auto index = std::make_shared<ShardIndex>(std::move(*bytes));
    return index->source() == *state.sha256 ? index : nullptr;
  } catch (const DamagedIndex&) {
    log_warning("the cached index of shards of `" + display_url_ + "` is damaged and is fetched anew");
    return {};
  }
}

ShardIndexCache::Copy ShardIndexCache::fresh_copy() const {
  const auto state = read_state();
  if (!state || is_left_alone(*state) || !is_fresh(*state, started_ns_, options_)) return {};
  return {load(*state), state->refresh_ns};
}

std::shared_ptr<const ShardIndex> ShardIndexCache::open(std::stop_token stop) {
  if (auto copy = fresh_copy(); copy.index) return copy.index;
  auto state = read_state();
  if (options_.cache_use == RepoDataCacheUse::only_cached || (state && is_left_alone(*state))) return {};
  make_directories(options_.cache_directory);
  const FileLock guard = FileLock::acquire(path(".lock"), FileLock::Mode::exclusive,
                                           lock_options(display_url_, options_, reporter_, stop));
  if (auto copy = fresh_copy(); copy.index) return copy.index;
  state = read_state();
  if (state && is_left_alone(*state)) return {};
  return refresh(std::move(state), OnFailure::leave_alone, stop);
}

std::shared_ptr<const ShardIndex> ShardIndexCache::recheck(std::stop_token stop) {
  const FileLock guard = FileLock::acquire(path(".lock"), FileLock::Mode::exclusive,
                                           lock_options(display_url_, options_, reporter_, stop));
  auto state = read_state();
  if (state && state->refresh_ns >= started_ns_) return load(*state);
  return refresh(std::move(state), OnFailure::leave_alone, stop);
}

std::shared_ptr<const ShardIndex> ShardIndexCache::insist(std::stop_token stop) {
  if (options_.cache_use == RepoDataCacheUse::only_cached) return {};
  const FileLock guard = FileLock::acquire(path(".lock"), FileLock::Mode::exclusive,
                                           lock_options(display_url_, options_, reporter_, stop));
  auto state = read_state();
  if (!state || !state->shards_failed) return {};
  return refresh(std::move(state), OnFailure::raise, stop);
}

std::shared_ptr<const ShardIndex> ShardIndexCache::refresh(std::optional<CacheState> state, OnFailure on_failure,
                                                                  std::stop_token stop) {
  const FetchReport report(reporter_, display_url_);
  const auto before = state ? load(*state) : nullptr;
  CacheState next = before ? *state : CacheState{};
  next.url = url_.str();
  next.form = BodyForm::msgpack_zst;
  next.shards_missing_until_ns = 0;
  next.shards_failed = false;

  FetchRequest request;
  request.url = url_;
  request.size_limit = served_limit;
  request.missing_is_ok = true;
  request.label = url_.parent().file_name() + "/" + url_.file_name();
  request.if_none_match = next.etag;
  if (next.etag.empty()) request.if_modified_since = next.mod;
  const std::int64_t asked_ns = now_ns();
  const auto leave_alone = [&](std::int64_t time) {
    next.shards_missing_until_ns = asked_ns + time;
    next.shards_failed = time == form_failed_ns;
    write_state(next);
    return std::shared_ptr<const ShardIndex>();
  };
  FetchResult result;
  FetchForwarder forwarder(reporter_, display_url_);
  try {
    fetcher_.fetch_all(
        std::span(&request, 1), [&](std::size_t, FetchResult fetched) { result = std::move(fetched); }, &forwarder, stop);
  } catch (const Error& error) {
    // The other forms of the index tell what an answer like that means.
    const std::string status = http_status_of(error);
    if (!status.empty() && (on_failure == OnFailure::leave_alone || status.starts_with('4'))) return leave_alone(form_failed_ns);
    if (!options_.stale_on_error || !before || error.kind() != ErrorKind::network) throw;
    const auto time = std::chrono::system_clock::time_point(
        std::chrono::duration_cast<std::chrono::system_clock::duration>(std::chrono::nanoseconds(next.refresh_ns)));
    reporter_([&](RepoDataReporter& target) {
      target.on_warning("using the copy of " + format_iso_time(time) + " of the index at " + display_url_ + ": " +
                        error.message() + " (" + error.why() + ")");
    });
    return before;
  }
  if (result.outcome == FetchResult::Outcome::missing) return leave_alone(form_missing_ns);
  next.refresh_ns = asked_ns;
  if (result.outcome == FetchResult::Outcome::not_modified) {
    if (!result.cache_control.empty()) next.cache_control = result.cache_control;
    write_state(next);
    return before;
  }
  // Servers of web applications answer any path with a page.
  if (!has_zstd_magic(result.body) && !(on_failure == OnFailure::raise && !looks_like_page(result.body))) {
    next.refresh_ns = state ? state->refresh_ns : 0;
    return leave_alone(form_failed_ns);
  }
  try {
    return accept(result, next, before.get());
  } catch (const Error& error) {
    if (on_failure == OnFailure::raise) throw;
    if (error.kind() != ErrorKind::corrupt && error.kind() != ErrorKind::unsafe && error.kind() != ErrorKind::invalid_input) throw;
    reporter_([&](RepoDataReporter& target) {
      target.on_warning("the shards of " + display_url_ + " are of no use, reading the whole index instead: " + error.message() +
                        " (" + error.why() + ")");
    });
    next.refresh_ns = state ? state->refresh_ns : 0;
    return leave_alone(form_failed_ns);
  }
}

// Turns a fetched document into the new copy; what was there before stays unless it is good.
std::shared_ptr<const ShardIndex> ShardIndexCache::accept(const FetchResult& result, CacheState state, const ShardIndex* before) {
  const std::string origin = url_.str();
  const std::uint64_t limit = std::min(decoded_limit, options_.decoded_size_limit);
  const ShardIndexContent content = read_shard_index(decompress_zstd(result.body, origin, limit), origin);
  const Sha256 digest = sha256(result.body);
  std::string bytes = ShardIndex::encode(content, digest);
  auto index = std::make_shared<const ShardIndex>(bytes);
  shard_folder(*index);  // refuses what is not allowed

  if (before != nullptr && !before->created_at().empty()) {
    warn_of_older(reporter_, origin, before->created_at(), index->created_at());
  } else {
    warn_of_older(reporter_, origin, state.mod, result.last_modified);
  }
  state.etag = result.etag;
  state.mod = result.last_modified;
  state.cache_control = result.cache_control;
  state.size = result.body.size();
  state.sha256 = digest;
  write_atomically(path(".shards.idx"), bytes);
  write_state(state);
  return index;
}

void ShardIndexCache::mark_broken() {
  auto state = read_state();
  if (!state) return;
  state->shards_missing_until_ns = now_ns() + form_failed_ns;
  state->shards_failed = true;
  write_state(*state);
}

}  // namespace envtool
