// Who has a path: packages that clash, files of the user in the way, symlinks that lead away.
#include <sys/stat.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>

#include "envtool/base/error.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "install_fixture.hpp"

using namespace envtool;
using namespace envtool::test;
namespace fs = std::filesystem;

namespace {
struct Place {
  TemporaryDirectory folder{"/tmp", "envtool-owner-"};
  std::string cache = folder.path() + "/pkgs";
  Prefix prefix{folder.path() + "/envs/one"};
  Place() { fs::create_directories(cache); }
  PackageBuilder package(std::string name, std::string version = "1.0") { return {cache, std::move(name), std::move(version)}; }
};

InstallOptions quick() {
  InstallOptions options;
  options.durability = Durability::none;
  return options;
}

/// The tree without the records, whose times differ.
Manifest files_of(const Prefix& prefix) {
  Manifest all = manifest(prefix.path());
  std::erase_if(all, [](const auto& item) { return item.first.starts_with("conda-meta"); });
  return all;
}

ErrorKind kind_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("no error");
  return ErrorKind::internal;
}
}  // namespace

TEST_CASE("three packages with one path: the tree does not depend on the order of coming and going") {
  Place place;
  const std::string p = placeholder;
  std::vector<PackageSource> packages{
      place.package("one").file("clash", "from one").text("clash.txt", p + " one").link("clash.link", "one").file("only-one", "1"),
      place.package("two").file("clash", "from two").text("clash.txt", p + " two").link("clash.link", "two").file("only-two", "2"),
      place.package("three").file("clash", "from two").text("clash.txt", p + " three").file("clash.link", "a file").file("only-three", "3")};
  // What each set of packages looks like when it is created at once.
  std::map<std::set<std::size_t>, Manifest> expected;
  for (unsigned mask = 0; mask < 8; ++mask) {
    std::vector<PackageSource> wanted;
    std::set<std::size_t> set;
    for (std::size_t i = 0; i < 3; ++i)
      if (mask & (1U << i)) {
        wanted.push_back(packages[i]);
        set.insert(i);
      }
    fs::remove_all(place.prefix.path());
    install(place.prefix, wanted, quick());
    expected[set] = files_of(place.prefix);
  }
  REQUIRE(expected.at({0, 1, 2}).at("clash") == expected.at({1}).at("clash"));  // `two` is last by name

  std::vector<std::size_t> coming{0, 1, 2};
  int walks = 0;
  do {
    std::vector<std::size_t> going{0, 1, 2};
    do {
      fs::remove_all(place.prefix.path());
      std::set<std::size_t> present;
      std::vector<std::size_t> steps = coming;
      steps.insert(steps.end(), going.begin(), going.end());
      install(place.prefix, {}, quick());
      for (std::size_t step = 0; step < steps.size(); ++step) {
        if (step < 3)
          present.insert(steps[step]);
        else
          present.erase(steps[step]);
        std::vector<PackageSource> wanted;
        for (std::size_t i : present) wanted.push_back(packages[i]);
        const InstallResult result = install(place.prefix, wanted, quick());
        CHECK(result.saved.empty());
        CAPTURE(coming, going, step);
        REQUIRE(difference(expected.at(present), files_of(place.prefix)) == "");
      }
      CHECK(parked_files(place.prefix).empty());
      ++walks;
    } while (std::next_permutation(going.begin(), going.end()));
  } while (std::next_permutation(coming.begin(), coming.end()));
  CHECK(walks == 36);
}

TEST_CASE("a loser that is updated while it is parked comes back new") {
  Place place;
  const PackageSource winner = place.package("z").file("x", "z's"), loser = place.package("a").file("x", "a's first"),
                      better = place.package("a", "2.0").file("x", "a's second");
  install(place.prefix, {winner, loser}, quick());
  CHECK(parked_files(place.prefix).size() == 1);
  install(place.prefix, {winner, better}, quick());
  CHECK(slurp(place.prefix / "x") == "z's");
  CHECK(parked_files(place.prefix).size() == 1);
  install(place.prefix, {better}, quick());
  CHECK(slurp(place.prefix / "x") == "a's second");
  CHECK(parked_files(place.prefix).empty());
}

TEST_CASE("what stands in the way and is not ours is kept aside") {
  Place place;
  install(place.prefix, {place.package("base").file("bin/base", "base")}, quick());
  spit(place.prefix / "bin/tool", "mine");
  spit(place.prefix / "bin/same", "packaged");
  spit(place.prefix / "share/folder/inner", "mine too");
  fs::create_directories(place.prefix / "lib");
  fs::create_symlink("/nowhere", place.prefix / "lib/link");
  spit(place.prefix / "file-for-folder", "a file");
  const PackageSource tool = place.package("tool").file("bin/tool", "packaged").file("bin/same", "packaged").file("share/folder", "a file now")
                                 .file("lib/link", "a file too").file("file-for-folder/inner", "below");
  const InstallResult result = install(place.prefix, {place.package("base").file("bin/base", "base"), tool}, quick());
  std::map<std::string, std::string> saved(result.saved.begin(), result.saved.end());
  CHECK(saved.size() == 4);
  CHECK(slurp(place.prefix / saved.at("bin/tool")) == "mine");
  CHECK(slurp(place.prefix / saved.at("share/folder") + "/inner") == "mine too");
  CHECK(fs::read_symlink(place.prefix / saved.at("lib/link")) == "/nowhere");
  CHECK(slurp(place.prefix / saved.at("file-for-folder")) == "a file");
  CHECK(slurp(place.prefix / "file-for-folder/inner") == "below");
  CHECK(slurp(place.prefix / "bin/tool") == "packaged");
  // A package that goes takes its own files only.
  install(place.prefix, {place.package("base").file("bin/base", "base")}, quick());
  CHECK(slurp(place.prefix / saved.at("bin/tool")) == "mine");
  CHECK_FALSE(fs::exists(place.prefix / "bin/tool"));
  CHECK_FALSE(fs::exists(place.prefix / "file-for-folder"));
}

TEST_CASE("edited files of packages are kept aside when they are replaced or removed") {
  Place place;
  const std::string p = placeholder;
  const PackageSource first = place.package("a").file("etc/a", "packaged").text("etc/b", p + "\n").file("etc/c", "packaged").link("etc/l", "c").file("etc/d", "untouched");
  const PackageSource second = place.package("a", "2.0").file("etc/a", "newer").text("etc/b", p + " newer\n").file("etc/d", "newer");
  install(place.prefix, {first}, quick());
  for (const char* name : {"etc/a", "etc/b", "etc/c"}) {
    fs::remove(place.prefix / name);  // as editors do: a new file, renamed
    spit(place.prefix / name, std::string("edited ") + name);
  }
  fs::remove(place.prefix / "etc/l");
  spit(place.prefix / "etc/l", "no symlink any more");
  const InstallResult result = install(place.prefix, {second}, quick());
  std::map<std::string, std::string> saved(result.saved.begin(), result.saved.end());
  REQUIRE(saved.size() == 4);
  for (const char* name : {"etc/a", "etc/b", "etc/c"}) CHECK(slurp(place.prefix / saved.at(name)) == std::string("edited ") + name);
  CHECK(slurp(place.prefix / saved.at("etc/l")) == "no symlink any more");
  CHECK(slurp(place.prefix / "etc/a") == "newer");
  CHECK(slurp(place.prefix / "etc/d") == "newer");
  CHECK_FALSE(fs::exists(place.prefix / "etc/c"));
}

TEST_CASE("a reinstallation repairs, and repeated it changes nothing") {
  Place place;
  const std::string p = placeholder;
  const PackageSource a = place.package("a").file("bin/a", "a", 0755).text("etc/a", p).link("lib", "bin");
  install(place.prefix, {a}, quick());
  const Manifest whole = files_of(place.prefix);
  CHECK(install(place.prefix, {a}, quick(), {}, {"a"}).saved.empty());
  CHECK(difference(whole, files_of(place.prefix)) == "");
  fs::remove(place.prefix / "bin/a");
  fs::remove(place.prefix / "lib");
  CHECK(install(place.prefix, {a}, quick(), {}, {"a"}).saved.empty());
  CHECK(difference(whole, files_of(place.prefix)) == "");
}

TEST_CASE("rewritten files never share an inode with the cache, and the cache stays as it was") {
  Place place;
  const std::string p = placeholder;
  const PackageSource a = place.package("a").text("etc/a", "path " + p, 0444).binary("lib/b", p + std::string(1, '\0'), 0555).file("c", "c");
  const Manifest cache = manifest(place.cache);
  for (int i = 0; i < 20; ++i) {
    const Prefix prefix(place.folder.path() + "/envs/" + std::to_string(i));
    install(prefix, {a}, quick());
    install(prefix, {a}, quick(), {}, {"a"});
    for (const char* name : {"etc/a", "lib/b"}) {
      struct stat status{};
      REQUIRE(lstat((prefix / name).c_str(), &status) == 0);
      CHECK(status.st_nlink == 1);
    }
  }
  CHECK(difference(cache, manifest(place.cache)) == "");
}

TEST_CASE("symlinks that lead out of the environment are not followed") {
  Place place;
  const std::string outside = place.folder.path() + "/outside";
  spit(outside + "/victim", "untouched");
  const auto base = [&] { return place.package("base").file("share/base", "base"); };

  SECTION("planted by the user where a package needs a folder") {
    install(place.prefix, {base()}, quick());
    fs::create_symlink(outside, place.prefix / "data");
    const Manifest before = manifest(place.prefix.path());
    CHECK(kind_of([&] { install(place.prefix, {base(), place.package("a").file("data/victim", "evil")}, quick()); }) == ErrorKind::unsafe);
    CHECK(difference(before, manifest(place.prefix.path())) == "");
    CHECK_FALSE(has_pending_change(place.prefix));
  }
  SECTION("brought by another package, in a new environment and in an old one") {
    const PackageSource link = place.package("link").link("data", outside), file = place.package("file").file("data/victim", "evil");
    CHECK(kind_of([&] { install(place.prefix, {link, file}, quick()); }) == ErrorKind::unsafe);
    CHECK_FALSE(fs::exists(place.prefix.path()));
    install(place.prefix, {link}, quick());
    CHECK(kind_of([&] { install(place.prefix, {link, file}, quick()); }) == ErrorKind::unsafe);
  }
  SECTION("in place of a package's folder when the package is removed") {
    const PackageSource a = place.package("a").file("data/victim", "packaged").file("x", "x");
    install(place.prefix, {base(), a}, quick());
    fs::remove_all(place.prefix / "data");
    fs::create_symlink(outside, place.prefix / "data");
    install(place.prefix, {base()}, quick());
    CHECK_FALSE(fs::exists(place.prefix / "x"));
  }
  SECTION("an inner symlink is fine") {
    const PackageSource link = place.package("link").link("lib64", "lib").file("lib/own", "1"), file = place.package("file").file("lib64/x", "2");
    install(place.prefix, {link, file}, quick());
    CHECK(slurp(place.prefix / "lib/x") == "2");
    install(place.prefix, {link}, quick());
    CHECK_FALSE(fs::exists(place.prefix / "lib/x"));
    install(place.prefix, {link, file}, quick());
    CHECK(slurp(place.prefix / "lib/x") == "2");
  }
  CHECK(slurp(outside + "/victim") == "untouched");
  CHECK(list_directory(outside) == std::vector<std::string>{"victim"});
}

TEST_CASE("a package's files are not taken from behind a symlink in the cache") {
  Place place;
  const std::string outside = place.folder.path() + "/outside";
  spit(outside + "/secret", "of this machine");
  PackageSource a = place.package("a").file("x", "x").file("data/secret", "of this machine");
  fs::remove_all(a.extracted_directory + "/data");
  fs::create_symlink(outside, a.extracted_directory + "/data");
  CHECK(kind_of([&] { install(place.prefix, {a}, quick()); }) == ErrorKind::unsafe);
  CHECK_FALSE(fs::exists(place.prefix.path()));
  const PackageSource b = place.package("b").file("y", "y");
  install(place.prefix, {b}, quick());
  CHECK(kind_of([&] { install(place.prefix, {a, b}, quick()); }) == ErrorKind::unsafe);
  CHECK_FALSE(fs::exists(place.prefix / "x"));
}

TEST_CASE("files that move between packages, and files that become folders, cause no conflict") {
  Place place;
  install(place.prefix, {place.package("a").file("moves", "1").file("becomes", "file").link("link", "moves"),
                         place.package("b").file("tree/x", "x").file("tree/deep/y", "y").folder("tree/empty")}, quick());
  const std::vector<PackageSource> next{place.package("a", "2.0").file("becomes/folder", "2").file("link/inner", "3"),
                                        place.package("b", "2.0").file("moves", "1").link("tree", "becomes")};
  CHECK(install(place.prefix, next, quick()).saved.empty());
  const Manifest updated = files_of(place.prefix);
  fs::remove_all(place.prefix.path());
  install(place.prefix, next, quick());
  CHECK(difference(files_of(place.prefix), updated) == "");
}

TEST_CASE("removal takes empty folders and byte code along, never other files") {
  Place place;
  const PackageSource a = place.package("a").file("lib/m/mod.py", "x = 1\n").file("lib/m/sub/deep.py", "y = 2\n").file("lib/n/only", "z");
  install(place.prefix, {a}, quick());
  spit(place.prefix / "lib/m/__pycache__/mod.cpython-312.pyc", "1");
  spit(place.prefix / "lib/m/__pycache__/mod.cpython-312.opt-1.pyc", "1");
  spit(place.prefix / "lib/m/sub/__pycache__/other.cpython-312.pyc", "the user's module");
  spit(place.prefix / "lib/n/user", "mine");
  install(place.prefix, {}, quick());
  CHECK_FALSE(fs::exists(place.prefix / "lib/m/__pycache__"));
  CHECK_FALSE(fs::exists(place.prefix / "lib/m/mod.py"));
  CHECK(slurp(place.prefix / "lib/m/sub/__pycache__/other.cpython-312.pyc") == "the user's module");
  CHECK(slurp(place.prefix / "lib/n/user") == "mine");
  CHECK_FALSE(fs::exists(place.prefix / "lib/n/only"));
  CHECK(is_environment(place.prefix));
}
