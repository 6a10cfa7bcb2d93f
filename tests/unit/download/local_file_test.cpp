#include <sys/stat.h>

#include "test_server.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

struct LocalFixture {
  TemporaryDirectory folder{"/tmp", "envtool-download-"};
  FetchRequest request;

  LocalFixture() {
    write_atomically(folder.path() + "/a file.txt", "content");
    request.url = Url::from_path(folder.path() + "/a file.txt");
  }
  static FetchOptions offline() {
    FetchOptions options;
    options.offline = true;
    return options;
  }
};

}  // namespace

TEST_CASE_METHOD(LocalFixture, "file:// needs no network") {
  Fetcher fetcher(offline());
  const auto result = fetcher.fetch(request);
  CHECK(result.body == "content");
  CHECK(result.bytes == 7);

  request.target_path = folder.path() + "/new/folder/copy";
  request.sha256 = sha256("content");
  fetcher.fetch(request);
  CHECK(read_file(request.target_path) == "content");
  CHECK(list_directory(folder.path() + "/new/folder") == std::vector<std::string>{"copy"});
}

TEST_CASE_METHOD(LocalFixture, "file:// knows whether the file changed") {
  Fetcher fetcher(offline());
  request.if_none_match = fetcher.fetch(request).etag;
  REQUIRE_FALSE(request.if_none_match.empty());
  CHECK(fetcher.fetch(request).outcome == FetchResult::Outcome::not_modified);
  write_atomically(folder.path() + "/a file.txt", "changed");
  CHECK(fetcher.fetch(request).body == "changed");
}

TEST_CASE_METHOD(LocalFixture, "file:// checks what it copies and leaves nothing behind") {
  Fetcher fetcher(offline());
  request.target_path = folder.path() + "/copy";
  SECTION("digest") { request.sha256 = sha256("other"); }
  SECTION("md5") { request.md5 = md5("other"); }
  SECTION("longer than expected") { request.expected_size = 3; }
  const Error error = error_of([&] { fetcher.fetch(request); });
  CHECK(error.kind() == ErrorKind::checksum);
  CHECK(list_directory(folder.path()) == std::vector<std::string>{"a file.txt"});
}

TEST_CASE_METHOD(LocalFixture, "file:// of nothing is missing or an error, a FIFO does not block") {
  Fetcher fetcher(offline());
  request.url = Url::from_path(folder.path() + "/absent");
  CHECK(error_of([&] { fetcher.fetch(request); }).where() == folder.path() + "/absent");
  request.missing_is_ok = true;
  CHECK(fetcher.fetch(request).outcome == FetchResult::Outcome::missing);

  REQUIRE(mkfifo((folder.path() + "/fifo").c_str(), 0600) == 0);
  request.url = Url::from_path(folder.path() + "/fifo");
  CHECK(error_of([&] { fetcher.fetch(request); }).why().find("regular") != std::string::npos);
}

TEST_CASE_METHOD(LocalFixture, "A mirror on disk stands in for a missing file") {
  request.mirrors = {request.url};
  request.url = Url::from_path(folder.path() + "/absent");
  CHECK(Fetcher(offline()).fetch(request).body == "content");
}
