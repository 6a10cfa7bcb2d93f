#pragma once

#include <memory>
#include <optional>
#include <stop_token>
#include <string>

#include "cache_files.hpp"
#include "cache_state.hpp"
#include "envtool/base/url.hpp"
#include "envtool/download/fetcher.hpp"
#include "envtool/os/file_lock.hpp"
#include "envtool/repodata/repodata_gateway.hpp"
#include "repodata_index.hpp"

namespace envtool {

/// One subdir of one channel: keeps its document and binary index in the cache folder, up to date.
///
/// Files, `<key>` being the first 16 digits of the SHA-256 of the subdir's URL without credentials:
///   <key>.json or .json.zst   the document as it was served (not for `file://`)
///   <key>.info.json           `CacheState`: validators, and size and digest of the document
///   <key>.idx                 the binary index; names the digest of the document it was made from
///   <key>.lock                held while any of them is changed
/// Each is replaced by rename. State, index and document belong together only if their digests agree,
/// so dying between two renames costs a rebuild or a download, never a mix.
class SubdirCache {
 public:
  /// `url` is the subdir's, with credentials. The references must outlive the object.
  SubdirCache(Url url, std::string subdir, const RepoDataOptions& options, Fetcher& fetcher, SharedReporter& reporter);

  /// The index, made ready as the options say; nothing when the server has no such subdir. Throws
  /// `Error`.
  std::shared_ptr<RepoDataIndex> open(std::stop_token stop);
  /// The index, if there is one that may be used without asking anybody, with the time when it was last
  /// checked; never for `file://`.
  struct Copy {
    std::shared_ptr<RepoDataIndex> index;
    std::int64_t checked_ns = 0;
  };
  Copy fresh_copy(std::stop_token stop);
  /// Forgets that the server has no such subdir.
  void forget_missing();
  /// Like `open`, after a `DamagedIndex`: makes the index anew.
  std::shared_ptr<RepoDataIndex> rebuild(std::stop_token stop);

  const std::string& display_url() const { return display_url_; }

 private:
  struct Fetched;

  std::shared_ptr<RepoDataIndex> open_local(std::stop_token stop, bool trust_index);
  std::shared_ptr<RepoDataIndex> open_remote(std::stop_token stop, bool trust_index);
  std::shared_ptr<RepoDataIndex> refresh(const std::optional<CacheState>& state, std::stop_token stop);
  std::shared_ptr<RepoDataIndex> fall_back(const std::optional<CacheState>& state, const Error& error, std::stop_token stop);
  std::shared_ptr<RepoDataIndex> usable_copy(const CacheState& state, std::stop_token stop, bool may_build);
  std::optional<FetchResult> fetch_form(BodyForm form, const CacheState* validators, const std::string& target,
                                        std::optional<Error>& failure, std::stop_token stop);
  std::shared_ptr<RepoDataIndex> accept(BodyForm form, const FetchResult& result, const std::string& fetched_path,
                                        const CacheState& before, std::stop_token stop);
  std::shared_ptr<RepoDataIndex> build(const std::string& document, BodyForm form, const std::string& origin,
                                       IndexSource& source, std::stop_token stop);
  std::shared_ptr<RepoDataIndex> load_index() const;

  std::optional<CacheState> read_state() const;
  FileLock lock(std::stop_token stop);
  std::string path(const char* suffix) const { return stem_ + suffix; }
  std::string document_path(BodyForm form) const { return path(form == BodyForm::json ? ".json" : ".json.zst"); }
  Url document_url(BodyForm form) const;

  Url url_;
  std::string subdir_;
  const RepoDataOptions& options_;
  Fetcher& fetcher_;
  SharedReporter& reporter_;
  std::string display_url_;
  std::string stem_;        // of the files in the cache folder
  std::int64_t started_ns_; // copies checked since then are current for this run
};

}  // namespace envtool
