#include "envtool/os/environment.hpp"
#include "envtool/os/process.hpp"
#include "test_server.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

// A server with a self-signed certificate for `localhost`.
struct TlsFixture {
  TemporaryDirectory folder{"/tmp", "envtool-download-"};
  HttpServer::Tls tls{folder.path() + "/cert.pem", folder.path() + "/key.pem"};
  std::unique_ptr<HttpServer> server;
  FetchOptions options;
  FetchRequest request;

  TlsFixture() {
    const EnvSnapshot environment = EnvSnapshot::capture();
    ProcessRequest openssl;
    openssl.environment = &environment;
    openssl.arguments = {"openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                         "-addext", "subjectAltName=DNS:localhost", "-keyout", tls.key, "-out", tls.certificate};
    REQUIRE(run_process(openssl).exit_code == 0);
    make_directories(folder.path() + "/www");
    server = std::make_unique<HttpServer>(ENVTOOL_PYTHON, ENVTOOL_HTTP_SERVER, folder.path() + "/www", &tls);
    server->put("a", "text");
    options.retry_base = std::chrono::milliseconds(10);
    request.url = Url::parse(server->other_url() + "/a");
  }
};

}  // namespace

TEST_CASE_METHOD(TlsFixture, "An unknown certificate is refused without a retry") {
  struct : DownloadReporter {
    int retries = 0;
    void on_retry(std::size_t, const std::string&, std::chrono::milliseconds) override { ++retries; }
  } reporter;
  Fetcher fetcher(options);
  const Error error = error_of([&] { fetcher.fetch_all(std::span(&request, 1), [](std::size_t, FetchResult) {}, &reporter); });
  CHECK(error.kind() == ErrorKind::network);
  REQUIRE_FALSE(error.hints().empty());
  CHECK(error.hints().front().find("ssl_verify") != std::string::npos);
  CHECK(reporter.retries == 0);
  CHECK(server->requests().empty());
}

TEST_CASE_METHOD(TlsFixture, "A CA file makes the certificate good, for its own host only") {
  options.ca_bundle = tls.certificate;
  CHECK(Fetcher(options).fetch(request).body == "text");
  request.url = Url::parse(server->url() + "/a");
  CHECK(error_of([&] { Fetcher(options).fetch(request); }).kind() == ErrorKind::network);
}

TEST_CASE_METHOD(TlsFixture, "Verification can be switched off") {
  options.verify_tls = false;
  CHECK(Fetcher(options).fetch(request).body == "text");
}

TEST_CASE_METHOD(TlsFixture, "A missing CA file is named") {
  options.ca_bundle = folder.path() + "/absent.pem";
  const Error error = error_of([&] { Fetcher(options).fetch(request); });
  REQUIRE_FALSE(error.hints().empty());
  CHECK(error.hints().front().find("ssl_verify") != std::string::npos);
}

TEST_CASE_METHOD(TlsFixture, "https never becomes http") {
  options.ca_bundle = tls.certificate;
  server->behave(R"({"/a": [{"status": 302, "headers": {"Location": "http://localhost:1/a"}}]})");
  CHECK(error_of([&] { Fetcher(options).fetch(request); }).why().find("https to http") != std::string::npos);
}

TEST_CASE_METHOD(TlsFixture, "A stalled transfer does not hold up others of its host") {
  options.ca_bundle = tls.certificate;
  server->put("b", "text");
  server->behave(R"({"/a": [{"cut": 1, "stall": 60}], "/b": [{"status": 404}]})");
  const std::vector<FetchRequest> requests{request, [&] {
    FetchRequest second;
    second.url = Url::parse(server->other_url() + "/b");
    return second;
  }()};
  const auto start = std::chrono::steady_clock::now();
  Fetcher fetcher(options);
  const Error error = error_of([&] { fetcher.fetch_all(requests, [](std::size_t, FetchResult) {}); });
  CHECK(error.why().find("404") != std::string::npos);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}
