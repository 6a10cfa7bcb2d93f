#include <csignal>
#include <sys/mount.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "cache_sandbox.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

/// The sample with one member changed after its list was made.
std::vector<Member> tampered(const std::function<void(std::vector<Member>&)>& change) {
  std::vector<Member> members = CacheSandbox::sample("a", "hello");
  change(members);
  return members;
}

Member& find_member(std::vector<Member>& members, const std::string& name) {
  for (Member& member : members)
    if (member.name == name) return member;
  throw std::runtime_error("no member " + name);
}

}  // namespace

TEST_CASE("a package that is not what it lists is refused, naming path and file") {
  struct Case {
    const char* label;
    std::function<void(std::vector<Member>&)> change;
    const char* named;
    ErrorKind kind = ErrorKind::corrupt;
  };
  const std::vector<Case> cases{
      {"other content of the same size", [](auto& m) { find_member(m, "lib/a.txt").content = "HELLO"; }, "lib/a.txt"},
      {"other size", [](auto& m) { find_member(m, "lib/a.txt").content = "hello!"; }, "lib/a.txt"},
      {"missing file", [](auto& m) { std::erase_if(m, [](const Member& one) { return one.name == "share/empty"; }); }, "share/empty"},
      {"missing symlink", [](auto& m) { std::erase_if(m, [](const Member& one) { return one.name == "lib/link"; }); }, "lib/link"},
      {"extra file", [](auto& m) { m.push_back(file("bin/extra", "x")); }, "bin/extra"},
      {"extra hard link", [](auto& m) { m.push_back(hard_link("bin/extra", "bin/a")); }, "bin/extra"},
      {"file instead of a symlink", [](auto& m) { find_member(m, "lib/link") = file("lib/link", "hello"); }, "lib/link"},
      {"symlink instead of a file", [](auto& m) { find_member(m, "lib/a.txt") = soft_link("lib/a.txt", "link"); }, "lib/a.txt"},
      {"folder instead of a file", [](auto& m) { find_member(m, "share/empty") = folder("share/empty"); }, "share/empty"},
      {"index of another name", [](auto& m) { find_member(m, "info/index.json").content = R"({"name":"b","version":"1.0","build":"0","build_number":0})"; }, "b-1.0-0"},
      {"index of another version", [](auto& m) { find_member(m, "info/index.json").content = R"({"name":"a","version":"1.1","build":"0","build_number":0})"; }, "a-1.1-0"},
      {"index of another build", [](auto& m) { find_member(m, "info/index.json").content = R"({"name":"a","version":"1.0","build":"1","build_number":0})"; }, "a-1.0-1"},
      {"no index", [](auto& m) { std::erase_if(m, [](const Member& one) { return one.name == "info/index.json"; }); }, "index.json"},
      {"no list of files", [](auto& m) { std::erase_if(m, [](const Member& one) { return one.name == "info/paths.json" || one.name == "info/files"; }); }, "paths.json"},
      {"index is a symlink", [](auto& m) { find_member(m, "info/index.json") = soft_link("info/index.json", "files"); }, "symlink", ErrorKind::unsafe},
      {"paths.json escapes", [](auto& m) { find_member(m, "info/paths.json").content = R"({"paths":[{"_path":"../x"}],"paths_version":1})"; }, "paths.json", ErrorKind::unsafe},
      {"unsafe member", [](auto& m) { m.push_back(file("../x", "x")); }, "../x", ErrorKind::unsafe},
  };
  for (const Case& one : cases) {
    CacheSandbox box;
    CAPTURE(one.label);
    const RepoDataRecord record = box.publish_members("a", tampered(one.change));
    std::string text;
    CHECK(error_kind_of([&] { box.ensure_one(record); }, &text) == one.kind);
    CAPTURE(text);
    CHECK(text.find(one.named) != std::string::npos);
    CHECK(text.find("a-1.0-0.conda") != std::string::npos);
    CHECK(box.is_clean());
    CHECK_FALSE(exists(box.root.path() + "/x"));
    // The bad archive does not stay to be met again.
    CHECK_FALSE(exists(box.pkgs + "/a-1.0-0.conda"));
  }
}

TEST_CASE("an unlisted symlink is no reason to refuse a package") {
  CacheSandbox box;
  const RepoDataRecord record =
      box.publish_members("a", tampered([](auto& members) { members.push_back(soft_link("lib/dangling", "nowhere")); }));
  for (const PathEntry& path : box.ensure_one(record).paths.paths) CHECK(path.path != "lib/dangling");
}

TEST_CASE("an archive cannot bring the cache's own files") {
  CacheSandbox box;
  const RepoDataRecord record = box.publish_members("a", tampered([&](auto& members) {
    members.push_back(file("info/repodata_record.json", "{\"evil\": true}"));
    members.push_back(soft_link("info/.envtool-manifest", "index.json"));
  }));
  box.ensure_one(record);
  CHECK(read_file(box.pkgs + "/a-1.0-0/info/repodata_record.json").find("evil") == std::string::npos);
  CHECK(read_file(box.pkgs + "/a-1.0-0/info/.envtool-manifest").starts_with("envtool package manifest"));
  CHECK(read_file(box.pkgs + "/a-1.0-0/info/index.json").find("manifest") == std::string::npos);
  CHECK(box.ensure_one(record).extracted_directory == box.pkgs + "/a-1.0-0");
}

TEST_CASE("names of records that are no file names are refused before anything is written") {
  CacheSandbox box;
  const RepoDataRecord good = box.publish_sample("a");
  const auto refused = [&](const std::function<void(RepoDataRecord&)>& change) {
    RepoDataRecord record = good;
    change(record);
    CHECK(error_kind_of([&] { box.ensure_one(record); }).has_value());
    CHECK_FALSE(exists(box.pkgs));
  };
  for (const std::string bad : {"", "..", "../x", "a/b", "/etc", ".hidden", "-rf", "a\nb", "a b", "x~y", "a\\b"}) {
    CAPTURE(bad);
    refused([&](RepoDataRecord& record) { record.name = bad; });
    refused([&](RepoDataRecord& record) { record.version = bad; });
    refused([&](RepoDataRecord& record) { record.build = bad; });
    refused([&](RepoDataRecord& record) { record.fn = bad; });
    refused([&](RepoDataRecord& record) { record.fn = bad + ".conda"; });
  }
  refused([](RepoDataRecord& record) { record.fn = "a-1.0-0.zip"; });
  refused([](RepoDataRecord& record) { record.name = std::string(240, 'n'); });
}

TEST_CASE("wrong digest, missing file: an error and nothing left") {
  CacheSandbox box;
  RepoDataRecord record = box.publish_sample("a");
  const RepoDataRecord good = box.publish_sample("good");
  SECTION("digest") {
    record.sha256 = sha256("other");
    CHECK(error_kind_of([&] { box.ensure_one(record); }) == ErrorKind::checksum);
  }
  SECTION("missing") {
    remove_file(box.channel + "/noarch/a-1.0-0.conda");
    CHECK(error_kind_of([&] { box.ensure_one(record); }).has_value());
  }
  CHECK(box.is_clean());
  // One bad package does not take the others with it for ever.
  PackageCache cache({box.pkgs});
  CHECK(error_kind_of([&] { box.ensure(cache, {good, record}); }).has_value());
  CHECK(box.ensure(cache, {good}).size() == 1);
}

TEST_CASE("one bad extraction among many: the error is told, the finished ones stay") {
  CacheSandbox box;
  std::vector<RepoDataRecord> records;
  for (int i = 0; i < 12; ++i) records.push_back(box.publish_sample("p" + std::to_string(i)));
  records.insert(records.begin() + 5, box.publish_members("a", tampered([](auto& m) { m.push_back(file("bin/extra", "x")); })));
  PackageCache cache({box.pkgs});
  std::string text;
  CHECK(error_kind_of([&] { box.ensure(cache, records); }, &text) == ErrorKind::corrupt);
  CHECK(text.find("bin/extra") != std::string::npos);
  CHECK(list_directory(box.pkgs + "/.tmp").empty());
  CHECK_FALSE(exists(box.pkgs + "/a-1.0-0"));
  records.erase(records.begin() + 5);
  CHECK(box.ensure(cache, records).size() == 12);
}

TEST_CASE("a stop request ends the work within a second and leaves nothing half done") {
  CacheSandbox box;
  std::string large(24 << 20, 'x');
  for (std::size_t i = 0; i < large.size(); i += 97) large[i] = static_cast<char>(i * 31);
  const RepoDataRecord record = box.publish_members("a", with_metadata("a", "1.0", "0", {file("lib/large", large)}));
  for (const int milliseconds : {0, 20, 60}) {
    std::stop_source stop;
    std::chrono::steady_clock::time_point requested;
    std::jthread killer([&] {
      std::this_thread::sleep_for(std::chrono::milliseconds(milliseconds));
      requested = std::chrono::steady_clock::now();
      stop.request_stop();
    });
    PackageCache cache({box.pkgs});
    const auto kind = error_kind_of([&] { box.ensure(cache, {record}, nullptr, stop.get_token()); });
    const auto end = std::chrono::steady_clock::now();
    killer.join();
    if (!kind) continue;  // it was faster
    CHECK(kind == ErrorKind::interrupted);
    CHECK(end - requested < std::chrono::seconds(1));
    CHECK(box.is_clean());
  }
  PackageCache cache({box.pkgs});
  CHECK(box.ensure(cache, {record}).size() == 1);
}

TEST_CASE("a full disk: told as one, nothing left, and it works with more space") {
  CacheSandbox box;
  std::string large(6 << 20, 'x');
  const RepoDataRecord record = box.publish_members("a", with_metadata("a", "1.0", "0", {file("lib/large", large)}));
  make_directories(box.pkgs);
  if (::geteuid() != 0 || ::mount("none", box.pkgs.c_str(), "tmpfs", 0, "size=3m") != 0) {
    WARN("skipped: cannot mount a small tmpfs");
    return;
  }
  std::string text;
  const auto kind = error_kind_of([&] { box.ensure_one(record); }, &text);
  const bool clean = box.is_clean();
  REQUIRE(::mount("none", box.pkgs.c_str(), "tmpfs", MS_REMOUNT, "size=30m") == 0);
  const auto second = error_kind_of([&] { box.ensure_one(record); });
  const bool there = exists(box.pkgs + "/a-1.0-0/lib/large");
  CHECK(::umount2(box.pkgs.c_str(), MNT_DETACH) == 0);
  CAPTURE(text);
  CHECK(kind == ErrorKind::no_space);
  CHECK(clean);
  CHECK(second == std::nullopt);
  CHECK(there);
}

TEST_CASE("killed at any moment, no visible entry is half made") {
  CacheSandbox box;
  std::vector<RepoDataRecord> records;
  for (int i = 0; i < 6; ++i) records.push_back(box.publish_sample("p" + std::to_string(i), std::string(100000, 'x')));
  int killed = 0;
  for (int round = 0; round < 25; ++round) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        PackageCache cache({box.pkgs});
        Fetcher fetcher(CacheSandbox::fetch_options());
        cache.ensure(records, fetcher);
      } catch (...) {
        ::_exit(3);
      }
      ::_exit(0);
    }
    ::usleep(static_cast<useconds_t>(500 + round * 1500));
    ::kill(child, SIGKILL);
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFSIGNALED(status)) ++killed;
    // Whatever is visible is whole.
    PackageCache cache({box.pkgs});
    for (const RepoDataRecord& record : records)
      if (exists(box.pkgs + "/" + record.dist())) {
        const auto packages = box.ensure(cache, {record});
        REQUIRE(PackageCache::verify(packages[0]).empty());
      }
    if (round % 5 == 4) remove_tree(box.pkgs);
  }
  CHECK(killed > 0);
  PackageCache cache({box.pkgs});
  CHECK(box.ensure(cache, records).size() == records.size());
}
