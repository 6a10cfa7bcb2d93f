#include <sys/mount.h>
#include <unistd.h>

#include "cache_sandbox.hpp"
#include "envtool/records/record_json.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

/// Makes an entry look like one that conda extracted: without a manifest.
void forget_manifest(const std::string& directory) { remove_file(directory + "/info/.envtool-manifest"); }

void unsync(const std::string& directory) {
  // Another boot: the checksum at the end has to fit again, so the text is rebuilt.
  std::string text = read_file(directory + "/info/.envtool-manifest");
  const std::size_t boot = text.find("boot ") + 5;
  text.replace(boot, text.find('\n', boot) - boot, "00000000-0000-0000-0000-000000000000");
  text.resize(text.find("end "));
  overwrite_in_place(directory + "/info/.envtool-manifest", text + "end " + sha256(text).hex() + "\n");
}

/// Changes content, keeping size and modification time.
void swap_content_quietly(const std::string& path, const std::string& content) {
  REQUIRE(std::system(("cp -p '" + path + "' '" + path + ".ref'").c_str()) == 0);
  overwrite_in_place(path, content);
  REQUIRE(std::system(("touch -r '" + path + ".ref' '" + path + "' && rm '" + path + ".ref'").c_str()) == 0);
}

struct Filled {
  CacheSandbox box;
  RepoDataRecord record = box.publish_sample("a");
  std::string directory = box.pkgs + "/a-1.0-0";
  Filled() { box.ensure_one(record); }
  /// Whether the cache takes the entry as it is.
  bool accepted() {
    PackageCache cache({box.pkgs});
    CountingReporter reporter;
    box.ensure(cache, {record}, &reporter);
    return reporter.cached == 1;
  }
};

}  // namespace

TEST_CASE("entries of other tools are accepted when record and sizes agree") {
  Filled filled;
  forget_manifest(filled.directory);
  SECTION("good") {
    CHECK(filled.accepted());
    CHECK(exists(filled.directory + "/info/.envtool-manifest"));
    CHECK(filled.accepted());
  }
  SECTION("the record has the md5 only") {
    RepoDataRecord stored = filled.record;
    stored.sha256.reset();
    overwrite_in_place(filled.directory + "/info/repodata_record.json", to_json(stored));
    CHECK(filled.accepted());
  }
  SECTION("a file is shorter") {
    overwrite_in_place(filled.directory + "/lib/a.txt", "hel");
    CHECK_FALSE(filled.accepted());
    CHECK(read_file(filled.directory + "/lib/a.txt") == "hello");
  }
  SECTION("an empty record, as after a power cut") {
    overwrite_in_place(filled.directory + "/info/repodata_record.json", "");
    CHECK_FALSE(filled.accepted());
    CHECK(filled.accepted());
  }
  SECTION("no record: another tool may be at work there") {
    remove_file(filled.directory + "/info/repodata_record.json");
    PackageCache cache({filled.box.pkgs});
    const auto packages = filled.box.ensure(cache, {filled.record});
    CHECK(packages[0].extracted_directory != filled.directory);
    CHECK(packages[0].extracted_directory.starts_with(filled.directory + "~"));
    CHECK(exists(filled.directory + "/bin/a"));
    CHECK(filled.accepted());
  }
}

TEST_CASE("damage in a cache is found and repaired") {
  const bool offline = GENERATE(false, true);
  Filled filled;
  const std::string text = filled.directory + "/lib/a.txt";
  SECTION("missing file") { remove_file(text); }
  SECTION("other size") { overwrite_in_place(text, "hello, hello"); }
  SECTION("same size, other content, through a hard link") {
    REQUIRE(::link(text.c_str(), (filled.box.root.path() + "/linked").c_str()) == 0);
    overwrite_in_place(filled.box.root.path() + "/linked", "HELLO");
  }
  SECTION("file became a symlink") {
    remove_file(text);
    REQUIRE(::symlink("/etc/passwd", text.c_str()) == 0);
  }
  SECTION("folder became a symlink") {
    rename_path(filled.directory + "/lib", filled.directory + "/lib2");
    REQUIRE(::symlink("/usr/lib", (filled.directory + "/lib").c_str()) == 0);
  }
  SECTION("symlink became a file") {
    remove_file(filled.directory + "/lib/link");
    write_new_file(filled.directory + "/lib/link", "hello");
  }
  SECTION("paths.json is gone") { remove_file(filled.directory + "/info/paths.json"); remove_file(filled.directory + "/info/files"); }
  SECTION("paths.json is cut") { overwrite_in_place(filled.directory + "/info/paths.json", "{\"paths\": ["); }
  SECTION("paths.json lists something else") {
    overwrite_in_place(filled.directory + "/info/paths.json", "{\"paths\": [], \"paths_version\": 1}");
  }
  SECTION("record is cut") { overwrite_in_place(filled.directory + "/info/repodata_record.json", "{\"name\""); }
  SECTION("record is a symlink") {
    rename_path(filled.directory + "/info/repodata_record.json", filled.directory + "/info/x.json");
    REQUIRE(::symlink("x.json", (filled.directory + "/info/repodata_record.json").c_str()) == 0);
  }
  SECTION("info is a symlink") {
    rename_path(filled.directory + "/info", filled.directory + "/info2");
    REQUIRE(::symlink("info2", (filled.directory + "/info").c_str()) == 0);
  }
  SECTION("the entry is a file") { remove_tree(filled.directory); write_new_file(filled.directory, "x"); }
  SECTION("the entry is a symlink") {
    rename_path(filled.directory, filled.directory + "-moved");
    REQUIRE(::symlink("a-1.0-0-moved", filled.directory.c_str()) == 0);
  }
  SECTION("unsynced in another boot, and the data never came") {
    unsync(filled.directory);
    swap_content_quietly(text, "HELLO");
  }
  SECTION("damaged manifest and damaged content") {
    overwrite_in_place(filled.directory + "/info/.envtool-manifest", "");
    swap_content_quietly(text, "HELLO");
  }
  if (offline) filled.box.unpublish();  // the archive is still there
  CHECK_FALSE(filled.accepted());
  CHECK(filled.accepted());
  CHECK(read_file(text) == "hello");
  CHECK(PackageCache::verify(filled.box.ensure_one(filled.record)).empty());
  CHECK(list_directory(filled.box.pkgs + "/.tmp").empty());
  CHECK(exists("/etc/passwd"));
}

TEST_CASE("doubt without damage costs one reading, not a download") {
  Filled filled;
  SECTION("touched") { REQUIRE(std::system(("touch " + filled.directory + "/lib/a.txt").c_str()) == 0); }
  SECTION("unsynced in another boot") { unsync(filled.directory); }
  SECTION("manifest damaged") { overwrite_in_place(filled.directory + "/info/.envtool-manifest", "garbage"); }
  CHECK(filled.accepted());
  const std::string manifest = read_file(filled.directory + "/info/.envtool-manifest");
  CHECK(filled.accepted());
  CHECK(read_file(filled.directory + "/info/.envtool-manifest") == manifest);
}

TEST_CASE("entries that are known to be on disk are trusted in the next boot") {
  Filled filled;
  PackageCache::mark_synced(std::vector{filled.box.ensure_one(filled.record)});
  CHECK(read_file(filled.directory + "/info/.envtool-manifest").find("synced 1") != std::string::npos);
  unsync(filled.directory);  // another boot, but synced
  swap_content_quietly(filled.directory + "/lib/a.txt", "HELLO");
  CHECK(filled.accepted());
  // The full check finds it all the same.
  CHECK(PackageCache::verify(filled.box.ensure_one(filled.record)).size() == 1);
}

TEST_CASE("read-only caches are used and not written to") {
  CacheSandbox box;
  const RepoDataRecord record = box.publish_sample("a"), more = box.publish_sample("b");
  {
    PackageCache shared({box.other});
    box.ensure(shared, {record});
  }
  forget_manifest(box.other + "/a-1.0-0");
  if (::geteuid() != 0 || ::mount(box.other.c_str(), box.other.c_str(), nullptr, MS_BIND, nullptr) != 0 ||
      ::mount(nullptr, box.other.c_str(), nullptr, MS_REMOUNT | MS_BIND | MS_RDONLY, nullptr) != 0) {
    WARN("skipped: cannot make a read-only mount");
    return;
  }
  std::string used, added;
  const auto kind = error_kind_of([&] {
    PackageCache cache({box.other, box.pkgs});
    const auto packages = box.ensure(cache, {record, more});
    used = packages[0].extracted_directory;
    added = packages[1].extracted_directory;
    cache.clean(cache.plan_clean(true, true, true));
  });
  CHECK(::umount2(box.other.c_str(), MNT_DETACH) == 0);
  CHECK(kind == std::nullopt);
  CHECK(used == box.other + "/a-1.0-0");
  CHECK(added == box.pkgs + "/b-1.0-0");
  CHECK_FALSE(exists(box.other + "/a-1.0-0/info/.envtool-manifest"));
  CHECK(exists(box.other + "/a-1.0-0/bin/a"));
}
