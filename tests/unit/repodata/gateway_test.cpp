#include <sys/stat.h>
#include <utime.h>

#include <thread>

#include "channel_fixture.hpp"

using namespace envtool;
using namespace envtool::test;
using Names = std::vector<std::string>;

namespace {

// Makes a file as old as one that was written long ago.
void age(const std::string& path, long seconds = 1000) {
  struct utimbuf times{};
  times.actime = times.modtime = std::time(nullptr) - seconds;
  REQUIRE(utime(path.c_str(), &times) == 0);
}

std::string file_in_cache(const ChannelFixture& fixture, const std::string& suffix) {
  for (const auto& name : list_directory(fixture.options.cache_directory)) {
    if (name.ends_with(suffix)) return fixture.options.cache_directory + "/" + name;
  }
  return {};
}

}  // namespace

TEST_CASE_METHOD(ChannelFixture, "Records by name, channel, and subdir") {
  put("one/linux-64/repodata.json", index_of(record("a", "1") + "," + record("a", "2")));
  put("one/noarch/repodata.json.zst", compress(index_of(record("a", "3"))));
  put("two/noarch/repodata.json", index_of(record("a", "4") + "," + record("b", "1")));
  const auto found = records({local("one"), local("two")}, {"a", "absent", "a"});
  REQUIRE(keys(found) == Names{"a"});
  const auto& lists = found.at("a");
  REQUIRE(lists.size() == 3);
  CHECK(lists[0].channel == 0);
  CHECK(lists[0].subdir == "linux-64");
  CHECK(lists[0].records.size() == 2);
  CHECK(lists[1].subdir == "noarch");
  CHECK(lists[1].records.front().subdir == "noarch");
  CHECK(lists[1].records.front().url == local("one").base_url.str() + "/noarch/a-3-h0_0.conda");
  CHECK(lists[2].channel == 1);
  CHECK(lists[2].records.front().channel == local("two").base_url.str());
  CHECK(names({local("one"), local("two")}) == Names{"a", "b"});
}

TEST_CASE_METHOD(ChannelFixture, "The reachable names, and no others") {
  put("one/linux-64/repodata.json", index_of(record("a", "1", R"("b >=1", "__unix")") + "," + record("b", "1", R"("c")") + "," +
      record("c", "1", R"("a")", R"(, "extra_depends": {"x": ["e"]})") + "," + record("d", "1", R"("a")") + "," + record("e", "1")));
  put("one/noarch/repodata.json", index_of(record("b", "2", R"("two::f 1.*", "gone")")));
  put("two/noarch/repodata.json", index_of(record("f", "1")));
  CHECK(keys(reachable({local("one"), local("two")}, {"a"})) == Names{"a", "b", "c", "e", "f"});
  CHECK(keys(reachable({local("one"), local("two")}, {"e", "nowhere"})) == Names{"e"});
  CHECK(reachable({local("one")}, {}).empty());

  Fetcher fetcher(fetch_options);
  RepoDataGateway gateway({local("one"), local("two")}, subdirs, options, fetcher);
  const auto filtered = gateway.load_reachable({"a"}, [](const RepoDataRecord& r) { return r.name != "b" || r.version == "2"; });
  CHECK(keys(filtered) == Names{"a", "b", "f"});
}

TEST_CASE_METHOD(ChannelFixture, "A channel on disk is never stale") {
  const std::string path = root() + "/one/noarch/repodata.json";
  put("one/noarch/repodata.json", index_of(record("a", "1")));
  age(path);
  CHECK(names({local("one")}) == Names{"a"});
  const std::string index = file_in_cache(*this, ".idx");
  struct stat first{}, second{};
  REQUIRE(stat(index.c_str(), &first) == 0);
  CHECK(names({local("one")}) == Names{"a"});
  REQUIRE(stat(index.c_str(), &second) == 0);
  CHECK(first.st_ino == second.st_ino);  // not made twice

  SECTION("changed") { put("one/noarch/repodata.json", index_of(record("b", "1"))); }
  SECTION("changed in place, same size, at once") {
    const FileDescriptor file(open(path.c_str(), O_WRONLY | O_TRUNC));
    const std::string text = index_of(record("b", "1"));
    REQUIRE(write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  SECTION("a compressed one beside it, newer") { put("one/noarch/repodata.json.zst", compress(index_of(record("b", "1")))); }
  SECTION("a compressed one beside it, older") {
    put("one/noarch/repodata.json.zst", compress(index_of(record("old", "1"))));
    age(root() + "/one/noarch/repodata.json.zst", 5000);
    put("one/noarch/repodata.json", index_of(record("b", "1")));
  }
  CHECK(names({local("one")}) == Names{"b"});
}

TEST_CASE_METHOD(ChannelFixture, "Written twice within a clock tick, a channel on disk is read twice") {
  for (const char* version : {"1", "2", "3", "4", "5"}) {
    const FileDescriptor file(open((root() + "/x").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600));
    put("one/noarch/repodata.json", index_of(record("a", version)));
    CHECK(records({local("one")}, {"a"}).at("a").front().records.front().version == version);
  }
}

TEST_CASE_METHOD(ChannelFixture, "A folder that is no channel is named") {
  make_directories(root() + "/empty/linux-64");
  const Error error = error_of([&] { names({local("empty")}); });
  CHECK(error.kind() == ErrorKind::channel_not_found);
  CHECK(error.where() == local("empty").base_url.str());
  CHECK(error.why().find("linux-64, noarch") != std::string::npos);
  CHECK(error_of([&] { names({local("nowhere")}); }).kind() == ErrorKind::channel_not_found);
}

TEST_CASE_METHOD(ChannelFixture, "One subdir is enough for a channel") {
  put("one/linux-64/repodata.json", index_of(record("a", "1")));
  CHECK(names({local("one")}) == Names{"a"});
  put("two/noarch/repodata.json", "");
  CHECK(names({local("two")}).empty());
}

TEST_CASE_METHOD(ChannelFixture, "Damaged caches are made anew, whatever the damage") {
  put("one/noarch/repodata.json", index_of(record("a", "1", R"("b")") + "," + record("b", "1")));
  age(root() + "/one/noarch/repodata.json");
  CHECK(keys(reachable({local("one")}, {"a"})) == Names{"a", "b"});
  const std::string index = file_in_cache(*this, ".idx");
  const std::string good = read_file(index);
  for (std::size_t i = 0; i < good.size(); i += 5) {
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 0x10);
    write_atomically(index, changed);
    CHECK(keys(reachable({local("one")}, {"a"})) == Names{"a", "b"});
  }
  for (std::size_t size = 0; size < good.size(); size += 17) {
    write_atomically(index, good.substr(0, size));
    CHECK(keys(reachable({local("one")}, {"a"})) == Names{"a", "b"});
  }
  CHECK(list_directory(options.cache_directory).size() == 2);  // the index and its lock
}

TEST_CASE_METHOD(ServedChannelFixture, "repodata.json.zst first, then repodata.json, and what was found is remembered") {
  put("one/linux-64/repodata.json", index_of(record("a", "1")));
  put("one/noarch/repodata.json.zst", compress(index_of(record("b", "1"))));
  CHECK(names({served("one")}) == Names{"a", "b"});
  CHECK(server->count("/one/linux-64/repodata.json.zst") == 1);
  CHECK(server->count("/one/linux-64/repodata.json") == 1);
  CHECK(server->count("/one/noarch/repodata.json.zst") == 1);
  CHECK(server->count("/one/noarch/repodata.json") == 0);
  CHECK(names({served("one")}) == Names{"a", "b"});
  CHECK(server->count("/one/linux-64/repodata.json.zst") == 1);  // known to be missing
  CHECK(server->count("/one/linux-64/repodata.json") == 2);
  CHECK(server->requests().back().find("if-none-match=") != std::string::npos);
}

TEST_CASE_METHOD(ServedChannelFixture, "Something else in place of repodata.json.zst sends us to repodata.json") {
  put("one/noarch/repodata.json", index_of(record("a", "1")));
  SECTION("a page") { server->behave(R"({"/one/noarch/repodata.json.zst": [{"body": "<html>app</html>"}]})"); }
  SECTION("a server error") { server->behave(R"({"/one/noarch/repodata.json.zst": [{"status": 500}]})"); }
  SECTION("forbidden") { server->behave(R"({"/one/noarch/repodata.json.zst": [{"status": 403}]})"); }
  CHECK(names({served("one")}) == Names{"a"});
}

TEST_CASE_METHOD(ServedChannelFixture, "A fresh copy asks nobody, an old one asks once") {
  options.use_shards = false;
  subdirs = {"noarch"};
  put("one/noarch/repodata.json.zst", compress(index_of(record("a", "1"))));
  server->behave(R"({"/one/noarch/repodata.json.zst": [{"headers": {"Cache-Control": "max-age=600"}}]})");
  names({served("one")});
  SECTION("as the server says") {
    names({served("one")});
    CHECK(server->requests().size() == 1);
  }
  SECTION("as the options say") {
    options.time_to_live = std::chrono::seconds(0);
    names({served("one")});
    CHECK(server->requests().size() == 2);
    options.time_to_live = std::chrono::hours(1);
    names({served("one")});
    CHECK(server->requests().size() == 2);
  }
  SECTION("refreshed on demand") {
    options.cache_use = RepoDataCacheUse::refresh;
    put("one/noarch/repodata.json.zst", compress(index_of(record("b", "1"))));
    CHECK(names({served("one")}) == Names{"b"});
  }
  SECTION("any copy will do") {
    options.time_to_live = std::chrono::seconds(0);
    options.cache_use = RepoDataCacheUse::prefer_cached;
    names({served("one")});
    CHECK(server->requests().size() == 1);
  }
}

TEST_CASE_METHOD(ServedChannelFixture, "304 keeps the copy; a changed document replaces it") {
  subdirs = {"noarch"};
  put("one/noarch/repodata.json.zst", compress(index_of(record("a", "1"))));
  names({served("one")});
  const std::string index = file_in_cache(*this, ".idx");
  struct stat first{}, second{};
  REQUIRE(stat(index.c_str(), &first) == 0);
  CHECK(names({served("one")}) == Names{"a"});
  REQUIRE(stat(index.c_str(), &second) == 0);
  CHECK(first.st_ino == second.st_ino);
  CHECK(server->requests().back().find("if-none-match=") != std::string::npos);
  put("one/noarch/repodata.json.zst", compress(index_of(record("b", "1"))));
  CHECK(names({served("one")}) == Names{"b"});
}

TEST_CASE_METHOD(ServedChannelFixture, "Changes of form are followed") {
  subdirs = {"noarch"};
  put("one/noarch/repodata.json.zst", compress(index_of(record("a", "1"))));
  CHECK(names({served("one")}) == Names{"a"});
  remove_file(root() + "/one/noarch/repodata.json.zst");
  put("one/noarch/repodata.json", index_of(record("b", "1")));
  CHECK(names({served("one")}) == Names{"b"});
  CHECK(file_in_cache(*this, ".json.zst").empty());
  remove_file(root() + "/one/noarch/repodata.json");
  CHECK(error_of([&] { names({served("one")}); }).kind() == ErrorKind::channel_not_found);
}

TEST_CASE_METHOD(ServedChannelFixture, "Offline: the copy, or a clear error") {
  subdirs = {"noarch"};
  fetch_options.offline = true;
  options.cache_use = RepoDataCacheUse::only_cached;
  put("one/noarch/repodata.json.zst", compress(index_of(record("a", "1"))));
  const Error error = error_of([&] { names({served("one")}); });
  CHECK(error.kind() == ErrorKind::offline);
  CHECK(error.where() == server->url() + "/one/noarch");
  CHECK(server->requests().empty());
  fetch_options.offline = false;
  options.cache_use = RepoDataCacheUse::by_age;
  names({served("one")});
  server.reset();
  fetch_options.offline = true;
  options.cache_use = RepoDataCacheUse::only_cached;
  CHECK(names({{"one", Url::parse(error.where()).parent()}}) == Names{"a"});
}

TEST_CASE_METHOD(ServedChannelFixture, "Bad content never replaces the copy, which serves where allowed") {
  subdirs = {"noarch"};
  put("one/noarch/repodata.json.zst", compress(index_of(record("a", "1"))));
  REQUIRE(names({served("one")}) == Names{"a"});
  const std::string page = R"({"body": "<!DOCTYPE html><html>please log in</html>", "headers": {"Content-Type": "text/html"}})";
  const std::string document = "/one/noarch/repodata.json";
  const auto behave = [&](const std::string& action) {
    server->behave("{\"" + document + ".zst\": [" + action + "], \"" + document + "\": [" + action + "]}");
  };
  const std::string packed_garbage = compress("<html>");
  put("garbage.zst", packed_garbage);
  SECTION("a page") { behave(page); }
  SECTION("cut JSON") { behave(R"({"body": "{\"packages\": {\"a"})"); }
  SECTION("a server error") { behave(R"({"status": 500})"); }
  SECTION("a refusal") { behave(R"({"status": 401})"); }
  SECTION("compressed nonsense") { write_atomically(root() + document + ".zst", packed_garbage); }
  SECTION("cut compression") {
    write_atomically(root() + document + ".zst", compress(index_of(record("b", "1"))).substr(0, 60));
  }
  SECTION("a bomb") {
    options.decoded_size_limit = 1000000;
    write_atomically(root() + document + ".zst", compress(std::string(20000000, ' ')));
  }
  const std::string before = read_file(file_in_cache(*this, ".info.json"));
  const std::string copy_before = read_file(file_in_cache(*this, ".json.zst"));
  const Error error = error_of([&] { names({served("one")}); });
  CHECK(error.where().find(server->url() + "/one/noarch/repodata.json") != std::string::npos);
  options.stale_on_error = true;
  CHECK(names({served("one")}) == Names{"a"});
  REQUIRE(reporter.warnings.size() == 1);
  CHECK(reporter.warnings.front().find(server->url() + "/one/noarch") != std::string::npos);
  CHECK(read_file(file_in_cache(*this, ".info.json")) == before);
  CHECK(read_file(file_in_cache(*this, ".json.zst")) == copy_before);

  // And when the server is well again, all is well.
  server->behave("{}");
  options.stale_on_error = false;
  write_atomically(root() + document + ".zst", compress(index_of(record("c", "1"))));
  CHECK(names({served("one")}) == Names{"c"});
}

TEST_CASE_METHOD(ServedChannelFixture, "A bomb in the server's own compression stops at the limit") {
  subdirs = {"noarch"};
  options.decoded_size_limit = 1000000;
  server->behave(R"({"/one/noarch/repodata.json": [{"gzip": true, "body": "                                ", "repeat": 1000000}]})");
  const Error error = error_of([&] { names({served("one")}); });
  CHECK(error.where() == server->url() + "/one/noarch/repodata.json");
  CHECK(error.what() != std::string());
  std::uint64_t left = 0;
  for (const auto& name : list_tree(options.cache_directory)) left += read_file(options.cache_directory + "/" + name).size();
  CHECK(left < 1000000);
}

TEST_CASE_METHOD(ServedChannelFixture, "A page for the index is called one") {
  server->behave(R"({"/one/noarch/repodata.json": [{"body": "<html>login</html>"}], "/one/noarch/repodata.json.zst": [{"body": "<html>login</html>"}]})");
  const std::string text = error_of([&] { names({served("one")}); }).what();
  CHECK(text.find("login page") != std::string::npos);
}

TEST_CASE_METHOD(ServedChannelFixture, "A copy that went bad on disk is fetched anew, also when the server says 304") {
  subdirs = {"noarch"};
  put("one/noarch/repodata.json.zst", compress(index_of(record("a", "1"))));
  names({served("one")});
  const std::string document = file_in_cache(*this, ".json.zst"), state = file_in_cache(*this, ".info.json");
  const auto spoil = [](const std::string& path) {
    std::string content = read_file(path);
    content[content.size() / 2] = static_cast<char>(content[content.size() / 2] ^ 1);
    write_atomically(path, content);
  };
  SECTION("the index") { spoil(file_in_cache(*this, ".idx")); }
  SECTION("index and document") { spoil(file_in_cache(*this, ".idx")); spoil(document); }
  SECTION("document only") { spoil(document); }
  SECTION("state") { write_atomically(state, "{"); }
  SECTION("no index") { remove_file(file_in_cache(*this, ".idx")); }
  SECTION("no document") { remove_file(document); }
  SECTION("neither") { remove_file(document); remove_file(file_in_cache(*this, ".idx")); }
  SECTION("an index of another document") {
    const std::string index = file_in_cache(*this, ".idx"), content = read_file(index);
    put("one/noarch/repodata.json.zst", compress(index_of(record("b", "1"))));
    names({served("one")});
    write_atomically(index, content);
    put("one/noarch/repodata.json.zst", compress(index_of(record("a", "1"))));
  }
  CHECK(names({served("one")}) == Names{"a"});
  CHECK(names({served("one")}) == Names{"a"});
}

TEST_CASE_METHOD(ServedChannelFixture, "Many at once fetch once") {
  options.use_shards = false;
  subdirs = {"noarch"};
  put("one/noarch/repodata.json.zst", compress(index_of(record("a", "1"))));
  server->behave(R"({"/one/noarch/repodata.json.zst": [{"headers": {"Cache-Control": "max-age=60"}, "delay": 0.3}]})");
  std::vector<Names> found(8);
  std::vector<std::jthread> threads;
  for (auto& list : found) {
    threads.emplace_back([&] {
      Fetcher fetcher(fetch_options);
      list = RepoDataGateway({served("one")}, subdirs, options, fetcher).all_names();
    });
  }
  threads.clear();
  for (const auto& list : found) CHECK(list == Names{"a"});
  CHECK(server->requests().size() == 1);
}

TEST_CASE_METHOD(ServedChannelFixture, "base_url says where packages are (CEP 15)") {
  subdirs = {"noarch"};
  const auto url_with = [&](const std::string& base_url) {
    put("one/noarch/repodata.json.zst", compress(R"({"info": {"base_url": ")" + base_url + R"("}, "packages.conda": {)" + record("a", "1") + "}}"));
    return records({served("one")}, {"a"}).at("a").front().records.front().url;
  };
  const std::string file = "a-1-h0_0.conda";
  CHECK(url_with("https://files.example/pkgs") == "https://files.example/pkgs/" + file);
  CHECK(url_with("https://files.example/pkgs/") == "https://files.example/pkgs/" + file);
  CHECK(url_with("../../files/") == server->url() + "/files/" + file);
  CHECK(url_with("sub/") == server->url() + "/one/noarch/sub/" + file);
  CHECK(url_with("/pool") == server->url() + "/pool/" + file);
  for (const char* bad : {"file:///etc/", "ftp://x/", "https://x/?q=", "javascript:alert(1)"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(url_with(bad), Error);
  }
}

TEST_CASE_METHOD(ServedChannelFixture, "Bad records give one warning for a subdir, when they are read") {
  subdirs = {"noarch"};
  put("one/noarch/repodata.json.zst", compress(index_of(record("a", "1") + "," + record("BAD", "1") + "," + record("WORSE", "1"))));
  CHECK(names({served("one")}) == Names{"a"});
  REQUIRE(reporter.warnings.size() == 1);
  CHECK(reporter.warnings.front().find("left out 2 of 3 records") != std::string::npos);
  CHECK(reporter.warnings.front().find("BAD-1-h0_0.conda") != std::string::npos);
  names({served("one")});
  CHECK(reporter.warnings.size() == 1);
}

TEST_CASE_METHOD(ServedChannelFixture, "Tokens reach the server and nothing else") {
  subdirs = {"noarch"};
  put("t/c4n4ry/one/noarch/repodata.json.zst", compress(index_of(record("a", "1"))));
  const Channel channel{"one", Url::parse("http://user:s3cr3t@127.0.0.1:" + server->port() + "/t/c4n4ry/one")};
  const auto found = records({channel}, {"a"});
  CHECK(found.at("a").front().records.front().url == server->url() + "/one/noarch/a-1-h0_0.conda");
  CHECK(server->requests().front().find("/t/c4n4ry/one/noarch") != std::string::npos);
  for (const auto& name : list_tree(options.cache_directory)) {
    const std::string content = name + read_file(options.cache_directory + "/" + name);
    CHECK(content.find("c4n4ry") == std::string::npos);
    CHECK(content.find("s3cr3t") == std::string::npos);
  }
}

TEST_CASE_METHOD(ServedChannelFixture, "A stop request ends the fetching") {
  subdirs = {"noarch"};
  put("one/noarch/repodata.json.zst", compress(index_of(record("a", "1"))));
  server->behave(R"({"/one/noarch/repodata.json.zst": [{"cut": 10, "stall": 60}]})");
  std::stop_source source;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(300));
    source.request_stop();
  });
  Fetcher fetcher(fetch_options);
  RepoDataGateway gateway({served("one")}, subdirs, options, fetcher);
  const auto start = std::chrono::steady_clock::now();
  CHECK(error_of([&] { gateway.prepare(source.get_token()); }).kind() == ErrorKind::interrupted);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}
