#include "failure.hpp"

#include <algorithm>
#include <cmath>

#include "envtool/base/text.hpp"
#include "response.hpp"

namespace envtool {

namespace {

bool is_tls_code(CURLcode code) {
  switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_ENGINE_NOTFOUND:
    case CURLE_SSL_ENGINE_SETFAILED:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_USE_SSL_FAILED:
    case CURLE_SSL_ENGINE_INITFAILED:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_SHUTDOWN_FAILED:
    case CURLE_SSL_CRL_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_PINNEDPUBKEYNOTMATCH:
    case CURLE_SSL_INVALIDCERTSTATUS:
    case CURLE_SSL_CLIENTCERT:
      return true;
    default:
      return false;
  }
}

std::string credential_text(CredentialKind kind) {
  switch (kind) {
    case CredentialKind::none: return "no credential was sent";
    case CredentialKind::user_info: return "the user name and password of the URL were sent";
    case CredentialKind::token: return "the `/t/` token of the URL was sent";
    case CredentialKind::authorization: return "the credential configured for this host was sent";
  }
  return {};
}

void add_credential_hint(Error& error, const Url& url, CredentialKind kind) {
  if (kind == CredentialKind::none) {
    error.hint("log in to `" + url.origin() + "`, or use a channel URL with a token");
  } else {
    error.hint("check that the credential is still valid and may read this channel");
  }
}

}  // namespace

bool is_transient_status(long status) {
  if (status == 408 || status == 413 || status == 425 || status == 429) return true;
  return status >= 500 && status < 600 && status != 501 && status != 505 && status != 511;
}

bool is_transient_code(CURLcode code, long os_error) {
  switch (code) {
    case CURLE_SSL_CONNECT_ERROR:
      return os_error != 0;
    case CURLE_COULDNT_RESOLVE_PROXY:
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_CONNECT:
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
    case CURLE_PARTIAL_FILE:
    case CURLE_OPERATION_TIMEDOUT:
    case CURLE_GOT_NOTHING:
    case CURLE_SEND_ERROR:
    case CURLE_RECV_ERROR:
    case CURLE_BAD_CONTENT_ENCODING:
    case CURLE_AGAIN:
    case CURLE_NO_CONNECTION_AVAILABLE:
      return true;
    default:
      return false;
  }
}

std::chrono::milliseconds retry_delay(unsigned retry, std::chrono::milliseconds base,
                                      std::chrono::milliseconds cap, double random) {
  const double grown = static_cast<double>(base.count()) * std::exp2(std::min(retry, 40U));
  const double limited = std::min(grown, static_cast<double>(cap.count()));
  return std::chrono::milliseconds(static_cast<std::int64_t>(limited * std::clamp(random, 0.0, 1.0)));
}

Failure status_failure(const std::string& what, const Url& url, long status, CredentialKind credential,
                       bool html) {
  std::string why = "the server answered HTTP " + std::to_string(status);
  if (const auto reason = http_reason(status); !reason.empty()) why += " (" + std::string(reason) + ")";
  Error error("cannot download " + what, ErrorKind::network);
  if (status == 401 || status == 403) why += "; " + credential_text(credential);
  error.at(url.str()).because(why).with("http_status", {std::to_string(status)});
  if (status == 401 || status == 403) {
    add_credential_hint(error, url, credential);
  } else if (status == 407) {
    error.hint("the proxy wants a user name and a password: put them into `proxy_servers` or the proxy variables");
  } else if (status == 404 || status == 410) {
    error.hint("check the channel's name and URL; an old index may name files that are gone");
  } else if (html && status < 500) {
    error.hint(html_hint());
  }
  return {is_transient_status(status) ? Remedy::retry : Remedy::next_url, std::move(error)};
}

Failure curl_failure(const std::string& what, const Url& url, CURLcode code, long os_error,
                     const std::string& detail, bool verify_tls) {
  Error error("cannot download " + what, ErrorKind::network);
  std::string why = detail.empty() ? std::string(curl_easy_strerror(code)) : detail;
  why = escape_control(redact(strip(why)));
  error.at(url.str()).because(why);
  if (code == CURLE_COULDNT_RESOLVE_HOST) {
    error.hint("check the host's name and the network; `--offline` works with what is cached");
  } else if (code == CURLE_COULDNT_RESOLVE_PROXY || code == CURLE_PROXY) {
    error.hint("check `proxy_servers` and the variables `http_proxy`, `https_proxy`, `no_proxy`");
  } else if (code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT) {
    error.hint("check the network; behind a proxy set `proxy_servers` or `https_proxy`");
  } else if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_ISSUER_ERROR) {
    error.hint("a company's proxy or a private server needs its CA certificate: set `ssl_verify` to a PEM file with it");
    error.hint("check that this machine's clock is right");
  } else if (code == CURLE_SSL_CACERT_BADFILE) {
    error.hint("`ssl_verify` has to name a readable PEM file with CA certificates");
  } else if (is_tls_code(code) && verify_tls) {
    error.hint("the server may be too old (TLS 1.2 is needed) or not speak TLS at all");
  }
  return {is_transient_code(code, os_error) ? Remedy::retry : Remedy::next_url, std::move(error)};
}

bool looks_like_html(std::string_view beginning) {
  while (!beginning.empty() && (beginning.front() == ' ' || beginning.front() == '\n' || beginning.front() == '\r' ||
                                beginning.front() == '\t')) {
    beginning.remove_prefix(1);
  }
  const std::string start = to_lower(beginning.substr(0, 15));
  return start.starts_with("<!doctype html") || start.starts_with("<html") || start.starts_with("<head");
}

std::string html_hint() {
  return "the answer is a web page: is there a login page or a proxy in the way?";
}

}  // namespace envtool
