#include "envtool/lockfile/lockfile.hpp"

#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

using namespace envtool;

namespace {

LockedPackage make(const std::string& name, const std::string& platform, const std::string& category = "main") {
  LockedPackage package;
  package.name = name;
  package.version = "1.0";
  package.build = "h_2";
  package.platform = Platform::parse(platform);
  package.url = Url::parse("https://h/c/" + platform + "/" + name + "-1.0-h_2.conda");
  package.sha256 = sha256(name);
  package.category = category;
  return package;
}

Lockfile make_lock() {
  Lockfile lock;
  lock.platforms = {Platform::parse("linux-64"), Platform::parse("osx-64")};
  lock.packages = {make("b", "linux-64"), make("a", "linux-64"), make("d", "linux-64", "dev"), make("a", "linux-64", "dev"),
                   make("a", "osx-64")};
  return lock;
}

std::string names(const std::vector<LockedPackage>& packages) {
  std::string result;
  for (const LockedPackage& package : packages) result += package.name + " ";
  return result;
}

}  // namespace

TEST_CASE("packages of a platform and of categories") {
  const Lockfile lock = make_lock();
  CHECK(names(select_packages(lock, Platform::parse("linux-64"))) == "a b ");
  CHECK(names(select_packages(lock, Platform::parse("linux-64"), {"dev"})) == "a b d ");
  CHECK(names(select_packages(lock, Platform::parse("osx-64"), {"main"})) == "a ");
}

TEST_CASE("a platform or category that the lock lacks") {
  const Lockfile lock = make_lock();
  try {
    select_packages(lock, Platform::parse("win-64"));
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.why() == "it was made for linux-64, osx-64");
    REQUIRE(error.fields().size() == 1);
    CHECK(error.fields()[0].second == std::vector<std::string>{"linux-64", "osx-64"});
  }
  try {
    select_packages(lock, Platform::parse("linux-64"), {"dve"});
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.hints() == std::vector<std::string>{"did you mean `dev`?", "its categories are dev, main"});
  }
}

TEST_CASE("categories that lock one package differently are an error") {
  Lockfile lock = make_lock();
  lock.packages[3].url = Url::parse("https://h/c/linux-64/a-2.0-h_2.conda");
  CHECK(names(select_packages(lock, Platform::parse("linux-64"))) == "a b ");
  CHECK_THROWS_AS(select_packages(lock, Platform::parse("linux-64"), {"dev"}), Error);
}

TEST_CASE("content hashes follow the packages and nothing else") {
  const Lockfile lock = make_lock();
  const auto hashes = content_hashes(lock);
  REQUIRE(hashes.size() == 2);
  CHECK(hashes.at("linux-64") != hashes.at("osx-64"));
  Lockfile other = lock;
  std::swap(other.packages[0], other.packages[2]);
  other.created_at = "2024-01-01T00:00:00Z";
  CHECK(content_hashes(other) == hashes);
  other.packages[4].sha256 = sha256("x");
  CHECK(content_hashes(other).at("linux-64") == hashes.at("linux-64"));
  CHECK(content_hashes(other).at("osx-64") != hashes.at("osx-64"));
}

TEST_CASE("a locked package becomes a record") {
  LockedPackage package = make("numpy", "linux-64");
  package.url = Url::parse("https://user:canary@h/t/canary/some/c/noarch/numpy-1.0-h_2.conda");
  package.dependencies = {{"python", ">=3,<4"}, {"libc", ""}};
  const RepoDataRecord record = to_record(package);
  CHECK(record.dist() == "numpy-1.0-h_2");
  CHECK(record.build_number == 2);
  CHECK(record.fn == "numpy-1.0-h_2.conda");
  CHECK(record.subdir == "noarch");
  CHECK(record.channel == "https://h/some/c");
  CHECK(record.url == "https://h/some/c/noarch/numpy-1.0-h_2.conda");
  CHECK(record.depends == std::vector<std::string>{"libc", "python >=3,<4"});
  CHECK(record.sha256 == package.sha256);
  CHECK(record.needs_index);
  package.manager = PackageManager::pip;
  CHECK_THROWS_AS(to_record(package), Error);
}

TEST_CASE("a record becomes a locked package") {
  RepoDataRecord record = to_record(make("numpy", "linux-64"));
  record.depends = {"python >=3.11,<3.12.0a0", "python_abi 3.11.* *_cp311", "libc", "numpy-base >=1", "numpy-base <2",
                    "__glibc>=2.17", "libc"};
  const LockedPackage package = to_locked_package(record, Platform::parse("linux-64"), "dev");
  CHECK(package.dependencies == std::map<std::string, std::string>{{"python", ">=3.11,<3.12.0a0"},
                                                                   {"python_abi", "3.11.* *_cp311"},
                                                                   {"libc", ""},
                                                                   {"numpy-base", ">=1,<2"},
                                                                   {"__glibc", ">=2.17"}});
  CHECK(package.category == "dev");
  CHECK(package.optional);
  CHECK(package.url.str() == record.url);
  record.sha256.reset();
  CHECK_THROWS_AS(to_locked_package(record, Platform::parse("linux-64")), Error);
  record.md5 = md5("x");
  CHECK(to_locked_package(record, Platform::parse("linux-64")).md5 == record.md5);
  record.url.clear();
  CHECK_THROWS_AS(to_locked_package(record, Platform::parse("linux-64")), Error);
}
