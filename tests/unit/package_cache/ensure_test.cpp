#include <sys/stat.h>

#include "cache_sandbox.hpp"
#include "envtool/records/record_json.hpp"

using namespace envtool;
using namespace envtool::test;

TEST_CASE("packages are downloaded, extracted and found again") {
  CacheSandbox box;
  const RepoDataRecord a = box.publish_sample("a"), b = box.publish_sample("b", "other text");
  PackageCache cache({box.pkgs});
  CHECK(cache.missing(std::vector{a, b}).size() == 2);

  CountingReporter first;
  const auto packages = box.ensure(cache, {b, a, b}, &first);
  REQUIRE(packages.size() == 3);
  CHECK(packages[0].record.name == "b");
  CHECK(packages[1].record.name == "a");
  CHECK(packages[2].extracted_directory == packages[0].extracted_directory);
  CHECK(packages[1].extracted_directory == box.pkgs + "/a-1.0-0");
  CHECK(packages[1].archive_path == box.pkgs + "/a-1.0-0.conda");
  CHECK(exists(packages[1].archive_path));
  CHECK(read_file(box.pkgs + "/a-1.0-0/lib/a.txt") == "hello");
  CHECK(read_file(box.pkgs + "/b-1.0-0/lib/link") == "other text");
  REQUIRE(packages[1].paths.paths.size() == 4);
  CHECK(packages[1].paths.paths[0].path == "bin/a");
  CHECK(first.started == 2);
  CHECK(first.finished == 2);
  CHECK(first.extract_started == 2);
  CHECK(first.extracted == 2);
  CHECK(first.cached == 0);
  CHECK(first.indices == std::vector<std::size_t>{0, 1});

  SECTION("the cache has conda's layout") {
    CHECK(read_file(box.pkgs + "/urls.txt") == b.url + "\n" + a.url + "\n");
    CHECK(exists(box.pkgs + "/urls"));
    const RepoDataRecord stored = parse_repodata_record(read_file(box.pkgs + "/a-1.0-0/info/repodata_record.json"), "test");
    CHECK(stored.url == a.url);
    CHECK(stored.channel == a.channel);
    CHECK(stored.fn == a.fn);
    CHECK(stored.sha256 == a.sha256);
    CHECK(stored.depends == a.depends);
    CHECK(list_directory(box.pkgs + "/.tmp").empty());
    struct stat status{};
    REQUIRE(::stat((box.pkgs + "/a-1.0-0").c_str(), &status) == 0);
    CHECK((status.st_mode & 0755) == 0755);
  }
  SECTION("a second time nothing is fetched") {
    box.unpublish();
    CHECK(cache.missing(std::vector{a, b}).empty());
    CountingReporter second;
    const auto again = box.ensure(cache, {a, b}, &second);
    CHECK(second.cached == 2);
    CHECK(second.started == 0);
    CHECK(second.extract_started == 0);
    CHECK(again[0].paths.paths.size() == 4);
    CHECK(again[0].record.depends == a.depends);
  }
  SECTION("from the archive alone") {
    box.unpublish();
    remove_tree(box.pkgs + "/a-1.0-0");
    CHECK(cache.missing(std::vector{a, b}).empty());
    CountingReporter second;
    box.ensure(cache, {a, b}, &second);
    CHECK(second.cached == 1);
    CHECK(second.started == 0);
    CHECK(second.extracted == 1);
    CHECK(read_file(box.pkgs + "/a-1.0-0/lib/a.txt") == "hello");
  }
  SECTION("a damaged archive is fetched anew") {
    remove_tree(box.pkgs + "/a-1.0-0");
    std::string bytes = read_file(box.pkgs + "/a-1.0-0.conda");
    bytes[bytes.size() / 2] = static_cast<char>(bytes[bytes.size() / 2] ^ 1);
    overwrite_in_place(box.pkgs + "/a-1.0-0.conda", bytes);
    CHECK(cache.missing(std::vector{a, b}).size() == 1);
    CountingReporter second;
    box.ensure(cache, {a, b}, &second);
    CHECK(second.started == 1);
    CHECK(sha256(read_file(box.pkgs + "/a-1.0-0.conda")) == a.sha256);
  }
}

TEST_CASE("legacy .tar.bz2 packages without paths.json") {
  CacheSandbox box;
  const std::vector<Member> members{
      file("bin/old", "#!/opt/anaconda1anaconda2anaconda3/bin/python\n", 0755), file("lib/data", "data"), soft_link("lib/link", "data"),
      hard_link("lib/hard", "lib/data"), file("unlisted", "not installed"),
      file("info/files", "bin/old\nlib/data\nlib/link\nlib/hard\n"), file("info/has_prefix", "bin/old\n"),
      file("info/no_link", "lib/data\n"),
      file("info/index.json", R"({"name": "old", "version": "1.0", "build": "0", "build_number": 0, "depends": []})")};
  const RepoDataRecord record = box.publish("old", tar_bz2_bytes(members), ".tar.bz2");
  const CachedPackage fresh = box.ensure_one(record);
  REQUIRE(fresh.paths.paths.size() == 4);
  CHECK(fresh.paths.paths[0].prefix_placeholder == "/opt/anaconda1anaconda2anaconda3");
  CHECK(fresh.paths.paths[1].no_link);
  CHECK(fresh.paths.paths[1].sha256 == sha256("data"));
  CHECK(fresh.paths.paths[1].size_in_bytes == 4);
  CHECK(fresh.paths.paths[2].path_type == PathType::softlink);
  CHECK(fresh.paths.paths[3].sha256 == sha256("data"));

  const CachedPackage again = box.ensure_one(record);
  REQUIRE(again.paths.paths.size() == 4);
  CHECK(again.paths.paths[2].path_type == PathType::softlink);
  CHECK(PackageCache::verify(again).empty());
  // The manifest knows what the legacy list does not: content.
  overwrite_in_place(again.extracted_directory + "/lib/data", "DATA");
  CHECK(PackageCache::verify(again).size() == 1);
  CHECK(read_file(box.ensure_one(record).extracted_directory + "/lib/data") == "data");
}

TEST_CASE("link.json is read") {
  CacheSandbox box;
  auto members = CacheSandbox::sample("py", "x");
  members.push_back(file("info/link.json", R"({"noarch": {"type": "python", "entry_points": ["run = py.main:go"]}, "package_metadata_version": 1})"));
  const RepoDataRecord record = box.publish_members("py", members);
  for (int round = 0; round < 2; ++round) {
    const CachedPackage package = box.ensure_one(record);
    CHECK(package.link.noarch_python);
    REQUIRE(package.link.entry_points.size() == 1);
    CHECK(package.link.entry_points[0].command == "run");
  }
}

TEST_CASE("one name, two contents") {
  CacheSandbox box;
  const RepoDataRecord mine = box.publish_sample("a", "mine"), theirs = box.publish_sample("a", "theirs", "elsewhere");
  PackageCache cache({box.pkgs});
  SECTION("one after the other") {
    box.ensure(cache, {mine});
    CHECK(cache.missing(std::vector{theirs}).size() == 1);
    const auto second = box.ensure(cache, {theirs});
    CHECK(second[0].extracted_directory != box.pkgs + "/a-1.0-0");
  }
  SECTION("together") { box.ensure(cache, {mine, theirs}); }
  for (int round = 0; round < 2; ++round) {
    const auto packages = box.ensure(cache, {mine, theirs});
    REQUIRE(packages.size() == 2);
    CHECK(packages[0].extracted_directory != packages[1].extracted_directory);
    CHECK(read_file(packages[0].extracted_directory + "/lib/a.txt") == "mine");
    CHECK(read_file(packages[1].extracted_directory + "/lib/a.txt") == "theirs");
    CHECK(packages[0].record.channel == mine.channel);
    CHECK(packages[1].record.channel == theirs.channel);
    // And from the archives alone.
    box.unpublish();
    remove_tree(box.root.path() + "/elsewhere");
    remove_tree(packages[0].extracted_directory);
    remove_tree(packages[1].extracted_directory);
    if (round == 0 && cache.missing(std::vector{mine, theirs}).size() == 2) break;
  }
}

TEST_CASE("the same content from another place is the same package") {
  CacheSandbox box;
  const RepoDataRecord record = box.publish_sample("a");
  box.ensure_one(record);
  box.unpublish();
  RepoDataRecord mirrored = record;
  mirrored.url = "https://mirror.example/noarch/a-1.0-0.conda";
  mirrored.channel = "https://mirror.example";
  CHECK(box.ensure_one(mirrored).record.url == mirrored.url);
  // Without sha256 only the URL tells.
  mirrored.sha256.reset();
  CHECK(PackageCache({box.pkgs}).missing(std::vector{mirrored}).empty());  // the archive has the md5
  remove_file(box.pkgs + "/a-1.0-0.conda");
  CHECK(PackageCache({box.pkgs}).missing(std::vector{mirrored}).size() == 1);
  RepoDataRecord weak = record;
  weak.sha256.reset();
  CHECK(PackageCache({box.pkgs}).missing(std::vector{weak}).empty());
}

TEST_CASE("records made from a URL alone") {
  CacheSandbox box;
  const RepoDataRecord full = box.publish_sample("a");
  RepoDataRecord bare;
  bare.name = "a";
  bare.version = "1.0";
  bare.build = "0";
  bare.fn = full.fn;
  bare.url = full.url;
  bare.channel = full.channel;
  for (int round = 0; round < 2; ++round) {
    const CachedPackage package = box.ensure_one(bare);
    CHECK(package.record.depends == std::vector<std::string>{"zlib >=1.2"});
    CHECK(package.record.subdir == "noarch");
    CHECK(package.record.sha256 == full.sha256);
    CHECK(package.record.url == full.url);
  }
  // A package built anew under the same name at the same place is not taken for the old one.
  const RepoDataRecord newer = box.publish_sample("a", "newer");
  const CachedPackage package = box.ensure_one(bare);
  CHECK(package.record.sha256 == newer.sha256);
  CHECK(read_file(package.extracted_directory + "/lib/a.txt") == "newer");
}

TEST_CASE("records with only md5, only size") {
  CacheSandbox box;
  RepoDataRecord record = box.publish_sample("a");
  record.sha256.reset();
  SECTION("md5") {
    CHECK(box.ensure_one(record).record.sha256.has_value());
    CHECK(box.ensure_one(record).extracted_directory == box.pkgs + "/a-1.0-0");
    record.md5 = md5("something else");
    CHECK(error_kind_of([&] { box.ensure_one(record); }) == ErrorKind::checksum);
  }
  SECTION("size") {
    record.md5.reset();
    record.size += 1;
    CHECK(error_kind_of([&] { box.ensure_one(record); }).has_value());
    CHECK(box.is_clean());
  }
}

TEST_CASE("several caches") {
  CacheSandbox box;
  const RepoDataRecord a = box.publish_sample("a"), b = box.publish_sample("b");
  {
    PackageCache shared({box.other});
    box.ensure(shared, {a});
  }
  PackageCache cache({box.pkgs, box.other + "/"});
  const auto packages = box.ensure(cache, {a, b});
  CHECK(packages[0].extracted_directory == box.other + "/a-1.0-0");
  CHECK(packages[1].extracted_directory == box.pkgs + "/b-1.0-0");
  SECTION("an archive in another cache will do") {
    remove_tree(box.other + "/a-1.0-0");
    box.unpublish();
    const auto again = box.ensure(cache, {a});
    CHECK(again[0].extracted_directory == box.pkgs + "/a-1.0-0");
    CHECK(again[0].archive_path == box.other + "/a-1.0-0.conda");
  }
  SECTION("a damaged package in another cache is passed by") {
    remove_file(box.other + "/a-1.0-0/bin/a");
    const auto again = box.ensure(cache, {a});
    CHECK(again[0].extracted_directory == box.pkgs + "/a-1.0-0");
    CHECK_FALSE(exists(box.other + "/a-1.0-0/bin/a"));
  }
}

TEST_CASE("no cache can be written to") {
  CacheSandbox box;
  const RepoDataRecord record = box.publish_sample("a");
  write_new_file(box.pkgs, "a file in the way");
  CHECK(error_kind_of([&] { box.ensure_one(record); }) == ErrorKind::permission);
  PackageCache none({});
  CHECK(error_kind_of([&] { none.writable_directory(); }) == ErrorKind::permission);
  // The next one is taken.
  PackageCache two({box.pkgs, box.other});
  CHECK(two.writable_directory() == box.other);
}

TEST_CASE("nothing wanted, nothing done") {
  CacheSandbox box;
  PackageCache cache({box.pkgs});
  CHECK(box.ensure(cache, {}).empty());
  CHECK_FALSE(exists(box.pkgs));
}
