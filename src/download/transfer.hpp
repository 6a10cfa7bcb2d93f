#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <optional>
#include <random>
#include <stop_token>
#include <string>
#include <vector>

#include "curl_handles.hpp"
#include "envtool/download/fetcher.hpp"
#include "failure.hpp"
#include "part_file.hpp"
#include "response.hpp"

namespace envtool {

/// One request on its way through tries, redirects, and mirrors. The owner runs the handles.
class Transfer {
 public:
  using Clock = std::chrono::steady_clock;
  /// What the owner has to do next.
  enum class Next { finished, start, wait };

  Transfer(std::size_t index, const FetchRequest& request, const FetchOptions& options, std::mt19937_64& random);
  ~Transfer();
  Transfer(const Transfer&) = delete;
  Transfer& operator=(const Transfer&) = delete;

  std::size_t index() const { return index_; }
  const FetchRequest& request() const { return request_; }

  /// True when the next try needs no network; then `run_local` does it, else `prepare`.
  bool is_local() const { return current_.scheme() == "file"; }
  Next run_local(std::stop_token stop);
  /// Makes the handle for the next try. It lives until `finish` or `abandon`. Throws `Error` (offline).
  CURL* prepare();
  /// Judges a try that libcurl has ended; the handle must have left its multi handle. Throws the
  /// request's final `Error`.
  Next finish(CURLcode code);
  CURL* handle() const { return easy_.get(); }
  /// Ends a running try without waiting for name resolver threads.
  void abandon();

  /// When to start again after `Next::wait`, and why.
  Clock::time_point not_before() const { return not_before_; }
  std::chrono::milliseconds delay() const { return delay_; }
  const std::string& retry_reason() const { return retry_reason_; }

  std::uint64_t bytes_now() const;
  /// 0 while unknown.
  std::uint64_t bytes_total() const { return bytes_total_; }
  FetchResult take_result() { return std::move(result_); }

 private:
  static std::size_t on_header(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t on_body(char* data, std::size_t size, std::size_t count, void* self);

  void choose_resume(CurlHeaders& headers);
  void set_connection_options();
  void begin_body();
  bool take_body(const char* data, std::size_t size);
  bool accepted() const { return header_.status == 200 || header_.status == 206; }
  std::optional<Failure> judge(CURLcode code);
  std::optional<Failure> follow_redirect();
  std::optional<Failure> complete_body();
  Next decide(Failure failure);
  Next retry_later(Failure failure);
  Next next_url(Failure failure);
  void start_url();
  Clock::duration remaining() const;

  const std::size_t index_;
  const FetchRequest& request_;
  const FetchOptions& options_;
  std::mt19937_64& random_;

  std::vector<Url> urls_;
  std::size_t url_index_ = 0;
  Url current_;                    // after redirects
  unsigned redirects_ = 0;
  unsigned retries_ = 0;           // of this URL
  bool refetched_ = false;
  bool resume_ = true;
  std::optional<Clock::time_point> started_;
  Clock::time_point not_before_{};
  std::chrono::milliseconds delay_{};
  std::string retry_reason_;
  std::vector<Error> failures_;    // of earlier URLs

  CurlEasy easy_;
  CurlHeaders headers_;
  std::string error_text_;
  CredentialKind credential_ = CredentialKind::none;
  std::uint64_t range_from_ = 0;   // 0: the whole was asked for
  ResponseHeader header_;
  bool body_begun_ = false;
  std::uint64_t skipped_ = 0;      // bytes of bodies that nobody wants
  std::uint64_t bytes_total_ = 0;
  std::optional<PartFile> part_;
  std::optional<Failure> body_failure_;
  std::exception_ptr thrown_;
  bool redirected_ = false;
  bool restart_whole_ = false;
  FetchResult result_;
};

}  // namespace envtool
