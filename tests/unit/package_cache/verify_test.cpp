#include <filesystem>

#include "cache_sandbox.hpp"
#include "manifest.hpp"

using namespace envtool;
using namespace envtool::test;

TEST_CASE("verify finds every kind of damage") {
  CacheSandbox box;
  const CachedPackage package = box.ensure_one(box.publish_sample("a"));
  CHECK(PackageCache::verify(package).empty());
  const std::string directory = package.extracted_directory;
  SECTION("content") {
    overwrite_in_place(directory + "/lib/a.txt", "HELLO");
    REQUIRE(PackageCache::verify(package).size() == 1);
    CHECK(PackageCache::verify(package)[0] == "`lib/a.txt` has other content");
  }
  SECTION("size and missing") {
    overwrite_in_place(directory + "/lib/a.txt", "");
    remove_file(directory + "/bin/a");
    CHECK(PackageCache::verify(package).size() == 2);
  }
  SECTION("symlink") {
    remove_file(directory + "/lib/link");
    CHECK(PackageCache::verify(package) == std::vector<std::string>{"`lib/link` is missing"});
  }
  SECTION("all of it") {
    remove_tree(directory);
    CHECK(PackageCache::verify(package).size() == 1);
  }
}

TEST_CASE("modes and symlinks of a cached package count as its content") {
  CacheSandbox box;
  const RepoDataRecord record = box.publish_sample("a");
  const std::string directory = box.ensure_one(record).extracted_directory;
  SECTION("mode") {
    namespace fs = std::filesystem;
    fs::permissions(directory + "/bin/a", fs::perms::owner_exec, fs::perm_options::remove);
    CHECK(PackageCache::verify(box.ensure_one(record)).empty());
    CHECK((fs::status(directory + "/bin/a").permissions() & fs::perms::owner_exec) != fs::perms::none);
  }
  SECTION("symlink") {
    const auto before = std::filesystem::read_symlink(directory + "/lib/link");
    remove_file(directory + "/lib/link");
    std::filesystem::create_symlink("elsewhere", directory + "/lib/link");
    box.ensure_one(record);
    CHECK(std::filesystem::read_symlink(directory + "/lib/link") == before);
  }
}

TEST_CASE("a doubted package is read in full, and replaced when it is damaged") {
  CacheSandbox box;
  const RepoDataRecord record = box.publish_sample("a");
  const std::string file = box.ensure_one(record).extracted_directory + "/lib/a.txt";
  const std::string good = read_file(file);
  const auto time = std::filesystem::last_write_time(file);
  overwrite_in_place(file, std::string(good.size(), 'x'));
  std::filesystem::last_write_time(file, time);
  // Same size, same time: only a full reading can tell.
  box.ensure_one(record);
  CHECK(read_file(file) != good);
  PackageCache({box.pkgs}).distrust(std::vector{record});
  box.ensure_one(record);
  CHECK(read_file(file) == good);
}

TEST_CASE("manifests: faithful or nothing") {
  Manifest manifest;
  manifest.boot_id = "c0ffee";
  manifest.synced = true;
  manifest.paths = sha256("a");
  manifest.stat = sha256("b");
  manifest.content = sha256("c");
  const std::string text = to_text(manifest);
  CHECK(parse_manifest(text) == manifest);
  manifest.content.reset();
  manifest.boot_id.clear();
  CHECK(parse_manifest(to_text(manifest)) == manifest);
  for (std::size_t i = 0; i < text.size(); ++i) {
    CHECK_FALSE(parse_manifest(text.substr(0, i)).has_value());
    std::string bad = text;
    bad[i] = static_cast<char>(bad[i] ^ 1);
    CHECK_FALSE(parse_manifest(bad).has_value());
  }
  CHECK_FALSE(parse_manifest(text + "x").has_value());
}

TEST_CASE("the packages of the local example channel") {
  const std::filesystem::path out = std::filesystem::path(ENVTOOL_TEST_DATA) / "../../environment-examples/channel/out";
  if (!std::filesystem::is_directory(out)) {
    WARN("skipped: the example channel has not been made");
    return;
  }
  CacheSandbox box;
  std::vector<RepoDataRecord> records;
  for (const auto& found : std::filesystem::recursive_directory_iterator(out)) {
    const auto name = parse_archive_name(found.path().filename().string());
    if (!found.is_regular_file() || !name) continue;
    RepoDataRecord record;
    record.name = name->name;
    record.version = name->version;
    record.build = name->build;
    record.fn = found.path().filename().string();
    record.url = Url::from_path(std::filesystem::canonical(found.path()).string()).str();
    records.push_back(record);
  }
  REQUIRE_FALSE(records.empty());
  PackageCache cache({box.pkgs});
  for (const CachedPackage& package : box.ensure(cache, records)) {
    CAPTURE(package.record.fn);
    CHECK(PackageCache::verify(package).empty());
  }
}
