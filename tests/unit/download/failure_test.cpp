#include "failure.hpp"

#include <catch2/catch.hpp>

#include "response.hpp"

using namespace envtool;
using std::chrono::milliseconds;

TEST_CASE("Retry delays grow, are capped, and have full jitter") {
  const milliseconds base(1000), cap(30000);
  CHECK(retry_delay(0, base, cap, 0.5) == milliseconds(500));
  CHECK(retry_delay(3, base, cap, 0.5) == milliseconds(4000));
  CHECK(retry_delay(10, base, cap, 1.0) == cap);
  CHECK(retry_delay(4000000000U, base, cap, 1.0) == cap);
  CHECK(retry_delay(2, base, cap, 0.0) == milliseconds(0));
}

TEST_CASE("Only statuses that may pass are transient") {
  for (const long status : {408, 413, 425, 429, 500, 502, 503, 504}) CHECK(is_transient_status(status));
  for (const long status : {400, 401, 403, 404, 405, 407, 410, 416, 451, 501, 505, 511}) CHECK_FALSE(is_transient_status(status));
}

TEST_CASE("Certificates are never tried again, broken connections are") {
  CHECK_FALSE(is_transient_code(CURLE_PEER_FAILED_VERIFICATION, 0));
  CHECK_FALSE(is_transient_code(CURLE_SSL_CONNECT_ERROR, 0));
  CHECK(is_transient_code(CURLE_SSL_CONNECT_ERROR, 104));
  CHECK(is_transient_code(CURLE_PARTIAL_FILE, 0));
  CHECK(is_transient_code(CURLE_COULDNT_CONNECT, 111));
  CHECK_FALSE(is_transient_code(CURLE_UNSUPPORTED_PROTOCOL, 0));
}

TEST_CASE("Content-Range is parsed strictly") {
  const auto range = parse_content_range("bytes 5-9/100");
  REQUIRE(range);
  CHECK(range->first == 5);
  CHECK(range->total == 100U);
  CHECK(parse_content_range("Bytes 0-0/*"));
  for (const char* bad : {"", "bytes */100", "bytes 9-5/100", "bytes 5-9/9", "bytes 5-9", "items 5-9/100",
                          "bytes -5-9/100", "bytes 5-99999999999999999999/*", "bytes 5-9/x"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_content_range(bad));
  }
}

TEST_CASE("A header keeps one answer and no control characters") {
  ResponseHeader header;
  for (const char* line : {"HTTP/1.1 200 Connection established\r\n", "ETag: \"proxy\"\r\n", "\r\n", "HTTP/2 206\r\n",
                           "eTag:  \"a\" \r\n", "Content-Length: -5\r\n", "Content-Type: text/html; charset=x\r\n"}) {
    header.add_line(line);
  }
  CHECK(header.status == 206);
  CHECK(header.etag == "\"a\"");
  CHECK_FALSE(header.content_length);
  CHECK(header.is_html());
  header.add_line("ETag: \"a\x01\"");
  CHECK(header.etag.empty());
}

TEST_CASE("A weak ETag does not vouch for bytes") {
  ResponseHeader header;
  header.add_line("ETag: W/\"a\"");
  CHECK(header.range_validator().empty());
  header.add_line("Last-Modified: Mon, 01 Jan 2024 00:00:00 GMT");
  CHECK(header.range_validator() == "Mon, 01 Jan 2024 00:00:00 GMT");
}

TEST_CASE("A web page is recognised by its beginning") {
  CHECK(looks_like_html(" \r\n<!DOCTYPE html><html>"));
  CHECK(looks_like_html("<HTML lang=en>"));
  CHECK_FALSE(looks_like_html("{\"info\": {}}"));
  CHECK_FALSE(looks_like_html(""));
}

TEST_CASE("A refused request names the kind of credential that was sent") {
  const Url url = Url::parse("https://host.example/channel/noarch/repodata.json");
  const auto failure = status_failure("`x`", url, 403, CredentialKind::token, false);
  CHECK(failure.remedy == Remedy::next_url);
  CHECK(failure.error.why().find("403") != std::string::npos);
  CHECK(failure.error.why().find("token") != std::string::npos);
  CHECK(status_failure("`x`", url, 401, CredentialKind::none, false).error.why().find("no credential") !=
        std::string::npos);
}
