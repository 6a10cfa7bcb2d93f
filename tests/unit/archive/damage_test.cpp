#include <random>

#include "unpacked.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

std::string noise(std::size_t size, unsigned seed) {
  std::mt19937 random(seed);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

std::vector<Member> sample() {
  return {file("info/index.json", "{\"name\": \"p\"}"), file("lib/noise", noise(3000, 1)), file("lib/text", std::string(20000, 't')),
          soft_link("lib/link", "text"), file("bin/run", noise(500, 2), 0755)};
}

/// Every content that comes out must be the one that went in, or there must be an error.
bool faithful(const std::string& box, const std::vector<Member>& members) {
  for (const Member& member : members)
    if (member.type == '0' && read_file_if_exists(box + "/" + member.name) != member.content) return false;
  return list_tree(box).size() == members.size();
}

}  // namespace

TEST_CASE("a file cut short anywhere is an error") {
  const Sandbox sandbox;
  for (const bool conda : {false, true}) {
    const std::string good = conda ? conda_bytes("p-1-0", sample()) : tar_bz2_bytes(sample());
    const std::string name = conda ? "p-1-0.conda" : "p-1-0.tar.bz2";
    REQUIRE(error_kind_of([&] { extract_package(sandbox.archive(name, good), sandbox.box()); }) == std::nullopt);
    std::size_t tried = 0;
    for (std::size_t size = 0; size < good.size(); size += size < 64 || size + 64 > good.size() ? 1 : 41) {
      CAPTURE(conda, size, good.size());
      const std::string archive = sandbox.archive(name, good.substr(0, size));
      REQUIRE(error_kind_of([&] { extract_package(archive, sandbox.box()); }) == ErrorKind::corrupt);
      ++tried;
    }
    CHECK(tried > 150);
  }
}

TEST_CASE("a flipped bit is an error or harmless, never other content") {
  const Sandbox sandbox;
  for (const bool conda : {false, true}) {
    const std::vector<Member> members = sample();
    const std::string good = conda ? conda_bytes("p-1-0", members) : tar_bz2_bytes(members);
    const std::string name = conda ? "p-1-0.conda" : "p-1-0.tar.bz2";
    std::size_t refused = 0, harmless = 0;
    for (std::size_t place = 0; place < good.size(); place += 13) {
      std::string bad = good;
      bad[place] = static_cast<char>(bad[place] ^ (1 << (place % 8)));
      const std::string box = sandbox.box();
      const auto kind = error_kind_of([&] { extract_package(sandbox.archive(name, bad), box); });
      CAPTURE(conda, place);
      if (kind) {
        const bool expected = kind == ErrorKind::corrupt || kind == ErrorKind::unsafe;
        REQUIRE(expected);
        ++refused;
      } else {
        REQUIRE(faithful(box, members));
        ++harmless;
      }
    }
    // Zip headers hold some fields that nobody needs (dates, versions); bzip2 has almost none.
    CHECK(refused > 20 * harmless);
  }
}

TEST_CASE("a damaged tar within intact compression is an error") {
  const Sandbox sandbox;
  const std::string tar = tar_bytes(sample());
  SECTION("wrong header checksum") {
    std::string bad = tar;
    bad[5] = static_cast<char>(bad[5] ^ 1);
    CHECK(error_kind_of([&] { extract_package(sandbox.archive("p-1-0.tar.bz2", bzip2(bad)), sandbox.box()); }) == ErrorKind::corrupt);
  }
  SECTION("cut in a member's data") {
    CHECK(error_kind_of([&] { extract_package(sandbox.archive("p-1-0.tar.bz2", bzip2(tar.substr(0, 2000))), sandbox.box()); }) ==
          ErrorKind::corrupt);
  }
  SECTION("no tar at all") {
    CHECK(error_kind_of([&] { extract_package(sandbox.archive("p-1-0.tar.bz2", bzip2(noise(4000, 3))), sandbox.box()); }) ==
          ErrorKind::corrupt);
  }
  SECTION("junk behind the compressed data") {
    const auto kind =
        error_kind_of([&] { extract_package(sandbox.archive("p-1-0.tar.bz2", bzip2(tar) + "junk"), sandbox.box()); });
    const bool accepted_or_corrupt = !kind || kind == ErrorKind::corrupt;
    CHECK(accepted_or_corrupt);
  }
}

TEST_CASE("many random changes neither crash nor hang nor lie") {
  const Sandbox sandbox;
  std::mt19937 random(7);
  const std::string good = conda_bytes("p-1-0", sample());
  for (int round = 0; round < 500; ++round) {
    std::string bad = good;
    // The directory at the end and the headers get most of the changes.
    const std::size_t changes = 1 + random() % 4;
    for (std::size_t i = 0; i < changes; ++i) {
      const std::size_t tail = std::min<std::size_t>(bad.size(), 260);
      const std::size_t place = random() % 2 == 0 ? bad.size() - 1 - random() % tail : random() % bad.size();
      bad[place] = static_cast<char>(random() % 3 == 0 ? 0xFF : random());
    }
    const std::string box = sandbox.box();
    const auto kind = error_kind_of([&] { extract_package(sandbox.archive("p-1-0.conda", bad), box); });
    CAPTURE(round);
    if (!kind) REQUIRE(faithful(box, sample()));
  }
}
