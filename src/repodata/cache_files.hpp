#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <mutex>
#include <stop_token>
#include <string>

#include "envtool/download/fetcher.hpp"
#include "envtool/os/file_lock.hpp"
#include "envtool/repodata/repodata_gateway.hpp"

namespace envtool {

/// Passes calls on to a reporter, one at a time, from any thread.
class SharedReporter {
 public:
  explicit SharedReporter(RepoDataReporter* reporter) : reporter_(reporter != nullptr ? reporter : &silent_) {}
  template <typename Call>
  void operator()(Call&& call) {
    const std::lock_guard lock(mutex_);
    call(*reporter_);
  }

 private:
  RepoDataReporter silent_;
  RepoDataReporter* reporter_;
  std::mutex mutex_;
};

/// A file that is gone unless `keep` was called.
class TemporaryFile {
 public:
  explicit TemporaryFile(std::string path) : path_(std::move(path)) {}
  ~TemporaryFile() {
    if (!path_.empty()) unlink(path_.c_str());
  }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }
  void keep() { path_.clear(); }

 private:
  std::string path_;
};

/// Tells the gateway's reporter about one transfer.
class FetchForwarder : public DownloadReporter {
 public:
  FetchForwarder(SharedReporter& reporter, const std::string& url) : reporter_(reporter), url_(url) {}
  void on_progress(std::size_t, std::uint64_t now, std::uint64_t total) override {
    reporter_([&](RepoDataReporter& reporter) { reporter.on_fetch_progress(url_, now, total); });
  }
  void on_retry(std::size_t, const std::string& reason, std::chrono::milliseconds) override {
    reporter_([&](RepoDataReporter& reporter) { reporter.on_retry(url_, reason); });
  }

 private:
  SharedReporter& reporter_;
  const std::string& url_;
};

/// Says that fetching begins, and at the end of its life that it is over.
class FetchReport {
 public:
  FetchReport(SharedReporter& reporter, const std::string& url) : reporter_(reporter), url_(url) {
    reporter_([&](RepoDataReporter& target) { target.on_fetch_start(url_); });
  }
  ~FetchReport() {
    reporter_([&](RepoDataReporter& target) { target.on_fetch_finish(url_); });
  }
  FetchReport(const FetchReport&) = delete;
  FetchReport& operator=(const FetchReport&) = delete;

 private:
  SharedReporter& reporter_;
  const std::string& url_;
};

/// The wall clock, in nanoseconds since the epoch.
std::int64_t now_ns();
/// `<folder>/<16 digits>`: what the files about a URL (without credentials) begin with.
std::string cache_stem(const std::string& folder, const std::string& url);
/// A descriptor without a file where there is none; never waits for a FIFO's writer.
FileDescriptor open_to_read(const std::string& path);
/// Options of a lock that says who is waited for.
FileLock::Options lock_options(const std::string& display_url, const RepoDataOptions& options, SharedReporter& reporter,
                               std::stop_token stop);
/// Stores without the right to list answer 403 for what is not there, others 400 or worse: statuses
/// that say nothing of the document's other forms, which will tell.
bool may_mean_missing(const Error& error);
/// The HTTP status that an error of a transfer is about, or empty.
std::string http_status_of(const Error& error);
/// The hint that belongs to a web page in place of data.
std::string web_page_hint();
/// Adds to the warnings that a document is older than the one seen before: a replayed or lagging one.
void warn_of_older(SharedReporter& reporter, const std::string& url, const std::string& before, const std::string& now);

/// How long it is remembered that a server lacks one form of a document: for good, and when a server
/// failed or sent nonsense.
constexpr std::int64_t form_missing_ns = std::int64_t{7} * 24 * 3600 * 1'000'000'000;
constexpr std::int64_t form_failed_ns = std::int64_t{3600} * 1'000'000'000;

}  // namespace envtool
