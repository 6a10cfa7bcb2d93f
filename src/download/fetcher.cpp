#include "envtool/download/fetcher.hpp"

#include <algorithm>
#include <deque>
#include <mutex>
#include <random>

#include "curl_handles.hpp"
#include "transfer.hpp"

namespace envtool {

struct Fetcher::Implementation {
  FetchOptions options;
  std::mutex mutex;
  std::vector<CurlMulti> idle;  // with their open connections, for the next call
};

// What one call is asked to do.
struct Fetcher::Job {
  std::function<std::size_t()> count;  // may grow while the job runs
  std::function<const FetchRequest&(std::size_t)> request;
  const std::function<void(std::size_t, FetchResult)>& on_result;
  std::function<void(std::size_t, const Error&)> on_failure;
  DownloadReporter* reporter;
  bool multiplex;
};

namespace {

// Streams at once on connections that multiplex; servers allow 100 or 128.
constexpr std::size_t most_streams = 64;

// One job: keeps up to `parallel` transfers running until all are done or one fails.
template <typename Job>
class Run {
 public:
  Run(const FetchOptions& options, CurlMulti& multi, const Job& job, DownloadReporter& reporter, std::stop_token stop)
      : options_(options), multi_(multi), job_(job), reporter_(reporter), stop_(std::move(stop)),
        limit_(std::max<std::size_t>(options.parallel, 1)) {}

  ~Run() {
    for (auto& transfer : active_) {
      if (transfer->handle() != nullptr) curl_multi_remove_handle(multi_.get(), transfer->handle());
      transfer->abandon();
    }
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void loop() {
    while (next_ < job_.count() || !active_.empty() || !waiting_.empty()) {
      if (stop_.stop_requested()) throw Error("interrupted", ErrorKind::interrupted);
      admit();
      if (!active_.empty()) drive();
      else if (!waiting_.empty()) sleep_until_due();
    }
  }

 private:
  using TransferPointer = std::unique_ptr<Transfer>;

  // A retry that is due goes first, then requests in their order.
  void admit() {
    const auto now = Transfer::Clock::now();
    while (active_.size() < limit_) {
      TransferPointer transfer;
      const auto due = std::find_if(waiting_.begin(), waiting_.end(),
                                    [&](const TransferPointer& candidate) { return candidate->not_before() <= now; });
      if (due != waiting_.end()) {
        transfer = std::move(*due);
        waiting_.erase(due);
      } else if (next_ < job_.count()) {
        const FetchRequest& request = job_.request(next_);
        transfer = std::make_unique<Transfer>(next_, request, options_, random_);
        reporter_.on_start(next_, request);
        ++next_;
      } else {
        return;
      }
      start(std::move(transfer));
      if (stop_.stop_requested()) return;
    }
  }

  void start(TransferPointer transfer) {
    CURL* handle = nullptr;
    auto next = Transfer::Next::start;
    try {
      while (next == Transfer::Next::start && transfer->is_local()) next = transfer->run_local(stop_);
      if (next == Transfer::Next::start) handle = transfer->prepare();
    } catch (const Error& error) {
      return fail(*transfer, error);
    }
    if (handle == nullptr) return dispose(std::move(transfer), next);
    if (!multi_) open_multi();
    if (const CURLMcode code = curl_multi_add_handle(multi_.get(), handle); code != CURLM_OK) {
      throw Error("cannot start a transfer", ErrorKind::internal).because(curl_multi_strerror(code));
    }
    active_.push_back(std::move(transfer));
    reported_.push_back(0);
  }

  // Another request may do without this one, where the caller says so.
  void fail(const Transfer& transfer, const Error& error) {
    if (!job_.on_failure || error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::internal) throw;
    reporter_.on_finish(transfer.index());
    job_.on_failure(transfer.index(), error);
  }

  void open_multi() {
    multi_ = make_curl_multi();
    curl_multi_setopt(multi_.get(), CURLMOPT_PIPELINING, CURLPIPE_MULTIPLEX);
    curl_multi_setopt(multi_.get(), CURLMOPT_MAX_HOST_CONNECTIONS, static_cast<long>(options_.parallel));
  }

  void drive() {
    const std::stop_callback wake(stop_, [multi = multi_.get()] { curl_multi_wakeup(multi); });
    int running = 0;
    check(curl_multi_perform(multi_.get(), &running));
    report_progress();
    if (collect()) return;
    check(curl_multi_poll(multi_.get(), nullptr, 0, poll_time(), nullptr));
  }

  bool collect() {
    bool any = false;
    int queued = 0;
    while (CURLMsg* message = curl_multi_info_read(multi_.get(), &queued)) {
      if (message->msg != CURLMSG_DONE) continue;
      const CURLcode code = message->data.result;
      CURL* handle = message->easy_handle;
      curl_multi_remove_handle(multi_.get(), handle);
      const auto place = std::find_if(active_.begin(), active_.end(),
                                      [&](const TransferPointer& transfer) { return transfer->handle() == handle; });
      TransferPointer transfer = std::move(*place);
      reported_.erase(reported_.begin() + (place - active_.begin()));
      active_.erase(place);
      any = true;
      if (job_.multiplex && limit_ < most_streams && speaks_http2(handle)) limit_ = most_streams;
      Transfer::Next next{};
      try {
        next = transfer->finish(code);
      } catch (const Error& error) {
        fail(*transfer, error);
        continue;
      }
      if (next == Transfer::Next::start) start(std::move(transfer));
      else dispose(std::move(transfer), next);
    }
    return any;
  }

  static bool speaks_http2(CURL* handle) {
    long version = 0;
    return curl_easy_getinfo(handle, CURLINFO_HTTP_VERSION, &version) == CURLE_OK && version == CURL_HTTP_VERSION_2_0;
  }

  void dispose(TransferPointer transfer, Transfer::Next next) {
    if (next == Transfer::Next::wait) {
      reporter_.on_retry(transfer->index(), transfer->retry_reason(), transfer->delay());
      waiting_.push_back(std::move(transfer));
      return;
    }
    FetchResult result = transfer->take_result();
    if (result.bytes > 0) reporter_.on_progress(transfer->index(), result.bytes, result.bytes);
    reporter_.on_finish(transfer->index());
    job_.on_result(transfer->index(), std::move(result));
  }

  void report_progress() {
    for (std::size_t i = 0; i < active_.size(); ++i) {
      const std::uint64_t now = active_[i]->bytes_now();
      if (now == reported_[i]) continue;
      reported_[i] = now;
      reporter_.on_progress(active_[i]->index(), now, active_[i]->bytes_total());
    }
  }

  int poll_time() const {
    auto time = std::chrono::milliseconds(500);
    for (const auto& transfer : waiting_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(transfer->not_before() - Transfer::Clock::now());
      time = std::clamp(left, std::chrono::milliseconds(0), time);
    }
    return static_cast<int>(time.count());
  }

  void sleep_until_due() {
    if (!multi_) open_multi();
    const std::stop_callback wake(stop_, [multi = multi_.get()] { curl_multi_wakeup(multi); });
    check(curl_multi_poll(multi_.get(), nullptr, 0, poll_time(), nullptr));
  }

  static void check(CURLMcode code) {
    if (code != CURLM_OK) {
      throw Error("a transfer failed", ErrorKind::internal).because(curl_multi_strerror(code));
    }
  }

  const FetchOptions& options_;
  CurlMulti& multi_;  // made on first use: offline runs never touch libcurl
  std::mt19937_64 random_{std::random_device{}()};
  const Job& job_;
  DownloadReporter& reporter_;
  std::stop_token stop_;
  std::size_t limit_;  // of transfers at once
  std::size_t next_ = 0;
  std::vector<TransferPointer> active_;
  std::vector<std::uint64_t> reported_;  // bytes last told, beside `active_`
  std::vector<TransferPointer> waiting_;
};

}  // namespace

Fetcher::Fetcher(FetchOptions options) : implementation_(std::make_unique<Implementation>()) {
  implementation_->options = std::move(options);
}

Fetcher::~Fetcher() = default;

FetchResult Fetcher::fetch(const FetchRequest& request, std::stop_token stop) {
  FetchResult result;
  fetch_all(std::span(&request, 1), [&](std::size_t, FetchResult fetched) { result = std::move(fetched); }, nullptr,
            std::move(stop));
  return result;
}

void Fetcher::fetch_all(std::span<const FetchRequest> requests,
                        const std::function<void(std::size_t, FetchResult)>& on_result, DownloadReporter* reporter,
                        std::stop_token stop) {
  run({[&] { return requests.size(); }, [&](std::size_t i) -> const FetchRequest& { return requests[i]; }, on_result, {},
       reporter, false}, std::move(stop));
}

void Fetcher::fetch_growing(std::deque<FetchRequest>& requests,
                            const std::function<void(std::size_t, FetchResult)>& on_result,
                            const std::function<void(std::size_t, const Error&)>& on_failure,
                            DownloadReporter* reporter, std::stop_token stop) {
  // Appending to a deque leaves its elements where they are.
  run({[&] { return requests.size(); }, [&](std::size_t i) -> const FetchRequest& { return requests[i]; }, on_result,
       on_failure, reporter, true}, std::move(stop));
}

void Fetcher::run(const Job& job, std::stop_token stop) {
  CurlMulti multi;
  {
    const std::lock_guard lock(implementation_->mutex);
    if (!implementation_->idle.empty()) {
      multi = std::move(implementation_->idle.back());
      implementation_->idle.pop_back();
    }
  }
  DownloadReporter silent;
  {
    Run<Job> run(implementation_->options, multi, job, job.reporter != nullptr ? *job.reporter : silent, std::move(stop));
    run.loop();
  }
  if (!multi) return;
  const std::lock_guard lock(implementation_->mutex);
  implementation_->idle.push_back(std::move(multi));
}

}  // namespace envtool
