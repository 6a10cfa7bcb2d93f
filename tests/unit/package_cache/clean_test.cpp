#include <unistd.h>

#include "cache_sandbox.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

std::vector<std::string> names(const std::vector<PackageCache::CleanItem>& items) {
  std::vector<std::string> result;
  for (const auto& item : items) result.push_back(item.path.substr(item.path.rfind('/') + 1));
  return result;
}

}  // namespace

TEST_CASE("what can be cleaned") {
  CacheSandbox box;
  std::vector<Member> members = with_metadata("hard", "1.0", "0", {file("lib/x", "x"), hard_link("lib/y", "lib/x")});
  const std::vector<RepoDataRecord> records{box.publish_sample("used"), box.publish_sample("free"),
                                            box.publish_members("hard", members)};
  PackageCache cache({box.pkgs});
  box.ensure(cache, records);
  REQUIRE(::link((box.pkgs + "/used-1.0-0/lib/used.txt").c_str(), (box.root.path() + "/environment-file").c_str()) == 0);
  make_directories(box.pkgs + "/.tmp/left-1.0-0.abcdef/package");
  write_new_file(box.pkgs + "/.tmp/left-1.0-0.abcdef/package/file", "12345");
  write_new_file(box.pkgs + "/x-1-0.conda.part", "123");
  write_new_file(box.pkgs + "/notes.txt", "the user's own");
  make_directories(box.pkgs + "/cache");  // conda's repodata cache lies here
  write_new_file(box.pkgs + "/cache/0123.json", "{}");

  const auto plan = cache.plan_clean(true, true, false);
  CHECK(names(plan.tarballs) == std::vector<std::string>{"free-1.0-0.conda", "hard-1.0-0.conda", "used-1.0-0.conda"});
  CHECK(names(plan.packages) == std::vector<std::string>{"free-1.0-0", "hard-1.0-0"});
  CHECK(names(plan.temporary) == std::vector<std::string>{"x-1-0.conda.part", "left-1.0-0.abcdef"});
  CHECK(plan.temporary[1].bytes == 5);
  CHECK(plan.tarballs[0].bytes == records[1].size);
  CHECK(plan.packages[0].bytes > 0);
  CHECK(names(cache.plan_clean(false, true, true).packages) ==
        std::vector<std::string>{"free-1.0-0", "hard-1.0-0", "used-1.0-0"});
  CHECK(cache.plan_clean(false, false, false).tarballs.empty());
  CHECK(cache.plan_clean(false, false, true).packages.empty());

  CHECK(cache.clean(plan).empty());
  CHECK(list_directory(box.pkgs) ==
        std::vector<std::string>{".locks", ".tmp", "cache", "notes.txt", "urls", "urls.txt", "used-1.0-0"});
  CHECK(list_directory(box.pkgs + "/.tmp").empty());
  // A second time, with everything gone, is fine.
  CHECK(cache.clean(plan).empty());
}

TEST_CASE("byte code that no environment shares is cleaned") {
  CacheSandbox box;
  PackageCache cache({box.pkgs});
  box.ensure(cache, {box.publish_sample("a")});
  const std::string kept = box.pkgs + "/.byte-code/aa/used.pyc", environment = box.root.path() + "/used.pyc";
  make_directories(box.pkgs + "/.byte-code/aa");
  write_new_file(kept, "shared");
  link_or_copy(kept, environment);
  CHECK(cache.plan_clean(false, true, false).packages.size() == 1);  // the package alone: nothing would be won
  write_new_file(box.pkgs + "/.byte-code/aa/unused.pyc", "12345");
  const auto plan = cache.plan_clean(false, true, false);
  REQUIRE(plan.packages.size() == 2);
  CHECK(plan.packages[1].path == box.pkgs + "/.byte-code");
  CHECK(plan.packages[1].bytes == 5);
  CHECK(cache.plan_clean(true, false, false).packages.empty());
  CHECK(cache.clean(plan).empty());
  CHECK_FALSE(exists(box.pkgs + "/.byte-code"));
  CHECK(read_file(environment) == "shared");
}

TEST_CASE("packages that are held are not cleaned") {
  CacheSandbox box;
  PackageCache cache({box.pkgs});
  const RepoDataRecord record = box.publish_sample("a");
  std::vector<CachedPackage> held = box.ensure(cache, {record});
  const auto plan = cache.plan_clean(true, true, true);
  CHECK(cache.clean(plan) == std::vector<std::string>{box.pkgs});
  CHECK(exists(box.pkgs + "/a-1.0-0/bin/a"));
  const CachedPackage copy = held.front();
  held.clear();
  CHECK(cache.clean(plan).size() == 1);
}

TEST_CASE("a package that nobody holds any more is cleaned") {
  CacheSandbox box;
  PackageCache cache({box.pkgs});
  box.ensure(cache, {box.publish_sample("a")});
  CHECK(cache.clean(cache.plan_clean(true, true, true)).empty());
  CHECK_FALSE(exists(box.pkgs + "/a-1.0-0"));
  CHECK_FALSE(exists(box.pkgs + "/a-1.0-0.conda"));
}

TEST_CASE("a plan cannot remove what is no part of the cache") {
  CacheSandbox box;
  PackageCache cache({box.pkgs});
  box.ensure(cache, {box.publish_sample("a")});
  write_new_file(box.root.path() + "/victim", "x");
  for (const std::string& path : {box.root.path() + "/victim", box.pkgs + "/../victim", box.pkgs + "/a-1.0-0/bin", box.pkgs + "/.locks",
                                 box.pkgs + "/.tmp", box.pkgs + "/..", box.pkgs + "/", std::string("victim"), std::string()}) {
    CAPTURE(path);
    PackageCache::CleanPlan plan;
    plan.packages.push_back({path, 0});
    CHECK(error_kind_of([&] { cache.clean(plan); }) == ErrorKind::usage);
  }
  CHECK(exists(box.root.path() + "/victim"));
}

TEST_CASE("leftovers of dead processes go after a day") {
  CacheSandbox box;
  make_directories(box.pkgs + "/.tmp/young-1.0-0.abcdef");
  box.ensure_one(box.publish_sample("a"));
  CHECK(exists(box.pkgs + "/.tmp/young-1.0-0.abcdef"));
}

TEST_CASE("no cache, nothing to clean") {
  CacheSandbox box;
  PackageCache cache({box.pkgs});
  const auto plan = cache.plan_clean(true, true, true);
  CHECK(plan.tarballs.empty());
  CHECK(plan.packages.empty());
  CHECK(plan.temporary.empty());
  CHECK(cache.clean(plan).empty());
  CHECK_FALSE(exists(box.pkgs));
}
