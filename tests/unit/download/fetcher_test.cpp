#include <sys/stat.h>

#include <deque>
#include <thread>

#include "envtool/base/text.hpp"
#include "test_server.hpp"

using namespace envtool;
using namespace envtool::test;
using Clock = std::chrono::steady_clock;

TEST_CASE_METHOD(ServerFixture, "A body comes into memory or into a file") {
  const std::string content = noise(300000);
  FetchRequest request = request_for("/a.bin", content);
  request.md5 = md5(content);
  const auto result = fetch(request);
  CHECK(result.outcome == FetchResult::Outcome::fetched);
  CHECK(result.bytes == content.size());
  CHECK(read_file(target()) == content);
  CHECK_FALSE(exists(target() + ".part"));
  CHECK_FALSE(exists(target() + ".part.info"));

  request.target_path.clear();
  CHECK(fetch(request).body == content);
}

TEST_CASE_METHOD(ServerFixture, "An empty body is a body") {
  FetchRequest request = request_for("/empty", "");
  fetch(request);
  CHECK(exists(target()));
  CHECK(read_file(target()).empty());
}

TEST_CASE_METHOD(ServerFixture, "Validators give not_modified") {
  FetchRequest request = request_for("/a", "text");
  const auto first = fetch(request);
  REQUIRE_FALSE(first.etag.empty());
  REQUIRE_FALSE(first.last_modified.empty());
  request.if_none_match = first.etag;
  CHECK(fetch(request).outcome == FetchResult::Outcome::not_modified);
  CHECK_FALSE(exists(target() + ".part"));
}

TEST_CASE_METHOD(ServerFixture, "Missing is an outcome only where asked for") {
  FetchRequest request;
  request.url = url("/absent");
  const Error error = error_of([&] { fetch(request); });
  CHECK(error.kind() == ErrorKind::network);
  CHECK(error.where() == request.url.str());
  CHECK(error.why().find("404") != std::string::npos);
  CHECK(server->count("/absent") == 1);
  request.missing_is_ok = true;
  CHECK(fetch(request).outcome == FetchResult::Outcome::missing);
}

TEST_CASE_METHOD(ServerFixture, "Transient statuses are tried again") {
  const FetchRequest request = request_for("/a", "text");
  for (const int status : {408, 425, 429, 500, 502, 503, 504}) {
    const std::string action = R"({"status": )" + std::to_string(status) + "}";
    const std::string path = "/a" + std::to_string(status);
    server->put(path.substr(1), "text");
    server->behave(R"({")" + path + R"(": [)" + action + "," + action + ",{}]}");
    FetchRequest again = request;
    again.url = url(path);
    CHECK(fetch(again).bytes == 4);
    CHECK(server->count(path) == 3);
  }
}

TEST_CASE_METHOD(ServerFixture, "Permanent statuses are not") {
  FetchRequest request;
  for (const int status : {400, 401, 403, 404, 410, 451, 501}) {
    const std::string path = "/a" + std::to_string(status);
    server->behave(R"({")" + path + R"(": [{"status": )" + std::to_string(status) + "}]}");
    request.url = url(path);
    CHECK(error_of([&] { fetch(request); }).kind() == ErrorKind::network);
    CHECK(server->count(path) == 1);
  }
}

TEST_CASE_METHOD(ServerFixture, "Retries end") {
  const FetchRequest request = request_for("/a", "text");
  server->behave(R"({"/a": [{"status": 503}]})");
  options.max_retries = 2;
  const Error error = error_of([&] { fetch(request); });
  CHECK(error.why().find("503") != std::string::npos);
  CHECK(error.why().find("3 tries") != std::string::npos);
  CHECK(server->count("/a") == 3);
}

TEST_CASE_METHOD(ServerFixture, "Retry-After is honoured, in seconds and as a date") {
  FetchRequest request = request_for("/a", "text");
  const auto start = Clock::now();
  SECTION("seconds") {
    server->behave(R"({"/a": [{"status": 503, "headers": {"Retry-After": "1"}}, {}]})");
    fetch(request);
    CHECK(Clock::now() - start >= std::chrono::milliseconds(950));
    CHECK(Clock::now() - start < std::chrono::seconds(4));
  }
  SECTION("too far away") {
    options.total_budget = std::chrono::seconds(20);
    server->behave(R"({"/a": [{"status": 503, "headers": {"Retry-After": "100"}}, {}]})");
    CHECK(error_of([&] { fetch(request); }).why().find("503") != std::string::npos);
    CHECK(Clock::now() - start < std::chrono::seconds(4));
  }
  SECTION("a date") {
    const std::time_t later = std::time(nullptr) + 2;
    char text[64];
    std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&later));
    server->behave(std::string(R"({"/a": [{"status": 429, "headers": {"Retry-After": ")") + text + R"("}}, {}]})");
    fetch(request);
    CHECK(Clock::now() - start >= std::chrono::milliseconds(800));
    CHECK(Clock::now() - start < std::chrono::seconds(5));
  }
}

TEST_CASE_METHOD(ServerFixture, "A body cut short is continued, not begun anew") {
  const std::string content = noise(200000);
  const FetchRequest request = request_for("/a", content);
  for (const char* how : {R"({"cut": 0})", R"({"cut": 1})", R"({"cut": 0.13})", R"({"cut": 0.99})",
                          R"({"cut": 0.5, "no_length": true})", R"({"cut": 0.5, "chunked": true})"}) {
    CAPTURE(how);
    server->put("a", content);
    remove_file(root() + "/.requests.log");
    const std::string path = "/" + std::to_string(reinterpret_cast<std::uintptr_t>(how));
    server->put(path.substr(1), content);
    server->behave(R"({")" + path + R"(": [)" + how + ", {}]}");
    FetchRequest cut = request;
    cut.url = url(path);
    fetch(cut);
    CHECK(read_file(target()) == content);
    const auto log = server->requests();
    REQUIRE(log.size() == 2);
    if (std::string_view(how).find("0.") != std::string_view::npos) {
      CHECK(log[1].find("range=bytes=") != std::string::npos);
      CHECK(log[1].find("if-range=") != std::string::npos);
    }
    remove_file(target());
  }
}

TEST_CASE_METHOD(ServerFixture, "What a killed process left is continued by the next one") {
  const std::string content = noise(100000);
  FetchRequest request = request_for("/a", content);
  server->behave(R"({"/a": [{"cut": 0.5}, {}]})");
  options.max_retries = 0;
  error_of([&] { fetch(request); });
  REQUIRE(exists(target() + ".part"));
  CHECK_FALSE(exists(target()));
  fetch(request);
  CHECK(read_file(target()) == content);
  CHECK(server->requests().back().find("range=bytes=50000-") != std::string::npos);
  CHECK_FALSE(exists(target() + ".part.info"));
}

TEST_CASE_METHOD(ServerFixture, "Resuming survives what servers do to it") {
  const std::string content = noise(100000);
  FetchRequest request = request_for("/a", content);
  SECTION("200 instead of 206") { server->behave(R"({"/a": [{"cut": 0.5}, {"ignore_range": true}]})"); }
  SECTION("206 from another place") {
    server->behave(R"({"/a": [{"cut": 0.5}, {"headers": {"Content-Range": "bytes 7-99999/100000"}}, {}]})");
  }
  SECTION("206 of another size") {
    server->behave(R"({"/a": [{"cut": 0.5}, {"headers": {"Content-Range": "bytes 50000-99998/99999"}}, {}]})");
  }
  SECTION("206 without Content-Range") {
    server->behave(R"({"/a": [{"cut": 0.5}, {"headers": {"Content-Range": null}}, {}]})");
  }
  SECTION("416") { server->behave(R"({"/a": [{"cut": 0.5}, {"status": 416}, {}]})"); }
  SECTION("a first half that was wrong") { server->behave(R"({"/a": [{"cut": 0.5, "flip": 9}, {}, {}]})"); }
  SECTION("a longer part than the file") { write_atomically(target() + ".part", noise(150000, 7)); }
  SECTION("somebody else's part") {
    write_atomically(target() + ".part", noise(5000, 7));
    write_atomically(target() + ".part.info", request.url.str() + "\n\"x\"\n");
  }
  fetch(request);
  CHECK(read_file(target()) == content);
}

TEST_CASE_METHOD(ServerFixture, "Without a digest only a strong ETag allows to resume") {
  const std::string content = noise(100000);
  FetchRequest request = request_for("/a", content);
  request.sha256.reset();
  request.expected_size = 0;
  SECTION("strong") {
    server->behave(R"({"/a": [{"cut": 0.5}, {}]})");
    fetch(request);
    CHECK(server->requests().back().find("range=") != std::string::npos);
  }
  SECTION("changed in between") {
    server->behave(R"({"/a": [{"cut": 0.5, "headers": {"ETag": "\"old\""}, "flip": 3}, {}]})");
    fetch(request);
    CHECK(server->requests().back().find("if-range=\"old\"") != std::string::npos);
  }
  SECTION("weak") {
    server->behave(R"({"/a": [{"cut": 0.5, "flip": 3, "headers": {"ETag": "W/\"x\""}}, {}]})");
    fetch(request);
    CHECK(server->requests().back().find("range=") == std::string::npos);
  }
  CHECK(read_file(target()) == content);
}

TEST_CASE_METHOD(ServerFixture, "Wrong content: once more, then the next mirror") {
  const std::string content = noise(1000);
  FetchRequest request = request_for("/a", content);
  server->put("b", content);
  SECTION("once more") {
    server->behave(R"({"/a": [{"flip": 5}, {}]})");
    fetch(request);
    CHECK(server->count("/a") == 2);
  }
  SECTION("the next mirror") {
    server->behave(R"({"/a": [{"flip": 5}]})");
    request.mirrors = {url("/b")};
    CHECK(fetch(request).final_url == url("/b"));
    CHECK(server->count("/a") == 2);
  }
  SECTION("no mirror left") {
    server->behave(R"({"/a": [{"flip": 5}]})");
    const Error error = error_of([&] { fetch(request); });
    CHECK(error.kind() == ErrorKind::checksum);
    CHECK(error.why().find(request.sha256->hex()) != std::string::npos);
    CHECK_FALSE(exists(target()));
    CHECK_FALSE(exists(target() + ".part"));
    return;
  }
  SECTION("md5 alone") {
    request.sha256.reset();
    request.md5 = md5(content);
    server->behave(R"({"/a": [{"flip": 5}, {}]})");
    fetch(request);
    CHECK(server->count("/a") == 2);
  }
  CHECK(read_file(target()) == content);
}

TEST_CASE_METHOD(ServerFixture, "A dead, a missing and a good mirror") {
  const std::string content = noise(1000);
  FetchRequest request = request_for("/good", content);
  request.mirrors = {url("/missing"), url("/good")};
  request.url = Url::parse("http://127.0.0.1:1/dead");
  options.max_retries = 1;
  fetch(request);
  CHECK(read_file(target()) == content);

  request.mirrors = {url("/missing")};
  const std::string text = error_of([&] { fetch(request); }).what();
  CHECK(text.find("404") != std::string::npos);
  CHECK(text.find("127.0.0.1:1/dead") != std::string::npos);
}

TEST_CASE_METHOD(ServerFixture, "Bodies longer than they may be are stopped") {
  FetchRequest request = request_for("/a", noise(100));
  SECTION("endless, size known") {
    server->behave(R"({"/a": [{"endless": true}]})");
    const Error error = error_of([&] { fetch(request); });
    CHECK(error.kind() == ErrorKind::checksum);
    CHECK(server->count("/a") == 2);
  }
  SECTION("endless, size unknown") {
    server->behave(R"({"/a": [{"endless": true}]})");
    request.expected_size = 0;
    request.size_limit = 1000000;
    CHECK(error_of([&] { fetch(request); }).why().find("limit") != std::string::npos);
  }
  SECTION("Content-Length says more") {
    server->behave(R"({"/a": [{"headers": {"Content-Length": "101"}, "cut": 100, "stall": 30}]})");
    CHECK(error_of([&] { fetch(request); }).kind() == ErrorKind::checksum);
  }
  SECTION("a bomb of a compressed body") {
    server->behave(R"({"/a": [{"body": "0", "repeat": 50000000, "gzip": true}]})");
    request.expected_size = 0;
    request.sha256.reset();
    request.compressed_transfer = true;
    request.size_limit = 1000000;
    CHECK(error_of([&] { fetch(request); }).why().find("limit") != std::string::npos);
  }
  CHECK_FALSE(exists(target()));
}

TEST_CASE_METHOD(ServerFixture, "A nonsense Content-Length is a failed try") {
  FetchRequest request = request_for("/a", noise(100));
  options.low_speed_time = std::chrono::seconds(1);
  server->behave(R"({"/a": [{"headers": {"Content-Length": "-5"}}, {"headers": {"Content-Length": "99999999999999999999"}}, {}]})");
  fetch(request);
  CHECK(exists(target()));
}

TEST_CASE_METHOD(ServerFixture, "A compressed transfer arrives whole") {
  const std::string content(100000, 'x');
  FetchRequest request = request_for("/a", content);
  request.compressed_transfer = true;
  server->behave(R"({"/a": [{"gzip": true}]})");
  fetch(request);
  CHECK(read_file(target()) == content);
  CHECK(server->requests().back().find("accept-encoding=") != std::string::npos);
}

TEST_CASE_METHOD(ServerFixture, "Redirects: ten are followed, eleven are not, loops end") {
  server->put("end", "text");
  std::string behaviours = "{";
  for (int i = 0; i < 12; ++i) {
    behaviours += "\"/r" + std::to_string(i) + R"(": [{"status": 302, "headers": {"Location": ")" +
                  (i == 0 ? "/end" : "/r" + std::to_string(i - 1)) + "\"}}],";
  }
  server->behave(behaviours + R"("/loop": [{"status": 301, "headers": {"Location": "/loop"}}],
      "/file": [{"status": 302, "headers": {"Location": "file:///etc/passwd"}}],
      "/ftp": [{"status": 302, "headers": {"Location": "ftp://127.0.0.1/x"}}]})");
  FetchRequest request;
  request.url = url("/r9");
  const auto result = fetch(request);
  CHECK(result.body == "text");
  CHECK(result.final_url == url("/end"));
  request.url = url("/r10");
  CHECK(error_of([&] { fetch(request); }).why().find("redirects") != std::string::npos);
  request.url = url("/loop");
  CHECK(error_of([&] { fetch(request); }).why().find("redirects") != std::string::npos);
  CHECK(server->count("/loop") == 11);
  for (const char* path : {"/file", "/ftp"}) {
    request.url = url(path);
    CHECK(error_of([&] { fetch(request); }).why().find("refused") != std::string::npos);
  }
}

TEST_CASE_METHOD(ServerFixture, "Credentials go to their own origin only") {
  server->put("end", "text");
  const std::string canary = "c4n4ry";
  server->behave(R"({"/there": [{"status": 302, "headers": {"Location": ")" + server->other_url() + R"(/end"}}],
                     "/same": [{"status": 302, "headers": {"Location": "/end"}}]})");
  FetchRequest request;
  SECTION("from the configuration") {
    const std::string origin = server->url();
    options.authorization = [&](const Url& where) {
      return where.origin() == origin ? Secret("Bearer " + canary) : Secret();
    };
    request.url = url("/there");
    fetch(request);
    request.url = url("/same");
    fetch(request);
  }
  SECTION("from the URL") {
    request.url = url("/there").with_user_info(Secret("user:" + canary));
    fetch(request);
    request.url = url("/same").with_user_info(Secret("user:" + canary));
    fetch(request);
  }
  const auto log = server->requests();
  REQUIRE(log.size() == 4);
  CHECK(log[0].find("authorization=") != std::string::npos);
  CHECK(log[1].find("authorization=") == std::string::npos);
  CHECK(log[2].find("authorization=") != std::string::npos);
  CHECK(log[3].find("authorization=") != std::string::npos);
}

TEST_CASE_METHOD(ServerFixture, "Errors never show credentials") {
  const Url secret = Url::parse("http://user:c4n4ry@127.0.0.1:" + server->port() + "/t/c4n4ry-token/channel/absent");
  FetchRequest request;
  request.url = secret;
  for (const char* status : {"401", "403", "404", "500"}) {
    server->behave(R"({"/t/c4n4ry-token/channel/absent": [{"status": )" + std::string(status) + "}]}");
    options.max_retries = 0;
    const std::string text = error_of([&] { fetch(request); }).what();
    CHECK(text.find("c4n4ry") == std::string::npos);
    CHECK(text.find(status) != std::string::npos);
  }
  CHECK(server->requests().front().find("/t/c4n4ry-token/") != std::string::npos);
}

TEST_CASE_METHOD(ServerFixture, "Offline refuses the network") {
  options.offline = true;
  FetchRequest request;
  request.url = url("/a");
  CHECK(error_of([&] { fetch(request); }).kind() == ErrorKind::offline);
  CHECK(server->requests().empty());
}

TEST_CASE_METHOD(ServerFixture, "A stalled transfer is given up and tried again") {
  const std::string content = noise(100000);
  FetchRequest request = request_for("/a", content);
  options.low_speed_time = std::chrono::seconds(1);
  SECTION("in the body") { server->behave(R"({"/a": [{"cut": 100, "stall": 60}, {}]})"); }
  SECTION("in the header") { server->behave(R"({"/a": [{"header_drip": 0.2}, {}]})"); }
  SECTION("before the answer") { server->behave(R"({"/a": [{"delay": 60}, {}]})"); }
  const auto start = Clock::now();
  fetch(request);
  CHECK(read_file(target()) == content);
  CHECK(Clock::now() - start < std::chrono::seconds(10));
}

TEST_CASE_METHOD(ServerFixture, "The budget ends everything") {
  FetchRequest request = request_for("/a", noise(100000));
  server->behave(R"({"/a": [{"rate": 2000}]})");
  options.total_budget = std::chrono::seconds(1);
  const auto start = Clock::now();
  CHECK(error_of([&] { fetch(request); }).kind() == ErrorKind::network);
  CHECK(Clock::now() - start < std::chrono::seconds(4));
}

TEST_CASE_METHOD(ServerFixture, "A stop request ends transfers and waits within a second") {
  FetchRequest request = request_for("/a", noise(100000));
  SECTION("during a transfer") { server->behave(R"({"/a": [{"cut": 100, "stall": 60}]})"); }
  SECTION("between tries") {
    options.retry_base = options.retry_cap = std::chrono::milliseconds(60000);
    server->behave(R"({"/a": [{"status": 503, "headers": {"Retry-After": "60"}}]})");
  }
  SECTION("while resolving a name") { request.url = Url::parse("http://envtool-test.invalid/a"); options.max_retries = 100; }
  std::stop_source source;
  Clock::time_point stopped;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    stopped = Clock::now();
    source.request_stop();
  });
  Fetcher fetcher(options);
  const Error error = error_of([&] { fetcher.fetch(request, source.get_token()); });
  const auto ended = Clock::now();
  stopper.join();
  CHECK(error.kind() == ErrorKind::interrupted);
  CHECK(ended - stopped < std::chrono::seconds(1));
}

namespace {

struct CountingReporter : DownloadReporter {
  std::vector<int> started, finished;
  std::vector<std::uint64_t> progress;
  int retries = 0;
  explicit CountingReporter(std::size_t count) : started(count), finished(count), progress(count) {}
  void on_start(std::size_t index, const FetchRequest&) override { ++started[index]; }
  void on_finish(std::size_t index) override { ++finished[index]; }
  void on_progress(std::size_t index, std::uint64_t now, std::uint64_t) override { progress[index] = now; }
  void on_retry(std::size_t, const std::string&, std::chrono::milliseconds) override { ++retries; }
};

}  // namespace

TEST_CASE_METHOD(ServerFixture, "Many at once, each told about once") {
  std::vector<FetchRequest> requests;
  std::string behaviours = "{";
  for (unsigned i = 0; i < 40; ++i) {
    const std::string name = "/f" + std::to_string(i);
    requests.push_back(request_for(name, noise(1000 + i * 100, i)));
    requests.back().target_path = target(name.substr(1));
    if (i % 5 == 0) behaviours += "\"" + name + R"(": [{"status": 503}, {"cut": 0.5}, {}],)";
  }
  server->behave(behaviours + R"("/": []})");
  CountingReporter reporter(requests.size());
  std::vector<int> results(requests.size());
  Fetcher fetcher(options);
  fetcher.fetch_all(requests, [&](std::size_t index, FetchResult) { ++results[index]; }, &reporter);
  for (unsigned i = 0; i < 40; ++i) {
    CHECK(results[i] == 1);
    CHECK(reporter.started[i] == 1);
    CHECK(reporter.finished[i] == 1);
    CHECK(reporter.progress[i] == requests[i].expected_size);
    CHECK(read_file(requests[i].target_path) == noise(1000 + i * 100, i));
  }
  CHECK(reporter.retries == 16);
}

TEST_CASE_METHOD(ServerFixture, "The first failure for good ends the rest") {
  std::vector<FetchRequest> requests;
  for (unsigned i = 0; i < 4; ++i) {
    requests.push_back(request_for("/f" + std::to_string(i), noise(100000, i)));
    requests.back().target_path = target(std::to_string(i));
  }
  server->behave(R"({"/f0": [{"cut": 10, "stall": 60}], "/f1": [{"cut": 10, "stall": 60}], "/f2": [{"status": 404}]})");
  const auto start = Clock::now();
  Fetcher fetcher(options);
  const Error error = error_of([&] { fetcher.fetch_all(requests, [](std::size_t, FetchResult) {}); });
  CHECK(error.why().find("404") != std::string::npos);
  CHECK(Clock::now() - start < std::chrono::seconds(5));
}

TEST_CASE_METHOD(ServerFixture, "Answers may lead to further requests, and failures need not end them") {
  for (unsigned i = 0; i < 60; ++i) request_for("/f" + std::to_string(i), "body " + std::to_string(i));
  server->behave(R"({"/f7": [{"status": 404}], "/f9": [{"status": 503}, {}]})");
  std::deque<FetchRequest> requests;
  const auto add = [&](unsigned i) {
    requests.push_back(request_for("/f" + std::to_string(i), "body " + std::to_string(i)));
    requests.back().target_path.clear();
  };
  add(0);
  std::vector<std::string> bodies(60);
  std::vector<std::size_t> failed;
  Fetcher fetcher(options);
  fetcher.fetch_growing(
      requests,
      [&](std::size_t index, FetchResult result) {
        bodies[index] = result.body;
        for (std::size_t next = 3 * index + 1; next <= 3 * index + 3 && next < 60; ++next) {
          while (requests.size() <= next) add(static_cast<unsigned>(requests.size()));
        }
      },
      [&](std::size_t index, const Error& error) {
        CHECK(error.why().find("404") != std::string::npos);
        failed.push_back(index);
      });
  CHECK(failed == std::vector<std::size_t>{7});
  for (unsigned i = 0; i < 60; ++i) CHECK(bodies[i] == (i == 7 ? "" : "body " + std::to_string(i)));

  // What the callbacks throw ends everything and comes out as it is.
  const auto nothing = [](std::size_t, FetchResult) {};
  // (the failure may come first, so somebody has to take it)
  CHECK_THROWS_AS(fetcher.fetch_growing(requests, [](std::size_t, FetchResult) { throw 5; }, [](std::size_t, const Error&) {}), int);
  CHECK_THROWS_AS(fetcher.fetch_growing(requests, nothing, [](std::size_t, const Error&) { throw 'x'; }), char);
  CHECK(error_of([&] { fetcher.fetch_growing(requests, nothing); }).why().find("404") != std::string::npos);
}

TEST_CASE_METHOD(ServerFixture, "Two downloads of one target do not mix their bytes") {
  const std::string content = noise(400000);
  const FetchRequest request = request_for("/a", content);
  server->behave(R"({"/a": [{"rate": 800000}]})");
  std::vector<std::jthread> threads;
  std::vector<int> good(4);
  for (std::size_t i = 0; i < good.size(); ++i) {
    threads.emplace_back([&, i] {
      Fetcher(options).fetch(request);
      good[i] = 1;
    });
  }
  threads.clear();
  CHECK(good == std::vector<int>(4, 1));
  CHECK(read_file(target()) == content);
  CHECK(server->count("/a") == 4);
  for (const auto& name : list_directory(folder.path())) CHECK(name.find(".part") == std::string::npos);
}

TEST_CASE_METHOD(ServerFixture, "A target that cannot be written is an error of its own") {
  FetchRequest request = request_for("/a", "text");
  write_atomically(target("file"), "");
  request.target_path = target("file") + "/below";
  error_of([&] { fetch(request); });
  request.target_path = target("folder");
  make_directories(target("folder") + "/inside");
  error_of([&] { fetch(request); });
}

TEST_CASE_METHOD(ServerFixture, "A proxy from the settings is used, and no_proxy spares it") {
  server->put("a", "through the proxy");
  FetchRequest request;
  request.url = Url::parse("http://channel.example/a");
  options.http_proxy = server->url();
  CHECK(fetch(request).body == "through the proxy");
  CHECK(server->requests().back().find("http://channel.example/a") != std::string::npos);

  server->behave(R"({"/a": [{"status": 407}]})");
  CHECK(error_of([&] { fetch(request); }).why().find("407") != std::string::npos);

  options.no_proxy = "channel.example";
  options.max_retries = 0;
  CHECK(error_of([&] { fetch(request); }).why().find("407") == std::string::npos);
}

TEST_CASE_METHOD(ServerFixture, "A web page in place of a package is called one") {
  FetchRequest request = request_for("/a.conda", noise(64));
  server->behave(R"({"/a.conda": [{"body": "<!DOCTYPE html><html><body>Please log in to the network</body></html>",
                     "headers": {"Content-Type": "text/html"}}]})");
  request.expected_size = 0;
  const std::string text = error_of([&] { fetch(request); }).what();
  CHECK(text.find("login page") != std::string::npos);
}
