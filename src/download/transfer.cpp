#include "transfer.hpp"

#include <algorithm>

#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"
#include "local_file.hpp"
#include "verify.hpp"

namespace envtool {

namespace {

// More of an error page or a redirect's body than this is not read.
constexpr std::uint64_t unwanted_body_limit = 64 * 1024;
// A server that wants to be left alone for longer than this is treated as one that failed.
constexpr std::chrono::seconds retry_after_limit{600};

std::string parent_folder(const std::string& path) {
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? std::string() : path.substr(0, slash);
}

bool is_redirect(long status) {
  return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool one_line(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
}

template <typename Value>
void set(CURL* handle, CURLoption option, Value value) {
  if (const CURLcode code = curl_easy_setopt(handle, option, value); code != CURLE_OK) {
    throw Error("cannot set up a transfer", ErrorKind::internal).because(curl_easy_strerror(code));
  }
}

}  // namespace

Transfer::Transfer(std::size_t index, const FetchRequest& request, const FetchOptions& options, std::mt19937_64& random)
    : index_(index), request_(request), options_(options), random_(random) {
  urls_.push_back(request.url);
  urls_.insert(urls_.end(), request.mirrors.begin(), request.mirrors.end());
  start_url();
}

Transfer::~Transfer() { abandon(); }

void Transfer::abandon() {
  if (!easy_) return;
  curl_easy_setopt(easy_.get(), CURLOPT_QUICK_EXIT, 1L);
  easy_.reset();
}

void Transfer::start_url() {
  current_ = urls_[url_index_];
  redirects_ = retries_ = 0;
  refetched_ = false;
  resume_ = request_.resume;
}

Transfer::Clock::duration Transfer::remaining() const {
  if (!started_) return options_.total_budget;
  return *started_ + options_.total_budget - Clock::now();
}

std::uint64_t Transfer::bytes_now() const {
  return part_ ? part_->size() : static_cast<std::uint64_t>(result_.body.size());
}

Transfer::Next Transfer::run_local(std::stop_token stop) {
  if (!started_) started_ = Clock::now();
  part_.reset();
  if (const auto folder = parent_folder(request_.target_path); !folder.empty()) make_directories(folder);
  auto outcome = fetch_local(request_, current_, stop);
  if (auto* failure = std::get_if<Failure>(&outcome)) return decide(std::move(*failure));
  result_ = std::move(std::get<FetchResult>(outcome));
  return Next::finished;
}

// Asks for the rest of what an earlier try left behind. Without a digest to check the whole with,
// only a strong ETag tells that the rest belongs to the beginning.
void Transfer::choose_resume(CurlHeaders& headers) {
  range_from_ = 0;
  if (request_.target_path.empty()) {
    result_.body.clear();
    return;
  }
  const bool resumable = resume_ && request_.resume && !request_.compressed_transfer;
  if (!part_) {
    if (const auto folder = parent_folder(request_.target_path); !folder.empty()) make_directories(folder);
    part_.emplace(request_.target_path, resumable, digests_to_check(request_));
  }
  const bool has_digest = request_.sha256 || request_.md5;
  const bool same_source = part_->source_url() == urls_[url_index_].str();
  const bool strong = same_source && part_->validator().starts_with('"');
  const bool fits = part_->size() <= body_limit(request_);
  if (!resumable || part_->size() == 0 || !fits || !(has_digest || strong)) {
    part_->restart();
    return;
  }
  range_from_ = part_->size();
  headers.add("Range: bytes=" + std::to_string(range_from_) + "-");
  if (same_source && !part_->validator().empty()) headers.add("If-Range: " + part_->validator());
}

CURL* Transfer::prepare() {
  if (options_.offline) {
    throw Error("cannot download " + describe(request_), ErrorKind::offline)
        .at(current_.str())
        .because("it is not cached and the offline mode is on")
        .hint("run once without `--offline` to fill the cache");
  }
  if (!started_) started_ = Clock::now();
  header_ = {};
  body_begun_ = false;
  skipped_ = 0;
  bytes_total_ = 0;
  body_failure_.reset();
  thrown_ = nullptr;
  redirected_ = restart_whole_ = false;

  easy_ = make_curl_easy();
  headers_ = {};
  choose_resume(headers_);
  if (!request_.if_none_match.empty() && one_line(request_.if_none_match)) {
    headers_.add("If-None-Match: " + request_.if_none_match);
  }
  if (!request_.if_modified_since.empty() && one_line(request_.if_modified_since)) {
    headers_.add("If-Modified-Since: " + request_.if_modified_since);
  }
  Url wire = current_.without_fragment();
  const Secret authorization = options_.authorization ? options_.authorization(current_) : Secret();
  credential_ = CredentialKind::none;
  if (!authorization.empty()) {
    credential_ = CredentialKind::authorization;
    headers_.add("Authorization: " + authorization.reveal());
    wire = wire.with_user_info({});
  } else if (!wire.user_info().empty()) {
    credential_ = CredentialKind::user_info;
  } else if (!wire.token().empty()) {
    credential_ = CredentialKind::token;
  }
  CURL* handle = easy_.get();
  set(handle, CURLOPT_URL, wire.with_credentials().reveal().c_str());
  set(handle, CURLOPT_HTTPHEADER, headers_.get());
  if (!options_.netrc_file.empty()) {
    set(handle, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_OPTIONAL));
    set(handle, CURLOPT_NETRC_FILE, options_.netrc_file.c_str());
  }
  set_connection_options();
  return handle;
}

void Transfer::set_connection_options() {
  CURL* handle = easy_.get();
  set(handle, CURLOPT_PRIVATE, this);
  set(handle, CURLOPT_HEADERFUNCTION, &Transfer::on_header);
  set(handle, CURLOPT_HEADERDATA, this);
  set(handle, CURLOPT_WRITEFUNCTION, &Transfer::on_body);
  set(handle, CURLOPT_WRITEDATA, this);
  error_text_.assign(CURL_ERROR_SIZE, '\0');
  set(handle, CURLOPT_ERRORBUFFER, error_text_.data());
  set(handle, CURLOPT_NOSIGNAL, 1L);
  set(handle, CURLOPT_PROTOCOLS_STR, "http,https");
  set(handle, CURLOPT_FOLLOWLOCATION, 0L);
  set(handle, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  // Waits to learn whether the first connection speaks HTTP/2; plain http never does, and there
  // libcurl would wait for the first body to end.
  set(handle, CURLOPT_PIPEWAIT, current_.scheme() == "https" ? 1L : 0L);
  set(handle, CURLOPT_BUFFERSIZE, 256L * 1024);
  set(handle, CURLOPT_TCP_KEEPALIVE, 1L);
  set(handle, CURLOPT_CONNECTTIMEOUT, static_cast<long>(options_.connect_timeout.count()));
  set(handle, CURLOPT_LOW_SPEED_LIMIT, 1000L);
  set(handle, CURLOPT_LOW_SPEED_TIME, static_cast<long>(options_.low_speed_time.count()));
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(remaining());
  set(handle, CURLOPT_TIMEOUT_MS, static_cast<long>(std::max<std::int64_t>(left.count(), 1)));
  set(handle, CURLOPT_USERAGENT, options_.user_agent.empty() ? "envtool" : options_.user_agent.c_str());
  if (request_.compressed_transfer) set(handle, CURLOPT_ACCEPT_ENCODING, "");

  set(handle, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  if (!options_.verify_tls) {
    set(handle, CURLOPT_SSL_VERIFYPEER, 0L);
    set(handle, CURLOPT_SSL_VERIFYHOST, 0L);
  } else if (!options_.ca_bundle.empty()) {
    const bool folder = is_directory(options_.ca_bundle);
    set(handle, folder ? CURLOPT_CAPATH : CURLOPT_CAINFO, options_.ca_bundle.c_str());
    set(handle, folder ? CURLOPT_PROXY_CAPATH : CURLOPT_PROXY_CAINFO, options_.ca_bundle.c_str());
  }
  // Without a proxy of the settings libcurl reads the usual variables itself.
  const std::string& proxy = current_.scheme() == "https" ? options_.https_proxy : options_.http_proxy;
  if (!proxy.empty()) set(handle, CURLOPT_PROXY, proxy.c_str());
  if (!options_.no_proxy.empty()) set(handle, CURLOPT_NOPROXY, options_.no_proxy.c_str());
}

std::size_t Transfer::on_header(char* data, std::size_t size, std::size_t count, void* self) {
  auto* transfer = static_cast<Transfer*>(self);
  try {
    transfer->header_.add_line(std::string_view(data, size * count));
  } catch (...) {
    transfer->thrown_ = std::current_exception();
    return 0;
  }
  return size * count;
}

// Exceptions must not cross libcurl's frames: they wait in `thrown_` for `finish`.
std::size_t Transfer::on_body(char* data, std::size_t size, std::size_t count, void* self) {
  auto* transfer = static_cast<Transfer*>(self);
  try {
    if (!transfer->take_body(data, size * count)) return size * count + 1;
  } catch (...) {
    transfer->thrown_ = std::current_exception();
    return size * count + 1;
  }
  return size * count;
}

// Called once per answer before its first byte is stored: is this the body that we asked for?
void Transfer::begin_body() {
  if (body_begun_ || !accepted()) return;
  body_begun_ = true;
  const bool encoded = request_.compressed_transfer && !header_.content_encoding.empty() &&
                       header_.content_encoding != "identity";
  if (header_.status == 206) {
    const auto& range = header_.content_range;
    const bool right_total = !range || !range->total || request_.expected_size == 0 || *range->total == request_.expected_size;
    if (range_from_ == 0 || !range || range->first != range_from_ || !right_total) {
      restart_whole_ = range_from_ != 0;
      body_failure_ = status_failure(describe(request_), current_, header_.status, credential_, false);
      return;
    }
    bytes_total_ = range->total.value_or(0);
    return;
  }
  if (part_) {
    part_->restart();
    part_->remember(urls_[url_index_].str(), header_.range_validator());
  }
  if (encoded || !header_.content_length) return;
  bytes_total_ = *header_.content_length;
  if (bytes_total_ > body_limit(request_)) body_failure_ = too_long(request_, current_);
}

bool Transfer::take_body(const char* data, std::size_t size) {
  if (!accepted()) {
    skipped_ += size;
    return skipped_ <= unwanted_body_limit;
  }
  begin_body();
  if (body_failure_) return false;
  if (bytes_now() + size > body_limit(request_)) {
    body_failure_ = too_long(request_, current_);
    return false;
  }
  if (part_) part_->append(data, size);
  else result_.body.append(data, size);
  return true;
}

Transfer::Next Transfer::finish(CURLcode code) {
  auto failure = judge(code);
  easy_.reset();
  if (thrown_) std::rethrow_exception(thrown_);
  if (failure) return decide(std::move(*failure));
  return redirected_ || restart_whole_ ? Next::start : Next::finished;
}

std::optional<Failure> Transfer::judge(CURLcode code) {
  long os_error = 0;
  curl_off_t retry_after = 0;
  curl_easy_getinfo(easy_.get(), CURLINFO_OS_ERRNO, &os_error);
  curl_easy_getinfo(easy_.get(), CURLINFO_RETRY_AFTER, &retry_after);
  // Far beyond any wait that we accept; keeps the arithmetic below in range.
  delay_ = std::chrono::seconds(std::clamp<curl_off_t>(retry_after, 0, 100'000'000));
  if (thrown_) return {};

  const long status = header_.status;
  if (is_redirect(status) && !header_.location.empty()) return follow_redirect();
  if (accepted() && code == CURLE_OK) begin_body();  // an empty body called nobody
  if (body_failure_) {
    if (!restart_whole_) return std::move(body_failure_);
    resume_ = false;
    return {};
  }
  if (status == 416 && range_from_ != 0) {
    resume_ = false;
    restart_whole_ = true;
    return {};
  }
  if (status == 304 && (!request_.if_none_match.empty() || !request_.if_modified_since.empty())) {
    result_.outcome = FetchResult::Outcome::not_modified;
  } else if ((status == 404 || status == 410) && request_.missing_is_ok) {
    result_.outcome = FetchResult::Outcome::missing;
  } else if (status >= 300 || (code == CURLE_OK && !accepted())) {
    return status_failure(describe(request_), current_, status, credential_, header_.is_html());
  } else if (code != CURLE_OK) {
    return curl_failure(describe(request_), current_, code, os_error, error_text_.c_str(), options_.verify_tls);
  } else if (auto failure = complete_body()) {
    return failure;
  }
  result_.etag = header_.etag;
  result_.last_modified = header_.last_modified;
  result_.cache_control = header_.cache_control;
  result_.content_type = header_.content_type;
  result_.final_url = current_;
  if (result_.outcome != FetchResult::Outcome::fetched && part_) part_->discard();
  return {};
}

std::optional<Failure> Transfer::follow_redirect() {
  const auto refuse = [&](const std::string& why) {
    Error error("cannot download " + describe(request_), ErrorKind::network);
    error.at(current_.str()).because(why);
    return Failure{Remedy::next_url, std::move(error)};
  };
  if (redirects_ >= options_.max_redirects) {
    return refuse("more than " + std::to_string(options_.max_redirects) + " redirects");
  }
  Url target;
  try {
    target = current_.resolve(header_.location);
  } catch (const Error&) {
    return refuse("the server redirects to a malformed URL");
  }
  if (target.scheme() != "http" && target.scheme() != "https") {
    return refuse("the server redirects to `" + escape_control(target.scheme()) + "`, which is refused");
  }
  if (current_.scheme() == "https" && target.scheme() == "http") {
    return refuse("the server redirects from https to http (`" + target.origin() + "`), which is refused");
  }
  ++redirects_;
  current_ = std::move(target);
  redirected_ = true;
  return {};
}

std::optional<Failure> Transfer::complete_body() {
  result_.bytes = bytes_now();
  if (!part_) return verify_body(request_, current_, result_.body);
  if (auto failure = verify_part(request_, current_, *part_)) return failure;
  part_->commit();
  return {};
}

Transfer::Next Transfer::decide(Failure failure) {
  switch (failure.remedy) {
    case Remedy::fatal:
      throw failure.error;
    case Remedy::retry:
      return retry_later(std::move(failure));
    case Remedy::refetch:
      if (part_) part_->restart();
      resume_ = false;
      if (refetched_ || is_local()) return next_url(std::move(failure));
      refetched_ = true;
      redirects_ = 0;
      current_ = urls_[url_index_];
      return Next::start;
    case Remedy::next_url:
      break;
  }
  return next_url(std::move(failure));
}

Transfer::Next Transfer::retry_later(Failure failure) {
  const std::chrono::milliseconds asked = delay_;
  const double random = std::uniform_real_distribution<double>(0.0, 1.0)(random_);
  delay_ = std::max(asked, retry_delay(retries_, options_.retry_base, options_.retry_cap, random));
  const unsigned tries = retries_ + 1;
  std::string why = failure.error.why();
  if (tries > 1) why += " (" + std::to_string(tries) + " tries)";
  if (retries_ >= options_.max_retries) {
    failure.error.because(why);
    return next_url(std::move(failure));
  }
  if (delay_ >= remaining() || asked > retry_after_limit) {
    failure.error.because(why + "; the next try would come too late");
    return next_url(std::move(failure));
  }
  ++retries_;
  redirects_ = 0;
  resume_ = request_.resume;
  current_ = urls_[url_index_];
  retry_reason_ = failure.error.why();
  not_before_ = Clock::now() + delay_;
  return Next::wait;
}

Transfer::Next Transfer::next_url(Failure failure) {
  if (url_index_ + 1 < urls_.size() && remaining() > Clock::duration::zero()) {
    failures_.push_back(std::move(failure.error));
    ++url_index_;
    start_url();
    return Next::start;
  }
  // A part that failed its checks must not be continued by the next run.
  if (part_ && failure.remedy == Remedy::refetch) part_->discard();
  for (const Error& earlier : failures_) failure.error.caused_by(earlier);
  throw failure.error;
}

}  // namespace envtool
