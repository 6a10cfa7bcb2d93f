#include <sys/stat.h>

#include <fcntl.h>

#include <functional>
#include <thread>

#include "made_packages.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

constexpr std::uint64_t first_run = 1'700'000'000'000, later = first_run + 3'600'000;
constexpr std::uint64_t day = 24ULL * 3600 * 1000;
constexpr const char* cache = ".cache/envtool-index/noarch";

std::uint64_t indexed(const MadeChannel& channel, const std::string& file_name, const std::string& section = "packages.conda") {
  return channel.document("noarch/repodata.json")[section][file_name]["indexed_timestamp"].get<std::uint64_t>();
}
ErrorKind failure(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("no error");
  return ErrorKind::internal;
}
std::vector<std::string> index_files(const MadeChannel& channel) {
  std::vector<std::string> result;
  for (const std::string& path : list_tree(channel.path()))
    if (!path.starts_with(".cache/")) result.push_back(path + " " + read_file(channel.path(path)));
  return result;
}
/// Sets the time of the last change of the content, as `touch` does.
void touch(const std::string& path, time_t seconds) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  REQUIRE(utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
}
std::vector<std::string> shard_names(const MadeChannel& channel) { return list_directory(channel.path("noarch/shards")); }

}  // namespace

TEST_CASE("an empty folder becomes an empty channel") {
  const MadeChannel channel;
  const auto result = channel.index();
  CHECK(result.subdirs.size() == 1);
  CHECK(channel.document("noarch/repodata.json") ==
        TestJson::parse(R"({"info": {"subdir": "noarch"}, "packages": {}, "packages.conda": {}, "removed": [], "repodata_version": 1})"));
  CHECK(channel.document("channeldata.json") == TestJson::parse(R"({"channeldata_version": 1, "packages": {}, "subdirs": ["noarch"]})"));
}

TEST_CASE("a record says what the package says, and what the index knows") {
  const MadeChannel channel;
  const std::string bytes = channel.add("a", "1.0", {{"license", "MIT"}, {"arch", "x86_64"}, {"url", "https://elsewhere"}, {"indexed_timestamp", 5},
                                                     {"md5", "0"}, {"own_key", {1, 2.5, nullptr}}, {"constrains", {"b >1"}}});
  CHECK(channel.index().warnings.empty());
  CHECK(channel.document("noarch/repodata.json")["packages.conda"] ==
        TestJson{{"a-1.0-0.conda",
                  {{"name", "a"}, {"version", "1.0"}, {"build", "0"}, {"build_number", 0}, {"depends", {"python"}}, {"constrains", {"b >1"}},
                   {"subdir", "noarch"}, {"noarch", "generic"}, {"timestamp", 1'600'000'000'000}, {"license", "MIT"},
                   {"own_key", {1, 2.5, nullptr}}, {"md5", md5(bytes).hex()}, {"sha256", sha256(bytes).hex()}, {"size", bytes.size()},
                   {"indexed_timestamp", first_run}}}});
}

TEST_CASE("only what has changed is read, and only what changes is written") {
  const MadeChannel channel;
  channel.add("a", "1.0");
  channel.add("b", "1.0", {}, {}, ".tar.bz2");
  CHECK(channel.index(first_run).subdirs.at("noarch").read == 2);
  auto result = channel.index(later);
  CHECK(result.subdirs.at("noarch").read == 0);
  CHECK(result.subdirs.at("noarch").unchanged == 2);
  CHECK(result.written.empty());

  channel.add("c", "1.0");
  result = channel.index(later);
  CHECK(result.subdirs.at("noarch").read == 1);
  CHECK(result.subdirs.at("noarch").packages == 3);
  CHECK(indexed(channel, "a-1.0-0.conda") == first_run);
  CHECK(indexed(channel, "c-1.0-0.conda") == later);
  CHECK(result.written.size() == 8);  // the new shard and its index, three documents, two of them compressed, channeldata

  remove_file(channel.path("noarch/b-1.0-0.tar.bz2"));
  result = channel.index(later);
  CHECK(result.subdirs.at("noarch").packages == 2);
  CHECK(channel.document("noarch/repodata.json")["packages"].empty());
  CHECK(channel.document("noarch/repodata.json")["removed"].empty());
}

TEST_CASE("the same packages give the same bytes") {
  const MadeChannel one, other;
  for (const MadeChannel* channel : {&one, &other})
    for (const std::string name : {"c", "a", "b"})
      channel->add(channel == &one ? name : std::string(1, static_cast<char>('a' + 'c' - name[0])), "1.0");
  ChannelIndexRequest request = one.request();
  request.jobs = 1;
  one.index(request);
  request = other.request();
  request.jobs = 7;
  other.index(request);
  CHECK(index_files(one) == index_files(other));
}

TEST_CASE("the time of first indexing stays") {
  const MadeChannel channel;
  const std::string bytes = channel.add("a", "1.0");
  channel.index(first_run);
  SECTION("when the file is written again with the same bytes") {
    channel.put("noarch/a-1.0-0.conda", bytes);
    CHECK(channel.index(later).subdirs.at("noarch").read == 1);
    CHECK(indexed(channel, "a-1.0-0.conda") == first_run);
  }
  SECTION("when the cache is lost") {
    remove_tree(channel.path(".cache"));
    CHECK(channel.index(later).warnings.empty());
    CHECK(indexed(channel, "a-1.0-0.conda") == first_run);
  }
  SECTION("when the cache is damaged, which is said") {
    std::string text = read_file(channel.path(cache));
    text[text.find("python")] = 'P';
    write_atomically(channel.path(cache), text);
    const auto result = channel.index(later);
    CHECK(result.warnings.size() == 1);
    CHECK(result.subdirs.at("noarch").read == 1);
    CHECK(indexed(channel, "a-1.0-0.conda") == first_run);
    CHECK(channel.document("noarch/repodata.json")["packages.conda"]["a-1.0-0.conda"]["depends"] == TestJson{"python"});
  }
  SECTION("when the package was away") {
    remove_file(channel.path("noarch/a-1.0-0.conda"));
    channel.index(later);
    channel.index(later);
    CHECK(channel.document("noarch/repodata.json")["packages.conda"].empty());
    channel.put("noarch/a-1.0-0.conda", bytes);
    channel.index(later);
    CHECK(indexed(channel, "a-1.0-0.conda") == first_run);
  }
  SECTION("but other bytes under the same name are another package") {
    channel.add("a", "1.0", {{"license", "MIT"}});
    channel.index(later);
    CHECK(indexed(channel, "a-1.0-0.conda") == later);
  }
}

TEST_CASE("packages that another tool has published before") {
  const MadeChannel channel;
  const std::string a = channel.add("a", "1.0"), b = channel.add("b", "1.0");
  channel.add("c", "1.0");
  for (const std::string name : {"a", "b", "c"}) touch(channel.path("noarch/" + name + "-1.0-0.conda"), name == "b" ? 4'000'000'000 : 1'650'000'000);
  channel.put("noarch/repodata.json", TestJson{{"packages.conda", {{"a-1.0-0.conda", {{"sha256", sha256(a).hex()}}},
                                                                   {"b-1.0-0.conda", {{"sha256", sha256(b).hex()}}}}}}.dump());
  channel.index(first_run);
  CHECK(indexed(channel, "a-1.0-0.conda") == 1'650'000'000'000);  // as long as the file is there
  CHECK(indexed(channel, "b-1.0-0.conda") == first_run);          // a time in the future is none
  CHECK(indexed(channel, "c-1.0-0.conda") == first_run);          // nobody has published it yet
}

TEST_CASE("an index that cannot be read is replaced") {
  const MadeChannel channel;
  channel.add("a", "1.0");
  channel.put("noarch/repodata.json", "{");
  CHECK(channel.index().warnings.size() == 1);
  CHECK(channel.document("noarch/repodata.json")["packages.conda"].size() == 1);
}

TEST_CASE("packages that cannot be indexed are left out and named") {
  const MadeChannel channel;
  channel.add("good", "1.0");
  const auto broken_reason = [&]() {
    const auto result = channel.index();
    REQUIRE(result.broken.size() == 1);
    CHECK(result.subdirs.at("noarch").broken == 1);
    CHECK(channel.document("noarch/repodata.json")["packages.conda"].size() == 1);
    CHECK(channel.document("noarch/repodata.json")["packages"].empty());
    INFO(result.broken[0].error.what());
    CHECK(result.broken[0].error.where().find(result.broken[0].file.substr(0, 12)) != std::string::npos);
    CHECK(channel.index().broken.size() == 1);  // and again: it is not forgotten
    return result.broken[0].error.why();
  };
  const auto package = [](const TestJson& index, const std::vector<Member>& more = {}) {
    std::vector<Member> members{file("info/index.json", index.dump())};
    members.insert(members.end(), more.begin(), more.end());
    return tar_bz2_bytes(members);
  };
  SECTION("no archive") {
    channel.put("noarch/x-1.0-0.conda", "hello");
    CHECK(broken_reason() == "it is neither a zip nor a bzip2 file");
  }
  SECTION("cut short") {
    const std::string bytes = package(index_json("x", "1.0"));
    channel.put("noarch/x-1.0-0.tar.bz2", bytes.substr(0, bytes.size() - 20));
    CHECK_FALSE(broken_reason().empty());
  }
  SECTION("a folder") {
    make_directories(channel.path("noarch/x-1.0-0.conda"));
    CHECK(broken_reason() == "it is not a regular file");
  }
  SECTION("a FIFO") {
    REQUIRE(mkfifo(channel.path("noarch/x-1.0-0.conda").c_str(), 0600) == 0);
    CHECK(broken_reason() == "it is not a regular file");
  }
  SECTION("another name, version, build or subdir") {
    const auto [key, value] = GENERATE(table<const char*, const char*>({{"name", "y"}, {"version", "1"}, {"build", "1"}, {"subdir", "linux-64"}}));
    channel.put("noarch/x-1.0-0.tar.bz2", package(index_json("x", "1.0", {{key, value}})));
    CHECK(broken_reason().find(std::string("has the ") + key) != std::string::npos);
  }
  SECTION("a file name that is none") {
    channel.put("noarch/x.conda", "x");
    CHECK(broken_reason().find("file name") != std::string::npos);
  }
  SECTION("no index.json") {
    channel.put("noarch/x-1.0-0.tar.bz2", tar_bz2_bytes({file("bin/x", "x")}));
    CHECK(broken_reason() == "it has no `info/index.json`");
  }
  SECTION("an index.json that is none") {
    const std::string text = GENERATE(as<std::string>(), "", "[]", "{", "{\"name\": 3}", "\xff", std::string(100'000, '['),
                                      R"({"name": "x", "version": "1.0", "build": "0", "depends": "python"})");
    channel.put("noarch/x-1.0-0.tar.bz2", tar_bz2_bytes({file("info/index.json", text)}));
    CHECK_FALSE(broken_reason().empty());
  }
  SECTION("a huge index.json") {
    channel.put("noarch/x-1.0-0.tar.bz2", package(index_json("x", "1.0"), {}).substr(0, 0) +
                                              tar_bz2_bytes({file("info/index.json", index_json("x", "1.0").dump() + std::string(5 << 20, ' '))}));
    CHECK(broken_reason().find("more than") != std::string::npos);
  }
  SECTION("a member that leaves the folder") {
    channel.put("noarch/x-1.0-0.tar.bz2", package(index_json("x", "1.0"), {file("../x", "x")}));
    CHECK_FALSE(broken_reason().empty());
  }
  SECTION("an index.json that is a symlink") {
    channel.put("noarch/x-1.0-0.tar.bz2", tar_bz2_bytes({soft_link("info/index.json", "/etc/passwd")}));
    CHECK_FALSE(broken_reason().empty());
  }
  SECTION("a schema from the future") {
    channel.put("noarch/x-1.0-0.tar.bz2", package(index_json("x", "1.0", {{"schema_version", 4}})));
    CHECK(broken_reason().find("schema version 4") != std::string::npos);
  }
  SECTION("a condition beside a field that is not allowed there") {
    channel.put("noarch/x-1.0-0.tar.bz2", package(index_json("x", "1.0", {{"depends", {"y[when=__unix]", "z[md5=d41d8cd98f00b204e9800998ecf8427e]"}}})));
    CHECK(broken_reason().find("CEP 48") != std::string::npos);
  }
}

TEST_CASE("what is odd about a package is said") {
  const MadeChannel channel;
  channel.add("a", "1.0", {{"timestamp", later}, {"depends", {"b >>1", "c"}}},
              {file("info/about.json", "{"), file("info/run_exports.json", "3x"), file("info/paths.json", "[")});
  const auto result = channel.index(first_run);
  CHECK(result.broken.empty());
  CHECK(result.warnings.size() == 5);
  CHECK(result.subdirs.at("noarch").packages == 1);
}

TEST_CASE("folders that are subdirs, and others") {
  const MadeChannel channel;
  channel.add("a", "1.0", {{"subdir", "linux-64"}});
  channel.add("b", "1.0", {{"subdir", "plan9-mips"}});
  for (const char* name : {"osx-arm64", "my-data", "label", ".git", "UPPER-64"}) make_directories(channel.path(name));
  channel.put("linux-64/.a-1.0-1.conda.part", "x");
  channel.put("linux-64/.a-1.0-1.conda", "x");
  channel.put("linux-64/notes.txt", "x");
  auto result = channel.index();
  CHECK(result.broken.empty());
  CHECK(result.warnings.empty());
  std::vector<std::string> names;
  for (const auto& [subdir, counts] : result.subdirs) names.push_back(subdir);
  CHECK(names == std::vector<std::string>{"linux-64", "noarch", "osx-arm64", "plan9-mips"});

  channel.add("c", "1.0", {{"subdir", "linux-64"}});
  channel.add("c", "1.0", {{"subdir", "plan9-mips"}});
  ChannelIndexRequest request = channel.request();
  request.subdirs = {"linux-64"};
  result = channel.index(request);
  CHECK(result.subdirs.size() == 1);
  CHECK(channel.document("plan9-mips/repodata.json")["packages.conda"].size() == 1);
  CHECK(channel.document("channeldata.json")["packages"]["c"]["subdirs"] == TestJson{"linux-64"});
  CHECK(channel.document("channeldata.json")["packages"].contains("b"));
  request.subdirs = {"win-64"};
  CHECK(failure([&] { channel.index(request); }) == ErrorKind::invalid_input);
  request.subdirs = {"../x"};
  CHECK(failure([&] { channel.index(request); }) == ErrorKind::usage);
  request.channel += "/none";
  CHECK(failure([&] { channel.index(request); }) == ErrorKind::invalid_input);
}

TEST_CASE("packages without a subdir") {
  const MadeChannel channel;
  channel.put("a-1.0-0.conda", "x");
  CHECK(failure([&] { channel.index(); }) == ErrorKind::invalid_input);
  channel.add("b", "1.0");
  CHECK(channel.index().warnings.size() == 1);
}

TEST_CASE("packages elsewhere, and related channels") {
  const MadeChannel channel;
  channel.add("a", "1.0");
  ChannelIndexRequest request = channel.request();
  request.base_url = "https://packages.example/c//";
  request.base_channel = "../base";
  request.overrides_channel = "../..";
  channel.index(request);
  const TestJson repodata = channel.document("noarch/repodata.json");
  CHECK(repodata["repodata_version"] == 2);
  CHECK(repodata["info"] == TestJson::parse(R"({"base_url": "https://packages.example/c/noarch/", "subdir": "noarch",
    "channel_relations": {"base": "../base", "overrides": "../.."}})"));
  const auto refused = [&](auto change) {
    ChannelIndexRequest wrong = channel.request();
    change(wrong);
    return failure([&] { channel.index(wrong); });
  };
  CHECK(refused([](auto& wrong) { wrong.base_channel = "https://x"; }) == ErrorKind::usage);
  CHECK(refused([](auto& wrong) { wrong.overrides_channel = "base"; }) == ErrorKind::usage);
  CHECK(refused([](auto& wrong) { wrong.base_channel = wrong.overrides_channel = "../x"; }) == ErrorKind::usage);
  CHECK(refused([](auto& wrong) { wrong.base_url = "https://user:secret@host/c"; }) == ErrorKind::usage);
  CHECK(refused([](auto& wrong) { wrong.base_url = "not a url"; }) == ErrorKind::usage);
  CHECK(refused([](auto& wrong) { wrong.base_url = "/packages"; }) == ErrorKind::usage);
}

TEST_CASE("what is not wanted is not left behind") {
  const MadeChannel channel;
  channel.add("a", "1.0");
  for (const char* name : {"current_repodata.json", "repodata.json.bz2", "index.html"}) channel.put(std::string("noarch/") + name, "old");
  CHECK(channel.index().removed == std::vector<std::string>{"noarch/current_repodata.json", "noarch/repodata.json.bz2"});
  ChannelIndexRequest request = channel.request();
  request.files = {.shards = false, .zst = false, .run_exports = false, .channeldata = false};
  CHECK(channel.index(request).removed.size() == 5);
  std::vector<std::string> left;
  for (const std::string& name : list_directory(channel.path("noarch")))
    if (name != "shards") left.push_back(name);
  CHECK(left == std::vector<std::string>{"a-1.0-0.conda", "index.html", "repodata.json", "repodata_from_packages.json"});
}

TEST_CASE("withdrawn packages") {
  const MadeChannel channel;
  channel.add("a", "1.0");
  channel.add("a", "2.0");
  channel.put("noarch/withdrawn.txt", "a-2.0-0.conda\n");
  const auto result = channel.index();
  CHECK(result.subdirs.at("noarch").packages == 1);
  CHECK(result.subdirs.at("noarch").removed == 1);
  CHECK_FALSE(channel.document("noarch/repodata.json")["packages.conda"].contains("a-2.0-0.conda"));
  CHECK(channel.document("noarch/repodata.json")["removed"] == TestJson{"a-2.0-0.conda"});
  CHECK(channel.document("noarch/repodata_from_packages.json")["packages.conda"].size() == 2);
  CHECK(channel.document("noarch/repodata_from_packages.json")["removed"].empty());
  CHECK(channel.document("channeldata.json")["packages"]["a"]["version"] == "1.0");
  channel.put("noarch/withdrawn.txt", "../x\n");
  CHECK(failure([&] { channel.index(); }) == ErrorKind::invalid_input);
}

TEST_CASE("shards stay for a week when no index names them") {
  const MadeChannel channel;
  channel.add("a", "1.0");
  channel.index(first_run);
  const auto old = shard_names(channel);
  REQUIRE(old.size() == 1);
  channel.put("noarch/shards/readme", "not ours");
  channel.add("a", "2.0");
  channel.index(first_run + 30 * day);  // unused from now on, however old it is
  CHECK(shard_names(channel).size() == 3);
  channel.index(first_run + 36 * day);
  CHECK(exists(channel.path("noarch/shards/" + old[0])));
  channel.index(first_run + 38 * day);
  CHECK_FALSE(exists(channel.path("noarch/shards/" + old[0])));
  CHECK(shard_names(channel).size() == 2);
}

TEST_CASE("a damaged file of the index is written again") {
  const MadeChannel channel;
  channel.add("a", "1.0");
  channel.index(first_run);
  const auto good = index_files(channel);
  for (const std::string& path : list_tree(channel.path())) {
    if (path.starts_with(".cache/") || path.ends_with(".conda")) continue;
    INFO(path);
    write_atomically(channel.path(path), "damaged");
    CHECK(channel.index(later).written == std::vector<std::string>{path});
    CHECK(index_files(channel) == good);
  }
}

TEST_CASE("a file that is replaced is newer by a second, which is what servers look at") {
  const MadeChannel channel;
  const auto seconds = [&](const std::string& path) {
    struct stat status{};
    REQUIRE(stat(channel.path(path).c_str(), &status) == 0);
    return status.st_mtim.tv_sec;
  };
  time_t previous = 0;
  for (const char* version : {"1", "2", "3"}) {
    channel.add("a", version);
    channel.index();
    for (const char* path : {"noarch/repodata_shards.msgpack.zst", "noarch/repodata.json"}) CHECK(seconds(path) > previous);
    previous = std::max(seconds("noarch/repodata.json"), seconds("noarch/repodata_shards.msgpack.zst"));
  }
}

TEST_CASE("one run at a time") {
  const MadeChannel channel;
  channel.add("a", "1.0");
  make_directories(channel.path(".cache/envtool-index"));
  const auto lock = FileLock::try_acquire(channel.path(".cache/envtool-index/lock"), FileLock::Mode::exclusive, "another");
  REQUIRE(lock);
  CHECK(failure([&] { channel.index(); }) == ErrorKind::locked);
  CHECK_FALSE(exists(channel.path("noarch/repodata.json")));
}

TEST_CASE("an interrupted run leaves the index and keeps what was read") {
  const MadeChannel channel;
  channel.add("a", "1.0");
  channel.index(first_run);
  const auto before = index_files(channel);
  for (int i = 0; i < 20; ++i) channel.add("b", std::to_string(i));
  struct Interrupter : ChannelIndexReporter {
    std::stop_source source;
    int calls = 0;
    void on_read(const std::string&) override {
      if (++calls == 5) source.request_stop();
    }
  } interrupter;
  const ChannelIndexRequest request = channel.request(later);
  CHECK(failure([&] { index_channel(request, interrupter, interrupter.source.get_token()); }) == ErrorKind::interrupted);
  auto after = index_files(channel);
  after.erase(std::remove_if(after.begin(), after.end(), [](const std::string& entry) { return entry.starts_with("noarch/b-"); }), after.end());
  CHECK(after == before);
  const auto result = channel.index(later + day);
  CHECK(result.subdirs.at("noarch").packages == 21);
  CHECK(result.subdirs.at("noarch").unchanged >= 5);
  CHECK(indexed(channel, "b-0-0.conda") == later + day);  // it was not in an index before
  CHECK(indexed(channel, "a-1.0-0.conda") == first_run);
}
