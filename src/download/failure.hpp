#pragma once

#include <curl/curl.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "envtool/base/error.hpp"
#include "envtool/base/url.hpp"

namespace envtool {

/// What to do after a try that did not give the wanted body.
enum class Remedy {
  retry,      ///< transient: again after a delay
  refetch,    ///< the content is not what it should be: once more from the start
  next_url,   ///< this URL is of no use
  fatal       ///< no other URL can help (disk full, interrupted)
};

/// Which credential a request carried; for messages, never its value.
enum class CredentialKind { none, user_info, token, authorization };

/// One try that failed.
struct Failure {
  Remedy remedy;
  Error error;
};

/// Statuses that may be different a moment later: 408, 413, 425, 429 and 5xx but 501, 505, 511.
bool is_transient_status(long status);
/// Connection trouble, yes; certificate, protocol and name syntax errors, no. `os_error` tells a
/// handshake that the network broke from one that the peers could not agree on.
bool is_transient_code(CURLcode code, long os_error);

/// `base * 2^retry` up to `cap`, times a random number of [0, 1) ("full jitter").
std::chrono::milliseconds retry_delay(unsigned retry, std::chrono::milliseconds base,
                                      std::chrono::milliseconds cap, double random);

/// The failure for an HTTP status other than success.
Failure status_failure(const std::string& what, const Url& url, long status, CredentialKind credential,
                       bool html);
/// The failure for a transfer that libcurl gave up. `detail` is libcurl's error text.
Failure curl_failure(const std::string& what, const Url& url, CURLcode code, long os_error,
                     const std::string& detail, bool verify_tls);
/// True when the text is the beginning of a web page.
bool looks_like_html(std::string_view beginning);
/// The hint that belongs to a page in place of data.
std::string html_hint();

}  // namespace envtool
