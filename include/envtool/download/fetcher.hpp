#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/base/digest.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/url.hpp"

namespace envtool {

/// What a transfer goes through: shared by all requests of a `Fetcher`.
struct FetchOptions {
  std::size_t parallel = 8;              ///< transfers at once
  unsigned max_retries = 4;              ///< after the first try, per URL
  std::chrono::milliseconds retry_base{1000};
  std::chrono::milliseconds retry_cap{30000};
  std::chrono::seconds connect_timeout{15};
  std::chrono::seconds low_speed_time{30};  ///< below 1 KB/s for this long: stalled
  std::chrono::seconds total_budget{3600};  ///< per request, retries included
  unsigned max_redirects = 10;
  bool offline = false;                  ///< refuse everything but `file://` with ErrorKind::offline
  bool verify_tls = true;
  /// A netrc file with credentials by host; empty: none. URLs and `authorization` come first.
  std::string netrc_file;
  std::string ca_bundle;                 ///< path of a PEM file; empty: the system's
  std::string user_agent;
  /// Proxy URL by scheme (`http`, `https`) from settings; the usual *_proxy variables otherwise.
  std::string http_proxy, https_proxy, no_proxy;
  /// Credentials for an origin (`https://host[:port]`) chosen afresh at every hop; may return an
  /// empty secret. The value is the whole Authorization header's content.
  std::function<Secret(const Url&)> authorization;
};

/// One thing to fetch. With `target_path` the body goes to that file (written aside, checked,
/// renamed over), otherwise into `FetchResult::body`.
struct FetchRequest {
  Url url;
  std::vector<Url> mirrors;             ///< tried in order when `url` fails for good
  std::string target_path;
  std::uint64_t expected_size = 0;      ///< 0: unknown; more bytes than this stop the transfer
  std::optional<Sha256> sha256;
  std::optional<Md5> md5;               ///< checked when there is no sha256, or as well
  std::uint64_t size_limit = std::uint64_t{8} << 30;  ///< for bodies of unknown size
  std::string if_none_match;            ///< ETag of the copy that we have
  std::string if_modified_since;
  bool resume = true;                   ///< keep a partial file (`<target>.part`) and continue it
  bool missing_is_ok = false;           ///< 404/410 (or no such file) give `missing` instead of an error
  /// Lets the server compress the body on the way (`Content-Encoding`); such a transfer is not resumed.
  bool compressed_transfer = false;
  std::string label;                    ///< for progress and messages, e.g. the file name
};

struct FetchResult {
  enum class Outcome { fetched, not_modified, missing };
  Outcome outcome = Outcome::fetched;
  std::string body;
  std::string etag, last_modified, cache_control, content_type;
  Url final_url;
  std::uint64_t bytes = 0;
};

/// Told about transfers, from the thread that runs `fetch_all`; every method does nothing by default.
class DownloadReporter {
 public:
  virtual ~DownloadReporter() = default;
  virtual void on_start(std::size_t /*index*/, const FetchRequest&) {}
  /// `total` is 0 while unknown.
  virtual void on_progress(std::size_t /*index*/, std::uint64_t /*now*/, std::uint64_t /*total*/) {}
  virtual void on_retry(std::size_t /*index*/, const std::string& /*reason*/, std::chrono::milliseconds /*delay*/) {}
  virtual void on_finish(std::size_t /*index*/) {}
};

/// Fetches many URLs at once over `https`, `http` and `file`, with retry, resume, size and digest
/// checks, and redirects followed by us (credentials never cross origins, https never becomes http).
/// May be used from several threads at once; `parallel` holds for each call.
class Fetcher {
 public:
  explicit Fetcher(FetchOptions options);
  ~Fetcher();
  Fetcher(const Fetcher&) = delete;

  /// One request. Throws `Error` (network, offline, checksum, no_space, interrupted, ...).
  FetchResult fetch(const FetchRequest& request, std::stop_token stop = {});

  /// All requests in parallel. `on_result` is called (from this thread) for each as it completes.
  /// The first request that fails for good stops the rest and its error is thrown, after running
  /// transfers have been cancelled.
  void fetch_all(std::span<const FetchRequest> requests,
                 const std::function<void(std::size_t, FetchResult)>& on_result,
                 DownloadReporter* reporter = nullptr, std::stop_token stop = {});

  /// Like `fetch_all`, for many small things that lead to further ones: `on_result` may append to
  /// `requests`. Where the server speaks HTTP/2 many more than `parallel` run at once, over one
  /// connection. With `on_failure` a request that fails for good stops the rest only if that throws.
  void fetch_growing(std::deque<FetchRequest>& requests,
                     const std::function<void(std::size_t, FetchResult)>& on_result,
                     const std::function<void(std::size_t, const Error&)>& on_failure = {},
                     DownloadReporter* reporter = nullptr, std::stop_token stop = {});

 private:
  struct Implementation;
  struct Job;
  void run(const Job& job, std::stop_token stop);
  std::unique_ptr<Implementation> implementation_;
};

}  // namespace envtool
