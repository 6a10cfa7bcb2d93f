#include "subdir_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "envtool/base/text.hpp"
#include "envtool/os/clock.hpp"
#include "envtool/os/log.hpp"
#include "repodata_reader.hpp"

namespace envtool {

namespace {

// A file that was written this short before it was indexed may change again without a new time stamp.
constexpr std::int64_t racy_ns = 2'000'000'000;
constexpr std::uint64_t document_limit = std::uint64_t{8} << 30;

std::int64_t mtime_ns(const struct stat& status) {
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

bool file_begins_with_zstd(const std::string& path) {
  const FileDescriptor file = open_to_read(path);
  std::array<char, 4> beginning{};
  const ssize_t count = file ? read(file.get(), beginning.data(), beginning.size()) : 0;
  return count == 4 && has_zstd_magic({beginning.data(), 4});
}

bool file_looks_like_html(const std::string& path) {
  const FileDescriptor file = open_to_read(path);
  std::array<char, 256> beginning{};
  const ssize_t count = file ? read(file.get(), beginning.data(), beginning.size()) : 0;
  const auto text = strip(std::string_view(beginning.data(), static_cast<std::size_t>(std::max<ssize_t>(count, 0))));
  return text.starts_with('<');
}

}  // namespace

SubdirCache::SubdirCache(Url url, std::string subdir, const RepoDataOptions& options, Fetcher& fetcher, SharedReporter& reporter)
    : url_(std::move(url)), subdir_(std::move(subdir)), options_(options), fetcher_(fetcher), reporter_(reporter),
      display_url_(url_.str()), stem_(cache_stem(options.cache_directory, display_url_)), started_ns_(now_ns()) {}

Url SubdirCache::document_url(BodyForm form) const {
  return url_ / (form == BodyForm::json ? "repodata.json" : "repodata.json.zst");
}

std::shared_ptr<RepoDataIndex> SubdirCache::open(std::stop_token stop) {
  make_directories(options_.cache_directory);
  return url_.scheme() == "file" ? open_local(stop, true) : open_remote(stop, true);
}

std::shared_ptr<RepoDataIndex> SubdirCache::rebuild(std::stop_token stop) {
  log_warning("the index of `" + display_url_ + "` is damaged and is made anew");
  return url_.scheme() == "file" ? open_local(stop, false) : open_remote(stop, false);
}

FileLock SubdirCache::lock(std::stop_token stop) {
  return FileLock::acquire(path(".lock"), FileLock::Mode::exclusive,
                           lock_options(display_url_, options_, reporter_, std::move(stop)));
}

SubdirCache::Copy SubdirCache::fresh_copy(std::stop_token stop) {
  if (url_.scheme() == "file") return {};
  const auto state = read_state();
  if (!state || !is_fresh(*state, started_ns_, options_)) return {};
  return {usable_copy(*state, stop, false), state->refresh_ns};
}

void SubdirCache::forget_missing() {
  auto state = read_state();
  if (!state || state->missing_ns == 0) return;
  state->missing_ns = 0;
  write_atomically(path(".info.json"), to_json(*state));
}

std::shared_ptr<RepoDataIndex> SubdirCache::load_index() const {
  FileDescriptor file = open_to_read(path(".idx"));
  if (!file) return {};
  try {
    return std::make_shared<RepoDataIndex>(std::move(file));
  } catch (const DamagedIndex&) {
    return {};
  }
}

// Channels on disk: the document is read where it lies, its size and time tell whether the index is
// still right.
std::shared_ptr<RepoDataIndex> SubdirCache::open_local(std::stop_token stop, bool trust_index) {
  const std::string folder = url_.to_path();
  std::string document;
  BodyForm form = BodyForm::json;
  struct stat status{};
  for (const BodyForm candidate : {BodyForm::json, BodyForm::json_zst}) {
    const std::string candidate_path = folder + (candidate == BodyForm::json ? "/repodata.json" : "/repodata.json.zst");
    struct stat found{};
    if (stat(candidate_path.c_str(), &found) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) continue;
      throw system_error("cannot read channel index", errno).at(candidate_path);
    }
    // Both forms: the compressed one unless it was left behind by an older indexing.
    if (!document.empty() && mtime_ns(found) < mtime_ns(status)) continue;
    document = candidate_path;
    form = candidate;
    status = found;
  }
  if (document.empty()) return {};
  const auto matching = [&]() -> std::shared_ptr<RepoDataIndex> {
    auto index = load_index();
    if (!index) return {};
    const IndexHeader& header = index->header();
    const bool same = header.source_size == static_cast<std::uint64_t>(status.st_size) &&
                      header.source_mtime_ns == mtime_ns(status) && header.source_inode == status.st_ino;
    const bool racy = header.built_ns - header.source_mtime_ns < racy_ns;
    return same && !racy ? index : nullptr;
  };
  if (trust_index) {
    if (auto index = matching()) return index;
  }
  const FileLock guard = lock(stop);
  if (trust_index) {
    if (auto index = matching()) return index;
  }
  IndexSource source;
  return build(document, form, document, source, stop);
}

std::optional<CacheState> SubdirCache::read_state() const {
  return read_cache_state(path(".info.json"), display_url_ + "/");
}

// The index that belongs to a state, made from the document when need be (and allowed).
std::shared_ptr<RepoDataIndex> SubdirCache::usable_copy(const CacheState& state, std::stop_token stop, bool may_build) {
  if (!state.sha256) return {};
  if (auto index = load_index(); index && index->header().source_digest == state.sha256->bytes) return index;
  if (!may_build) return {};
  struct stat status{};
  const std::string document = document_path(state.form);
  if (stat(document.c_str(), &status) != 0 || static_cast<std::uint64_t>(status.st_size) != state.size) return {};
  try {
    IndexSource source;
    auto index = build(document, state.form, display_url_ + " (cached)", source, stop);
    if (source.digest == *state.sha256) return index;
    remove_file(path(".idx"));
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::corrupt) throw;
  }
  log_warning("the cached index of `" + display_url_ + "` is damaged and is fetched anew");
  return {};
}

std::shared_ptr<RepoDataIndex> SubdirCache::open_remote(std::stop_token stop, bool trust_index) {
  if (trust_index) {
    const auto state = read_state();
    if (state && is_fresh(*state, started_ns_, options_)) {
      if (auto index = usable_copy(*state, stop, false)) return index;
    } else if (state && is_known_missing(*state, started_ns_, options_)) {
      return {};
    }
  }
  const FileLock guard = lock(stop);
  if (!trust_index) remove_file(path(".idx"));
  const auto state = read_state();
  if (state && is_fresh(*state, started_ns_, options_)) {
    if (auto index = usable_copy(*state, stop, true)) return index;
  } else if (state && is_known_missing(*state, started_ns_, options_)) {
    return {};
  }
  if (options_.cache_use == RepoDataCacheUse::only_cached) {
    throw Error("the index of a channel is not cached", ErrorKind::offline)
        .at(display_url_)
        .because("the offline mode is on")
        .hint("run once without `--offline` to fetch it");
  }
  try {
    return refresh(state, stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::internal) throw;
    if (!options_.stale_on_error) throw;
    auto index = fall_back(state, error, stop);
    if (!index) throw;
    return index;
  }
}

std::shared_ptr<RepoDataIndex> SubdirCache::fall_back(const std::optional<CacheState>& state, const Error& error,
                                                      std::stop_token stop) {
  auto index = state ? usable_copy(*state, stop, true) : nullptr;
  if (index) {
    const auto time = std::chrono::system_clock::time_point(std::chrono::duration_cast<std::chrono::system_clock::duration>(
        std::chrono::nanoseconds(state->refresh_ns)));
    reporter_([&](RepoDataReporter& reporter) {
      reporter.on_warning("using the copy of " + format_iso_time(time) + " of the index at " + display_url_ + ": " +
                          error.message() + " (" + error.why() + ")");
    });
  }
  return index;
}

// Asks for one form of the document. Nothing when the server has none.
std::optional<FetchResult> SubdirCache::fetch_form(BodyForm form, const CacheState* validators, const std::string& target,
                                                   std::optional<Error>& failure, std::stop_token stop) {
  FetchRequest request;
  request.url = document_url(form);
  request.target_path = target;
  // What the server compressed on the way is plain here: the limit of the content holds.
  request.size_limit = form == BodyForm::json ? std::min(document_limit, options_.decoded_size_limit) : document_limit;
  request.missing_is_ok = true;
  request.compressed_transfer = form == BodyForm::json;
  request.label = subdir_ + "/" + request.url.file_name();
  if (validators != nullptr && validators->form == form) {
    request.if_none_match = validators->etag;
    if (validators->etag.empty()) request.if_modified_since = validators->mod;
  }
  FetchForwarder forwarder(reporter_, display_url_);
  std::optional<FetchResult> result;
  try {
    fetcher_.fetch_all(
        std::span(&request, 1), [&](std::size_t, FetchResult fetched) { result = std::move(fetched); }, &forwarder, stop);
  } catch (const Error& error) {
    if (form != BodyForm::json_zst || !may_mean_missing(error)) throw;
    failure = error;
    return {};
  }
  if (result->outcome == FetchResult::Outcome::missing) return {};
  return result;
}

std::shared_ptr<RepoDataIndex> SubdirCache::refresh(const std::optional<CacheState>& state, std::stop_token stop) {
  const FetchReport report(reporter_, display_url_);
  // Validators are of use only with a copy that they vouch for.
  const CacheState* validators = state && usable_copy(*state, stop, true) ? &*state : nullptr;
  const std::int64_t asked_ns = now_ns();
  CacheState next = state.value_or(CacheState{});
  if (next.zst_missing_until_ns <= asked_ns || next.zst_missing_until_ns > asked_ns + form_missing_ns) next.zst_missing_until_ns = 0;

  std::optional<Error> failure;  // of the compressed form
  // Nothing when the server does not have the form, or something else in its place.
  const auto try_form = [&](BodyForm form) -> std::optional<std::shared_ptr<RepoDataIndex>> {
    const std::string target = document_path(form) + ".new";
    TemporaryFile fetched(target);
    auto result = fetch_form(form, validators, target, failure, stop);
    // Servers of web applications answer any path with a page.
    if (result && form == BodyForm::json_zst && result->outcome == FetchResult::Outcome::fetched && !file_begins_with_zstd(target)) {
      failure = Error("channel index is not valid", ErrorKind::corrupt).at(document_url(form).str()).because("it is not compressed by zstd");
      if (file_looks_like_html(target)) failure->hint(web_page_hint());
      result.reset();
    }
    if (!result) {
      if (form == BodyForm::json_zst) next.zst_missing_until_ns = asked_ns + (failure ? form_failed_ns : form_missing_ns);
      return {};
    }
    if (result->outcome != FetchResult::Outcome::not_modified) return accept(form, *result, target, next, stop);
    next.refresh_ns = asked_ns;
    next.missing_ns = 0;
    if (!result->cache_control.empty()) next.cache_control = result->cache_control;
    try {
      write_atomically(path(".info.json"), to_json(next));
    } catch (const Error& error) {
      // All that is lost is when the copy was last found good.
      if (error.kind() != ErrorKind::no_space && error.kind() != ErrorKind::permission) throw;
      log_warning("cannot note that `" + display_url_ + "` has not changed: " + error.why());
    }
    return usable_copy(next, stop, false);
  };
  const bool left_alone = next.zst_missing_until_ns != 0;
  if (!left_alone) {
    if (auto done = try_form(BodyForm::json_zst)) return *done;
  }
  if (auto done = try_form(BodyForm::json)) return *done;
  if (left_alone) {
    if (auto done = try_form(BodyForm::json_zst)) return *done;
  }
  // What is there and broken is not the same as nothing; a refusal (4xx) may be.
  if (failure && !http_status_of(*failure).starts_with('4')) throw *failure;
  next.missing_ns = asked_ns;
  if (next.url.empty()) next.url = document_url(BodyForm::json).str();
  write_atomically(path(".info.json"), to_json(next));
  return {};
}

// Turns a fetched document into the new copy; what was there before stays unless it is good.
std::shared_ptr<RepoDataIndex> SubdirCache::accept(BodyForm form, const FetchResult& result, const std::string& fetched_path,
                                                   const CacheState& before, std::stop_token stop) {
  const std::string origin = document_url(form).str();
  IndexSource source;
  std::shared_ptr<RepoDataIndex> index;
  try {
    index = build(fetched_path, form, origin, source, stop);
  } catch (Error& error) {
    if (file_looks_like_html(fetched_path)) error.hint(web_page_hint());
    throw;
  }
  warn_of_older(reporter_, origin, before.mod, result.last_modified);
  CacheState state;
  state.url = origin;
  state.form = form;
  state.etag = result.etag;
  state.mod = result.last_modified;
  state.cache_control = result.cache_control;
  state.size = source.size;
  state.sha256 = source.digest;
  state.refresh_ns = now_ns();
  state.zst_missing_until_ns = before.zst_missing_until_ns;
  rename_path(fetched_path, document_path(form));
  write_atomically(path(".info.json"), to_json(state));
  remove_file(document_path(form == BodyForm::json ? BodyForm::json_zst : BodyForm::json));
  return index;
}

// Reads a document and writes the index aside, then over the old one. Fills in `source`.
std::shared_ptr<RepoDataIndex> SubdirCache::build(const std::string& document, BodyForm form, const std::string& origin,
                                                  IndexSource& source, std::stop_token stop) {
  FileDescriptor file = open_to_read(document);
  struct stat status{};
  if (!file || fstat(file.get(), &status) != 0) throw system_error("cannot read channel index", errno).at(document);
  if (!S_ISREG(status.st_mode)) throw Error("cannot read channel index").at(document).because("it is not a regular file");

  ByteSource bytes(std::move(file), form, origin, options_.decoded_size_limit);
  IndexBuilder builder(subdir_);
  const ReadSummary summary = read_repodata(bytes, builder, stop);
  source.digest = bytes.stored_digest();
  source.size = bytes.stored_size();
  source.mtime_ns = mtime_ns(status);
  source.inode = status.st_ino;
  if (summary.skipped > 0) {
    reporter_([&](RepoDataReporter& reporter) {
      reporter.on_warning("left out " + with_thousands(summary.skipped) + " of " + with_thousands(summary.records) +
                          " records of " + origin + ", the first is " + summary.first_problem);
    });
  }

  remove_stale_temporaries(options_.cache_directory);
  // The lock is ours: whoever began one of these is dead.
  const std::string begun = stem_.substr(stem_.rfind('/') + 1) + ".idx.";
  for (const std::string& name : list_directory(options_.cache_directory))
    if (name.starts_with(begun) && name.ends_with(".tmp")) unlink((options_.cache_directory + "/" + name).c_str());
  TemporaryFile index_file(path(".idx") + "." + random_name() + ".tmp");
  FileDescriptor out(::open(index_file.path().c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!out) throw system_error("cannot write the index cache", errno).at(index_file.path());
  builder.write(out.get(), index_file.path(), source);
  rename_path(index_file.path(), path(".idx"));
  index_file.keep();
  try {
    return std::make_shared<RepoDataIndex>(std::move(out));
  } catch (const DamagedIndex&) {
    throw Error("the index cache cannot be read back", ErrorKind::corrupt).at(path(".idx"));
  }
}

}  // namespace envtool
