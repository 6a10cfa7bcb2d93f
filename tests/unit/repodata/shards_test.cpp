#include <cstdlib>
#include <random>
#include <thread>

#include "shard_fixture.hpp"

using namespace envtool;
using namespace envtool::test;
using Names = std::vector<std::string>;

namespace {

const std::string index_path = "/repodata_shards.msgpack.zst";

struct Fixture : ShardedChannelFixture {
  Fixture() { subdirs = {"noarch"}; }
  // a -> b -> c, and d that nobody wants.
  void put_chain() const {
    put_shards("one/noarch", {{"a", shard_of("a", "1", {"b >=1", "__unix"})}, {"b", shard_of("b", "1", {"c"})}, {"c", shard_of("c", "1")},
                              {"d", shard_of("d", "1")}});
  }
  void put_whole(const std::string& version = "9") const {
    put("one/noarch/repodata.json.zst", compress(index_of(record("a", version, R"("b")") + "," + record("b", version))));
  }
  std::string version_of(const std::string& name) {
    return records({served("one")}, {name}).at(name).front().records.front().version;
  }
  std::string store_file() const {
    for (const auto& name : list_tree(options.cache_directory + "/shards")) {
      if (name.ends_with(".rec")) return options.cache_directory + "/shards/" + name;
    }
    return {};
  }
};

}  // namespace

TEST_CASE_METHOD(Fixture, "Shards: only what is reachable is fetched, and only once") {
  put_chain();
  CHECK(keys(reachable({served("one")}, {"a"})) == Names{"a", "b", "c"});
  CHECK(shard_requests() == 3);
  CHECK(count_requests("repodata.json") == 0);
  CHECK(keys(reachable({served("one")}, {"a", "nowhere"})) == Names{"a", "b", "c"});
  CHECK(shard_requests() == 3);
  CHECK(server->requests().back().find("if-none-match=") != std::string::npos);
  CHECK(names({served("one")}) == Names{"a", "b", "c", "d"});
  CHECK(shard_requests() == 3);

  // What changes is fetched, and nothing else.
  put_shards("one/noarch", {{"a", shard_of("a", "1", {"b >=1", "__unix"})}, {"b", shard_of("b", "2", {"d"})}, {"d", shard_of("d", "1")}});
  CHECK(keys(reachable({served("one")}, {"a"})) == Names{"a", "b", "d"});
  CHECK(shard_requests() == 5);
  const auto found = records({served("one")}, {"b"});
  CHECK(found.at("b").front().records.front().url == server->url() + "/one/noarch/b-2-h0_0.conda");
  CHECK(found.at("b").front().records.front().sha256 == sha256("b2"));
  CHECK(reporter.warnings.empty());
}

TEST_CASE_METHOD(Fixture, "Shards and whole indices of several channels are one") {
  subdirs = {"linux-64", "noarch"};
  put_shards("one/linux-64", {{"a", shard_of("a", "1", {"b"})}});
  put("one/noarch/repodata.json.zst", compress(index_of(record("b", "1", R"("c")") + "," + record("a", "2"))));
  put_shards("two/noarch", {{"c", shard_of("c", "1", {"e"})}, {"a", shard_of("a", "3")}});
  put("three/noarch/repodata.json", index_of(record("e", "1")));
  Fetcher fetcher(fetch_options);
  RepoDataGateway gateway({served("one"), served("two"), local("three")}, subdirs, options, fetcher, &reporter);
  const auto found = gateway.load_reachable({"a"});
  CHECK(keys(found) == Names{"a", "b", "c", "e"});
  REQUIRE(found.at("a").size() == 3);
  CHECK(found.at("a")[0].channel == 0);
  CHECK(found.at("a")[0].subdir == "linux-64");
  CHECK(found.at("a")[1].subdir == "noarch");
  CHECK(found.at("a")[2].channel == 1);
  CHECK(found.at("e")[0].channel == 2);
  const auto filtered = gateway.load_reachable({"a"}, [](const RepoDataRecord& r) { return r.name != "b"; });
  CHECK(keys(filtered) == Names{"a"});
}

TEST_CASE_METHOD(Fixture, "Shards: the settings can switch them off, and what the options say of age holds") {
  put_chain();
  put_whole();
  SECTION("off") {
    options.use_shards = false;
    CHECK(version_of("a") == "9");
    CHECK(count_requests("shards") == 0);
  }
  SECTION("by the server's max-age") {
    server->behave(R"({"/one/noarch)" + index_path + R"(": [{"headers": {"Cache-Control": "max-age=600"}}]})");
    CHECK(version_of("a") == "1");
    CHECK(version_of("a") == "1");
    CHECK(server->requests().size() == 2);
    options.cache_use = RepoDataCacheUse::refresh;
    CHECK(version_of("a") == "1");
    CHECK(server->requests().size() == 3);
  }
  SECTION("a good whole copy needs no shards") {
    options.use_shards = false;
    CHECK(version_of("a") == "9");
    options.use_shards = true;
    options.time_to_live = std::chrono::hours(1);
    CHECK(version_of("a") == "9");
    CHECK(count_requests("shards") == 0);
    options.time_to_live.reset();
    CHECK(version_of("a") == "1");
  }
}

TEST_CASE_METHOD(Fixture, "What a server does not have is not asked for again") {
  subdirs = {"linux-64", "noarch"};
  put("one/noarch/repodata.json", index_of(record("a", "1")));
  CHECK(version_of("a") == "1");
  CHECK(count_requests("GET") == 6);
  CHECK(version_of("a") == "1");
  CHECK(count_requests("GET") == 7);  // the one that is there
  CHECK(count_requests("shards") == 2);
  CHECK(count_requests(".json.zst") == 2);
  CHECK(server->count("/one/linux-64/repodata.json") == 1);
  SECTION("but on demand") {
    options.cache_use = RepoDataCacheUse::refresh;
    put_shards("one/linux-64", {{"a", shard_of("a", "2")}});
    CHECK(version_of("a") == "2");
  }
  SECTION("nor offline") {
    server.reset();
    options.cache_use = RepoDataCacheUse::only_cached;
    fetch_options.offline = true;
    Fetcher fetcher(fetch_options);
    const auto url = read_file(options.cache_directory + "/" + [&] {
      for (const auto& name : list_directory(options.cache_directory)) if (name.ends_with(".info.json")) return name;
      return std::string();
    }());
    const auto begin = url.find("http://"), end = url.find("/one/");
    const Channel channel{"one", Url::parse(url.substr(begin, end - begin) + "/one")};
    CHECK(keys(RepoDataGateway({channel}, subdirs, options, fetcher).records_for(Names{"a"})) == Names{"a"});
  }
}

TEST_CASE_METHOD(Fixture, "A channel that is not there is asked for again at once") {
  CHECK(error_of([&] { names({served("one")}); }).kind() == ErrorKind::channel_not_found);
  put("one/noarch/repodata.json", index_of(record("a", "1")));
  CHECK(names({served("one")}) == Names{"a"});
}

TEST_CASE_METHOD(Fixture, "Where shards are: shards_base_url and base_url") {
  const auto url_with = [&](const std::string& shards, const std::string& packages, const std::string& place) {
    const std::string served_shard = compress(msgpack(shard_of("a", std::to_string(server->requests().size() + 1))));
    put_shard("one/noarch", served_shard, place);
    put_index("one/noarch", {{"a", binary(sha256(served_shard))}}, {{"shards_base_url", shards}, {"base_url", packages}});
    const auto found = records({served("one")}, {"a"});
    CHECK(reporter.warnings.empty());
    const std::string url = found.at("a").front().records.front().url;
    return url.substr(0, url.rfind('/') + 1);
  };
  CHECK(url_with("./shards/", "", "shards") == server->url() + "/one/noarch/");
  CHECK(url_with("shards", "./", "shards") == server->url() + "/one/noarch/");
  CHECK(url_with("../pool/", "../../files", "../pool") == server->url() + "/files/");
  CHECK(url_with("/elsewhere/x", "https://files.example/p", "../../elsewhere/x") == "https://files.example/p/");
  CHECK(url_with(server->url() + "/abs", "sub/", "../../abs") == server->url() + "/one/noarch/sub/");
  CHECK(url_with("", "", "") == server->url() + "/one/noarch/");
}

TEST_CASE_METHOD(Fixture, "Places that are not allowed send us to the whole index") {
  put_whole();
  for (const char* bad : {"file:///etc/", "ftp://x/", "https://x/?q=", "javascript:alert(1)", "http://["}) {
    CAPTURE(bad);
    options.cache_use = RepoDataCacheUse::refresh;
    put_index("one/noarch", {{"a", binary(sha256("a"))}}, {{"shards_base_url", bad}});
    reporter.warnings.clear();
    CHECK(version_of("a") == "9");
    REQUIRE(reporter.warnings.size() == 1);
    CHECK(reporter.warnings.front().find("shards_base_url") != std::string::npos);
  }
}

TEST_CASE_METHOD(Fixture, "Credentials reach the shards of their own server and nobody else") {
  const std::string served_shard = compress(msgpack(shard_of("a", "1")));
  const Channel channel{"one", Url::parse("http://user:s3cr3t@127.0.0.1:" + server->port() + "/t/c4n4ry/one")};
  std::string place;
  SECTION("beside the index") {
    put_shard("t/c4n4ry/one/noarch", served_shard);
    place = "./shards/";
  }
  SECTION("on the same server by its name") {
    put_shard("t/c4n4ry/pool", served_shard);
    place = server->url() + "/pool/shards/";
  }
  SECTION("on another server") {
    put_shard("pool", served_shard);
    place = server->other_url() + "/pool/shards/";
  }
  put_index("t/c4n4ry/one/noarch", {{"a", binary(sha256(served_shard))}}, {{"shards_base_url", place}});
  const auto found = records({channel}, {"a"});
  CHECK(found.at("a").front().records.front().url == server->url() + "/one/noarch/a-1-h0_0.conda");
  REQUIRE(server->requests().size() == 2);
  const std::string request = server->requests().back();
  const bool foreign = place.find("localhost") != std::string::npos;
  CHECK((request.find("c4n4ry") != std::string::npos) == !foreign);
  CHECK((request.find("authorization=") != std::string::npos) == !foreign);
  for (const auto& name : list_tree(options.cache_directory)) {
    const std::string content = name + read_file(options.cache_directory + "/" + name);
    CHECK(content.find("c4n4ry") == std::string::npos);
    CHECK(content.find("s3cr3t") == std::string::npos);
  }
}

TEST_CASE_METHOD(Fixture, "Broken shards: the whole index instead, a warning, and peace for an hour") {
  put_chain();
  put_whole();
  std::string culprit = index_path;
  const std::string shard_path = put_shard("one/noarch", compress(msgpack(shard_of("a", "1", {"b >=1", "__unix"}))));
  SECTION("index: garbage") { put("one/noarch" + index_path, compress("garbage")); }
  SECTION("index: cut") {
    const std::string whole = read_file(root() + "/one/noarch" + index_path);
    put("one/noarch" + index_path, whole.substr(0, whole.size() - 7));
  }
  SECTION("index: a newer version") { put("one/noarch" + index_path, compress(msgpack({{"version", 2}, {"shards", Json::object()}}))); }
  SECTION("index: a bomb") {
    options.decoded_size_limit = 1000000;
    put("one/noarch" + index_path, compress(std::string(20000000, ' ')));
  }
  SECTION("shard: missing") {
    remove_file(root() + "/" + shard_path);
    culprit = shard_path;
  }
  SECTION("shard: other content") {
    write_atomically(root() + "/" + shard_path, compress(msgpack(shard_of("a", "666"))));
    culprit = shard_path;
  }
  SECTION("shard: a page") {
    write_atomically(root() + "/" + shard_path, "<!DOCTYPE html><html>");
    culprit = shard_path;
  }
  const auto bad_shard = [&](const std::string& served_shard) {
    culprit = put_shard("one/noarch", served_shard);
    put_index("one/noarch", {{"a", binary(sha256(served_shard))}});
  };
  SECTION("shard: garbage under its own digest") { bad_shard(compress("garbage")); }
  SECTION("shard: not compressed") { bad_shard(msgpack(shard_of("a", "1"))); }
  SECTION("shard: of another shape") { bad_shard(compress(msgpack({{"packages", 1}}))); }
  SECTION("shard: deep") { bad_shard(compress(std::string(200, '\x91') + '\xc0')); }
  SECTION("shard: a bomb") {
    options.decoded_size_limit = 1000000;
    bad_shard(compress(std::string(20000000, ' ')));
  }
  SECTION("shard: the server fails") {
    server->behave(R"({"/)" + shard_path + R"(": [{"status": 500}]})");
    culprit = shard_path;
  }
  CHECK(version_of("a") == "9");
  REQUIRE(reporter.warnings.size() == 1);
  CAPTURE(reporter.warnings.front());
  CHECK(reporter.warnings.front().find(server->url() + "/one/noarch") != std::string::npos);
  if (culprit != index_path) CHECK(reporter.warnings.front().find(culprit) != std::string::npos);

  const std::size_t before = count_requests("shards");
  CHECK(version_of("a") == "9");
  CHECK(count_requests("shards") == before);
  CHECK(reporter.warnings.size() == 1);
  // On demand they are asked for again, and work when they are well.
  server->behave("{}");
  put_chain();
  options.cache_use = RepoDataCacheUse::refresh;
  CHECK(version_of("a") == "1");
}

TEST_CASE_METHOD(Fixture, "Without a whole index, the shard that is broken is the error") {
  put_chain();
  const std::string shard_path = put_shard("one/noarch", compress(msgpack(shard_of("b", "1", {"c"}))));
  remove_file(root() + "/" + shard_path);
  const Error error = error_of([&] { reachable({served("one")}, {"a"}); });
  CHECK(error.where() == server->url() + "/" + shard_path);
}

TEST_CASE_METHOD(Fixture, "A channel of nothing but broken shards is not one without packages") {
  subdirs = {"linux-64", "noarch"};
  put("one/linux-64/repodata.json", index_of(record("x", "1")));
  put_chain();
  const std::string good = read_file(root() + "/one/noarch" + index_path);
  put("one/noarch" + index_path, good.substr(0, good.size() / 2));
  for (int i = 0; i < 2; ++i) {
    const Error error = error_of([&] { names({served("one")}); });
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK(error.where() == server->url() + "/one/noarch" + index_path);
  }
  put("one/noarch" + index_path, good);
  CHECK(names({served("one")}) == Names{"a", "b", "c", "d", "x"});
}

TEST_CASE_METHOD(Fixture, "Something else in place of the index of shards is no index of shards") {
  put_whole();
  SECTION("a page") { server->behave(R"({"/one/noarch)" + index_path + R"(": [{"body": "<html>app</html>"}]})"); }
  SECTION("forbidden") { server->behave(R"({"/one/noarch)" + index_path + R"(": [{"status": 403}]})"); }
  SECTION("an error") { server->behave(R"({"/one/noarch)" + index_path + R"(": [{"status": 500}]})"); }
  CHECK(version_of("a") == "9");
  CHECK(reporter.warnings.empty());
  const std::size_t before = count_requests("shards");
  CHECK(version_of("a") == "9");
  CHECK(count_requests("shards") == before);
}

TEST_CASE_METHOD(Fixture, "Shards that the server has cleared away: the index is asked for anew") {
  put_chain();
  options.time_to_live = std::chrono::hours(1);
  CHECK(names({served("one")}).size() == 4);
  remove_tree(root() + "/one/noarch/shards");
  put_shards("one/noarch", {{"a", shard_of("a", "2")}});
  CHECK(version_of("a") == "2");
  CHECK(reporter.warnings.empty());
}

TEST_CASE_METHOD(Fixture, "A damaged cache of shards is fetched anew") {
  put_chain();
  reachable({served("one")}, {"a"});
  const std::string file = store_file();
  std::string content = read_file(file);
  SECTION("cut") { content.resize(content.size() / 2); }
  SECTION("changed") { content.back() = static_cast<char>(content.back() ^ 1); }
  SECTION("empty, as after a power cut") { content.clear(); }
  write_atomically(file, content);
  CHECK(keys(reachable({served("one")}, {"a"})) == Names{"a", "b", "c"});
  CHECK(shard_requests() == 4);
  CHECK(keys(reachable({served("one")}, {"a"})) == Names{"a", "b", "c"});
  CHECK(shard_requests() == 4);

  for (const char* suffix : {".shards.idx", ".shards.info.json"}) {
    for (const auto& name : list_directory(options.cache_directory)) {
      if (!name.ends_with(suffix)) continue;
      std::string bytes = read_file(options.cache_directory + "/" + name);
      bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
      write_atomically(options.cache_directory + "/" + name, bytes);
    }
    CHECK(keys(reachable({served("one")}, {"a"})) == Names{"a", "b", "c"});
  }
  CHECK(shard_requests() == 4);
  CHECK(reporter.warnings.empty());
}

// Scenario I05: 100,000 variants with ENVTOOL_TEST_FULL.
TEST_CASE_METHOD(Fixture, "Whatever happens to a cached form, the records are the same") {
  put_chain();
  put("two/noarch/repodata.json.zst", compress(index_of(record("a", "1", R"("b")") + "," + record("b", "1", R"("c")") + "," + record("c", "1"))));
  options.time_to_live = std::chrono::hours(1);
  std::string channel, suffix;
  SECTION("index of a whole document") {
    channel = "two";
    suffix = ".idx";
  }
  SECTION("index of shards") {
    channel = "one";
    suffix = ".shards.idx";
  }
  SECTION("a shard") { channel = "one"; }
  const Names expected{"a", "b", "c"};
  REQUIRE(keys(reachable({served(channel)}, {"a"})) == expected);
  std::string file = store_file();
  for (const auto& name : list_directory(options.cache_directory)) {
    if (!suffix.empty() && name.ends_with(suffix)) file = options.cache_directory + "/" + name;
  }
  const std::string good = read_file(file);
  std::mt19937 random(5);
  const auto below = [&](std::size_t limit) { return std::uniform_int_distribution<std::size_t>(0, limit - 1)(random); };
  const int variants = std::getenv("ENVTOOL_TEST_FULL") != nullptr ? 33334 : 150;
  for (int i = 0; i < variants; ++i) {
    std::string changed = good;
    if (below(10) < 3) changed.resize(below(good.size()));
    for (std::size_t flips = below(10) < 5 ? 1 : below(20); flips > 0 && !changed.empty(); --flips) {
      char& byte = changed[below(changed.size())];
      byte = static_cast<char>(byte ^ (1 << below(8)));
    }
    if (below(10) == 0) changed.append(below(300), static_cast<char>(below(256)));
    write_atomically(file, changed);
    if (keys(reachable({served(channel)}, {"a"})) != expected) FAIL("variant " << i);
  }
  CHECK(reporter.warnings.empty());
}

TEST_CASE_METHOD(Fixture, "Offline with shards: what is cached works, what is missing is named") {
  put_chain();
  CHECK(keys(reachable({served("one")}, {"a"})) == Names{"a", "b", "c"});
  const std::size_t before = server->requests().size();
  fetch_options.offline = true;
  options.cache_use = RepoDataCacheUse::only_cached;
  CHECK(keys(reachable({served("one")}, {"a"})) == Names{"a", "b", "c"});
  CHECK(names({served("one")}) == Names{"a", "b", "c", "d"});
  const Error error = error_of([&] { records({served("one")}, {"d"}); });
  CHECK(error.kind() == ErrorKind::offline);
  CHECK(error.message().find("`d`") != std::string::npos);
  CHECK(error.where().find(server->url() + "/one/noarch/shards/") == 0);
  CHECK(server->requests().size() == before);

  SECTION("an older whole index stands in") {
    fetch_options.offline = false;
    options.cache_use = RepoDataCacheUse::by_age;
    put("one/noarch/repodata.json", index_of(record("d", "7")));
    options.use_shards = false;
    names({served("one")});
    options.use_shards = true;
    reachable({served("one")}, {"a"});
    fetch_options.offline = true;
    options.cache_use = RepoDataCacheUse::only_cached;
    CHECK(version_of("d") == "7");
    REQUIRE(reporter.warnings.size() == 1);
    CHECK(reporter.warnings.front().find("older whole index") != std::string::npos);
  }
}

TEST_CASE_METHOD(Fixture, "Many at once fetch each shard once") {
  put_chain();
  server->behave(R"({"/one/noarch)" + index_path + R"(": [{"headers": {"Cache-Control": "max-age=60"}, "delay": 0.3}]})");
  std::vector<Names> found(8);
  std::vector<std::jthread> threads;
  for (auto& list : found) {
    threads.emplace_back([&] {
      Fetcher fetcher(fetch_options);
      list = keys(RepoDataGateway({served("one")}, subdirs, options, fetcher).load_reachable({"a"}));
    });
  }
  threads.clear();
  for (const auto& list : found) CHECK(list == Names{"a", "b", "c"});
  CHECK(count_requests(index_path) == 1);
  CHECK(shard_requests() == 3);
}

TEST_CASE_METHOD(Fixture, "Channels that an index of shards names are followed (CEP 42)") {
  put_shards("one/noarch", {{"a", shard_of("a", "1", {"b"})}}, {{"channel_relations", {{"base", "../two"}}}});
  put_shards("two/noarch", {{"b", shard_of("b", "1")}});
  Fetcher fetcher(fetch_options);
  RepoDataGateway gateway({served("one")}, subdirs, options, fetcher, &reporter);
  CHECK(keys(gateway.load_reachable({"a"})) == Names{"a", "b"});
  REQUIRE(gateway.channels().size() == 2);
  CHECK(gateway.channels()[0].base_url == served("two").base_url);
}

TEST_CASE_METHOD(Fixture, "Most of a channel is read whole rather than by shards") {
  Json digests = Json::object();
  std::string whole;
  Names wanted;
  for (int i = 0; i < 2500; ++i) {
    const std::string name = "p" + std::to_string(i);
    wanted.push_back(name);
    digests[name] = binary(sha256(name));
    whole += (i == 0 ? "" : ",") + record(name, "1");
  }
  put_index("one/noarch", digests);
  put("one/noarch/repodata.json.zst", compress(index_of(whole)));
  CHECK(records({served("one")}, wanted).size() == 2500);
  CHECK(shard_requests() == 0);
}

TEST_CASE_METHOD(Fixture, "Content older than what was there before is used, and said") {
  const auto put_of = [&](const std::string& time, const std::string& version) {
    put_shards("one/noarch", {{"a", shard_of("a", version)}}, {{"created_at", time}});
  };
  put_of("2024-05-02T00:00:00Z", "2");
  CHECK(version_of("a") == "2");
  put_of("2024-05-03T00:00:00Z", "3");
  CHECK(version_of("a") == "3");
  CHECK(reporter.warnings.empty());
  put_of("2024-05-01T00:00:00Z", "1");
  CHECK(version_of("a") == "1");
  REQUIRE(reporter.warnings.size() == 1);
  CHECK(reporter.warnings.front().find("2024-05-01") != std::string::npos);
}

TEST_CASE_METHOD(Fixture, "A stop request ends the fetching of shards") {
  put_chain();
  const std::string shard_path = put_shard("one/noarch", compress(msgpack(shard_of("b", "1", {"c"}))));
  server->behave(R"({"/)" + shard_path + R"(": [{"cut": 10, "stall": 60}]})");
  std::stop_source source;
  std::jthread stopper([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
    source.request_stop();
  });
  Fetcher fetcher(fetch_options);
  RepoDataGateway gateway({served("one")}, subdirs, options, fetcher);
  const auto start = std::chrono::steady_clock::now();
  CHECK(error_of([&] { gateway.load_reachable({"a"}, {}, source.get_token()); }).kind() == ErrorKind::interrupted);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}
