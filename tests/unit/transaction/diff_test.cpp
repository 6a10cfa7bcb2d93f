#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/transaction/transaction.hpp"

using namespace envtool;

namespace {
RepoDataRecord record(const std::string& name, const std::string& version, const std::string& build = "0",
                      std::vector<std::string> depends = {}) {
  RepoDataRecord result;
  result.name = name;
  result.version = version;
  result.build = build;
  result.subdir = "linux-64";
  result.channel = "https://conda.anaconda.org/test";
  result.fn = result.dist() + ".conda";
  result.sha256 = sha256(result.dist());
  result.depends = std::move(depends);
  return result;
}
PrefixRecord installed(const RepoDataRecord& from) {
  PrefixRecord result;
  static_cast<RepoDataRecord&>(result) = from;
  return result;
}
template <typename Records>
std::vector<std::string> names(const Records& records) {
  std::vector<std::string> result;
  for (const auto& item : records) result.push_back(item.name);
  return result;
}
using Names = std::vector<std::string>;
}  // namespace

TEST_CASE("a difference has what comes, goes, changes and stays") {
  const auto a1 = record("a", "1"), a2 = record("a", "2"), b = record("b", "1"), c = record("c", "1"), d = record("d", "1");
  const Transaction t = diff({installed(a1), installed(b), installed(c)}, {a2, c, d});
  CHECK(names(t.install) == Names{"d"});
  CHECK(names(t.remove) == Names{"b"});
  CHECK(names(t.keep) == Names{"c"});
  REQUIRE(t.change.size() == 1);
  CHECK(t.change[0].kind == PackageChange::Kind::upgrade);
  CHECK(diff({installed(a2)}, {a1}).change[0].kind == PackageChange::Kind::downgrade);
  CHECK(diff({installed(a1)}, {record("a", "1", "1")}).change[0].kind == PackageChange::Kind::rebuild);
  CHECK(diff({installed(a1)}, {a1}).empty());
  CHECK(diff({installed(a1)}, {a1}, {"a"}).change[0].kind == PackageChange::Kind::reinstall);
}

TEST_CASE("a package is the same by its digest, whatever mirror it came from") {
  auto here = record("a", "1"), there = here;
  there.channel = "https://mirror.example/test";
  CHECK(diff({installed(here)}, {there}).empty());
  there.sha256 = sha256("other content");
  CHECK_FALSE(diff({installed(here)}, {there}).empty());
  // Without digests the channel decides.
  here.sha256.reset();
  there.sha256.reset();
  CHECK_FALSE(diff({installed(here)}, {there}).empty());
  there.channel = here.channel;
  CHECK(diff({installed(here)}, {there}).empty());
}

TEST_CASE("noarch Python packages are linked anew when Python's folders move") {
  auto pure = record("pure", "1");
  pure.noarch = NoarchType::python;
  auto old_python = record("python", "3.11.4"), patch = record("python", "3.11.9"), minor = record("python", "3.12.0");
  CHECK(names(diff({installed(pure), installed(old_python)}, {pure, patch}).keep) == Names{"pure"});
  const Transaction moved = diff({installed(pure), installed(old_python)}, {pure, minor});
  REQUIRE(moved.change.size() == 2);
  CHECK(moved.change[0].from.name == "pure");
  CHECK(moved.change[0].kind == PackageChange::Kind::reinstall);
}

TEST_CASE("dependencies are linked first and unlinked last") {
  const auto top = record("app", "1", "0", {"lib >=1", "zlib"}), lib = record("lib", "1", "0", {"zlib"}), z = record("zlib", "1");
  CHECK(names(diff({}, {top, lib, z}).to_link()) == Names{"zlib", "lib", "app"});
  CHECK(names(diff({installed(top), installed(lib), installed(z)}, {}).to_unlink()) == Names{"app", "lib", "zlib"});
}

TEST_CASE("two wanted packages of one name are a bug, said at once") {
  CHECK_THROWS_AS(diff({}, {record("a", "1"), record("a", "2")}), Error);
}
