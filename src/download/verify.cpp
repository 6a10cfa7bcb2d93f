#include "verify.hpp"

#include "envtool/base/text.hpp"

namespace envtool {

namespace {

Failure mismatch(const FetchRequest& request, const Url& url, const std::string& why, std::string_view beginning) {
  Error error("downloaded file " + describe(request) + " is not what it should be", ErrorKind::checksum);
  error.at(url.str()).because(why);
  if (looks_like_html(beginning)) {
    error.hint(html_hint());
  } else {
    error.hint("the file on the server was replaced or damaged, or the channel's index is out of date");
  }
  return {Remedy::refetch, std::move(error)};
}

std::optional<Failure> check_size(const FetchRequest& request, const Url& url, std::uint64_t size) {
  if (request.expected_size == 0 || size == request.expected_size) return {};
  if (size > request.expected_size) return too_long(request, url);
  Error error("cannot download " + describe(request), ErrorKind::network);
  error.at(url.str()).because("the body ended after " + with_thousands(size) + " of " +
                              with_thousands(request.expected_size) + " bytes");
  return Failure{Remedy::retry, std::move(error)};
}

template <typename DigestType>
std::string difference(std::string_view algorithm, const DigestType& expected, const DigestType& actual) {
  return "its " + std::string(algorithm) + " is " + actual.hex() + ", expected " + expected.hex();
}

}  // namespace

std::string describe(const FetchRequest& request) {
  const std::string name = request.label.empty() ? request.url.file_name() : request.label;
  return "`" + escape_control(name) + "`";
}

std::uint64_t body_limit(const FetchRequest& request) {
  return request.expected_size != 0 ? request.expected_size : request.size_limit;
}

DigestChoice digests_to_check(const FetchRequest& request) {
  return {request.sha256.has_value(), request.md5.has_value()};
}

Failure too_long(const FetchRequest& request, const Url& url) {
  if (request.expected_size != 0) {
    return mismatch(request, url, "it is longer than " + with_thousands(request.expected_size) + " bytes", {});
  }
  Error error("cannot download " + describe(request), ErrorKind::network);
  error.at(url.str()).because("the body is longer than the limit of " + with_thousands(request.size_limit) + " bytes");
  return {Remedy::next_url, std::move(error)};
}

std::optional<Failure> verify_part(const FetchRequest& request, const Url& url, PartFile& part) {
  if (auto failure = check_size(request, url, part.size())) return failure;
  if (request.sha256 && part.sha256() != *request.sha256) {
    return mismatch(request, url, difference("sha256", *request.sha256, part.sha256()), part.beginning(64));
  }
  if (request.md5 && part.md5() != *request.md5) {
    return mismatch(request, url, difference("md5", *request.md5, part.md5()), part.beginning(64));
  }
  return {};
}

std::optional<Failure> verify_body(const FetchRequest& request, const Url& url, const std::string& body) {
  if (auto failure = check_size(request, url, body.size())) return failure;
  if (request.sha256) {
    const Sha256 actual = sha256(body);
    if (actual != *request.sha256) {
      return mismatch(request, url, difference("sha256", *request.sha256, actual), body);
    }
  }
  if (request.md5) {
    const Md5 actual = md5(body);
    if (actual != *request.md5) return mismatch(request, url, difference("md5", *request.md5, actual), body);
  }
  return {};
}

}  // namespace envtool
