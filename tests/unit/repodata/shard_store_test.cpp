#include "shard_store.hpp"

#include <sys/stat.h>
#include <utime.h>

#include <ctime>
#include <catch2/catch.hpp>

#include "envtool/os/files.hpp"

using namespace envtool;

namespace {

struct StoreFixture {
  TemporaryDirectory folder{"/tmp", "envtool-shards-"};
  ShardStore store{folder.path() + "/shards"};

  std::string path(const Sha256& digest) const { return folder.path() + "/shards/" + digest.hex().substr(0, 2) + "/" + digest.hex() + ".rec"; }
  void age(const std::string& file, long days) const {
    struct utimbuf times{};
    times.actime = times.modtime = std::time(nullptr) - days * 86400;
    REQUIRE(utime(file.c_str(), &times) == 0);
  }
};

}  // namespace

TEST_CASE_METHOD(StoreFixture, "A shard comes back for its digest and name, and for no other") {
  const Sha256 digest = sha256("served");
  CHECK_FALSE(store.read(digest, "p"));
  store.write(digest, "p", {"block", 3});
  store.write(digest, "p", {"block", 3});
  const auto read = store.read(digest, "p");
  REQUIRE(read);
  CHECK(read->bytes == "block");
  CHECK(read->record_count == 3);
  CHECK_FALSE(store.read(digest, "q"));
  CHECK_FALSE(store.read(sha256("other"), "p"));
  store.write(sha256("none"), "n", {"", 0});
  CHECK(store.read(sha256("none"), "n")->record_count == 0);
  rename_path(path(digest), path(sha256("none")));
  CHECK_FALSE(store.read(sha256("none"), "p"));  // another shard's file under its name
}

TEST_CASE_METHOD(StoreFixture, "A damaged shard is none") {
  const Sha256 digest = sha256("served");
  store.write(digest, "name", {"some block of bytes", 3});
  const std::string good = read_file(path(digest));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 0x40);
    write_atomically(path(digest), changed);
    CHECK_FALSE(store.read(digest, "name"));
    write_atomically(path(digest), good.substr(0, i));
    CHECK_FALSE(store.read(digest, "name"));
  }
  write_atomically(path(digest), good + "x");
  CHECK_FALSE(store.read(digest, "name"));
  write_atomically(path(digest), good);
  CHECK(store.read(digest, "name"));
  remove_file(path(digest));
  REQUIRE(mkfifo(path(digest).c_str(), 0600) == 0);
  CHECK_FALSE(store.read(digest, "name"));  // and does not wait
}

TEST_CASE_METHOD(StoreFixture, "What was not used for long is tidied away, what is used stays") {
  const Sha256 old = sha256("old"), used = sha256("used"), recent = sha256("recent");
  for (const Sha256& digest : {old, used, recent}) store.write(digest, "n", {"block", 1});
  age(path(old), 40);
  age(path(used), 40);
  REQUIRE(store.read(used, "n"));  // a use counts
  const std::string leftover = path(recent).substr(0, path(recent).rfind('/')) + "/.envtool-x.tmp";
  write_atomically(leftover, "half");
  age(leftover, 1);
  store.tidy();
  CHECK_FALSE(store.read(old, "n"));
  CHECK(store.read(used, "n"));
  CHECK(store.read(recent, "n"));
  CHECK_FALSE(exists(leftover));
  // Once a day is enough.
  age(path(recent), 40);
  store.tidy();
  CHECK(exists(path(recent)));
  age(folder.path() + "/shards/.tidied", 2);
  store.tidy();
  CHECK_FALSE(exists(path(recent)));
}

TEST_CASE_METHOD(StoreFixture, "Too much is cut back, the oldest first") {
  ShardStore small(folder.path() + "/shards", {std::chrono::hours(1000), 100000, std::chrono::hours(0)});
  for (long i = 0; i < 20; ++i) {
    const Sha256 digest = sha256(std::to_string(i));
    small.write(digest, "n", {std::string(10000, 'x'), 1});
    age(path(digest), 20 - i);
  }
  small.tidy();
  std::size_t left = 0;
  for (long i = 0; i < 20; ++i) left += exists(path(sha256(std::to_string(i)))) ? 1U : 0U;
  CHECK(left == 7);
  CHECK_FALSE(exists(path(sha256("0"))));
  CHECK(exists(path(sha256("19"))));
}
