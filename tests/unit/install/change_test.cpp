#include <sys/stat.h>

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
  TemporaryDirectory folder{"/tmp", "envtool-install-"};
  std::string cache = folder.path() + "/pkgs";
  Prefix prefix{folder.path() + "/envs/one"};
  Place() { fs::create_directories(cache); }
  PackageBuilder package(std::string name, std::string version = "1.0") { return {cache, std::move(name), std::move(version)}; }
};

ino_t inode(const std::string& path) {
  struct stat status{};
  REQUIRE(lstat(path.c_str(), &status) == 0);
  return status.st_ino;
}
}  // namespace

TEST_CASE("a created environment has every kind of file, and its records say so") {
  Place place;
  const std::string place_holder = placeholder;
  const PackageSource a = place.package("alpha")
                              .file("bin/alpha", "#!/bin/sh\necho alpha\n", 0755)
                              .text("etc/alpha.conf", "root=" + place_holder + "/share\n")
                              .binary("lib/libalpha.so", "x" + place_holder + "/lib" + std::string(1, '\0') + "tail")
                              .no_link("share/copied", "copied\n")
                              .link("lib/libalpha.so.1", "libalpha.so")
                              .folder("var/empty");
  const InstallResult result = install(place.prefix, {a});
  CHECK(result.linked_packages == 1);

  const std::string root = place.prefix.path();
  CHECK(inode(root + "/bin/alpha") == inode(a.extracted_directory + "/bin/alpha"));
  CHECK(inode(root + "/share/copied") != inode(a.extracted_directory + "/share/copied"));
  CHECK(slurp(root + "/etc/alpha.conf") == "root=" + root + "/share\n");
  const std::string padding(place_holder.size() - root.size(), '\0');
  CHECK(slurp(root + "/lib/libalpha.so") == "x" + root + "/lib" + padding + std::string(1, '\0') + "tail");
  CHECK(fs::read_symlink(root + "/lib/libalpha.so.1") == "libalpha.so");
  CHECK(fs::is_directory(root + "/var/empty"));
  CHECK(is_environment(place.prefix));

  const PrefixData data = PrefixData::load(place.prefix);
  const PrefixRecord* record = data.find("alpha");
  REQUIRE(record != nullptr);
  CHECK(record->files.size() == 5);
  for (const PathEntry& entry : record->paths)
    if (entry.path == "etc/alpha.conf") {
      REQUIRE(entry.sha256_in_prefix);
      CHECK(*entry.sha256_in_prefix == sha256(slurp(root + "/etc/alpha.conf")));
      CHECK(*entry.sha256 != *entry.sha256_in_prefix);
    }
  const History history = History::load(place.prefix);
  REQUIRE(history.entries().size() == 1);
  CHECK(history.entries()[0].linked == std::vector<std::string>{"test/linux-64::alpha-1.0-0"});
  // Nothing is left beside it.
  CHECK(list_directory(place.folder.path() + "/envs") == std::vector<std::string>{"one"});
}

TEST_CASE("an update gives what a fresh creation gives") {
  Place place;
  const std::string p = placeholder;
  const PackageSource old_a = place.package("alpha").file("bin/alpha", "old").text("etc/a", p + " 1").file("share/gone/a", "x").link("lib/l", "one");
  const PackageSource new_a = place.package("alpha", "2.0").file("bin/alpha", "new", 0755).text("etc/a", p + " 2").file("share/came/b", "y").link("lib/l", "two");
  const PackageSource beta = place.package("beta").file("bin/beta", "beta");
  const PackageSource gamma = place.package("gamma").file("bin/gamma", "gamma").folder("var/gamma");
  install(place.prefix, {old_a, beta});
  const InstallResult result = install(place.prefix, {new_a, gamma});
  CHECK(result.saved.empty());

  const Prefix fresh(place.folder.path() + "/envs/two");
  // The prefix text differs, so the paths have to be of one length for a byte-wise comparison.
  install(fresh, {new_a, gamma});
  Manifest expected = manifest(fresh.path()), actual = manifest(place.prefix.path());
  expected.erase("etc/a");
  actual.erase("etc/a");
  expected.erase("conda-meta/alpha-2.0-0.json");
  actual.erase("conda-meta/alpha-2.0-0.json");
  CHECK(difference(expected, actual) == "");
  CHECK(slurp(place.prefix / "etc/a") == place.prefix.path() + " 2");
  CHECK(History::load(place.prefix).entries().size() == 2);
  CHECK_FALSE(fs::exists(place.prefix.transaction_directory()));
}

TEST_CASE("many files, several threads") {
  Place place;
  const std::string p = placeholder;
  const auto big = [&](const std::string& version) {
    PackageBuilder builder = place.package("big", version);
    for (int i = 0; i < 2500; ++i) {
      const std::string path = "lib/d" + std::to_string(i % 37) + "/f" + std::to_string(i);
      if (i % 10 == 0)
        builder.text(path, p + "/" + version + "/" + std::to_string(i));
      else
        builder.file(path, version + " " + std::to_string(i));
    }
    return builder.build();
  };
  InstallOptions options;
  options.durability = Durability::none;
  options.threads = 4;
  const PackageSource one = big("1"), two = big("2");
  install(place.prefix, {one}, options);
  const InstallResult result = install(place.prefix, {two}, options);
  CHECK(result.files == 2500);
  CHECK(result.saved.empty());
  const Manifest updated = manifest(place.prefix.path());
  fs::remove_all(place.prefix.path());
  options.threads = 1;
  install(place.prefix, {two}, options);
  CHECK(difference(manifest(place.prefix.path()), updated) == "");
  // Stopped half-way: as it was.
  std::stop_source stop;
  struct Stopper : InstallReporter {
    std::stop_source* source = nullptr;
    void on_stage_progress(std::size_t done, std::size_t) override {
      if (done > 500) source->request_stop();
    }
  } stopper;
  stopper.source = &stop;
  options.reporter = &stopper;
  options.threads = 4;
  {
    PrefixLock lock = PrefixLock::acquire(place.prefix, options);
    CHECK_THROWS_AS(apply_to_prefix(lock, plan_for(place.prefix, {one}), {}, options, stop.get_token()), Error);
  }
  CHECK(difference(updated, manifest(place.prefix.path())) == "");
  install(place.prefix, {}, {});
  CHECK(list_directory(place.prefix.path()) == std::vector<std::string>{"conda-meta"});
}
