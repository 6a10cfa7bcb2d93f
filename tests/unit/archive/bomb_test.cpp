#include <chrono>

#include "unpacked.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

std::optional<ErrorKind> unpack(const std::vector<Member>& members, const ExtractLimits& limits) {
  const Sandbox sandbox;
  const std::string archive = sandbox.archive("p-1-0.tar.bz2", tar_bz2_bytes(members));
  return error_kind_of([&] { extract_package(archive, sandbox.box(), limits); });
}

Member terabyte() {
  std::string map = "1\n0\n4\n";
  map.resize(512);
  Member sparse = file("GNUSparseFile.0/sparse", map + "head");
  sparse.pax = {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "sparse"},
                {"GNU.sparse.realsize", "1099511627776"}};
  return sparse;
}

}  // namespace

TEST_CASE("limits of bytes, members, depth and length") {
  ExtractLimits limits;
  SECTION("bytes of one file") {
    limits.total_bytes = 1000;
    CHECK(unpack({file("a", std::string(1000, 'x'))}, limits) == std::nullopt);
    CHECK(unpack({file("a", std::string(1001, 'x'))}, limits) == ErrorKind::unsafe);
  }
  SECTION("bytes together") {
    limits.total_bytes = 1000;
    CHECK(unpack({file("a", std::string(600, 'x')), file("b", std::string(600, 'x'))}, limits) == ErrorKind::unsafe);
  }
  SECTION("members") {
    limits.entries = 3;
    CHECK(unpack({file("a", ""), file("b", ""), file("c", "")}, limits) == std::nullopt);
    CHECK(unpack({file("a", ""), file("b", ""), file("c", ""), file("d", "")}, limits) == ErrorKind::unsafe);
  }
  SECTION("folders that lead to a member count too") {
    limits.entries = 10;
    CHECK(unpack({file("1/2/3/4/5/6/7/a", ""), file("8/9/10/11/12/13/a", "")}, limits) == std::nullopt);
    CHECK(unpack({file("1/2/3/4/5/6/7/a", ""), file("8/9/10/11/12/13/a", ""), file("z", "")}, limits) == ErrorKind::unsafe);
  }
  SECTION("depth") {
    limits.path_depth = 3;
    CHECK(unpack({file("a/b/c", "")}, limits) == std::nullopt);
    CHECK(unpack({file("a/b/c/d", "")}, limits) == ErrorKind::unsafe);
  }
  SECTION("length") {
    limits.path_length = 10;
    CHECK(unpack({file("a/b/345678", "")}, limits) == std::nullopt);
    CHECK(unpack({file("a/b/3456789", "")}, limits) == ErrorKind::unsafe);
  }
}

TEST_CASE("a sparse terabyte and a claimed terabyte are refused at once") {
  const auto start = std::chrono::steady_clock::now();
  CHECK(unpack({terabyte()}, {}) == ErrorKind::unsafe);
  Member claimed = file("a", "x");
  claimed.size = std::uint64_t{1} << 40;
  CHECK(unpack({claimed}, {}) == ErrorKind::unsafe);
  // Beneath the limit for files the ratio still holds.
  ExtractLimits limits;
  limits.total_bytes = std::uint64_t{2} << 40;
  CHECK(unpack({terabyte()}, limits) == ErrorKind::unsafe);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(10));
}

TEST_CASE("little that unpacks to much is refused") {
  const std::string zeros(64 << 20, '\0');
  ExtractLimits limits;
  limits.expansion = 100;
  limits.expansion_floor = 16 << 20;
  CHECK(unpack({file("a", zeros)}, limits) == ErrorKind::unsafe);
  limits.expansion_floor = 80 << 20;
  CHECK(unpack({file("a", zeros)}, limits) == std::nullopt);
  // Padding behind the end of the tar file is not for free either.
  limits.expansion_floor = 16 << 20;
  const Sandbox sandbox;
  const std::string archive = sandbox.archive("p-1-0.tar.bz2", bzip2(tar_bytes({file("a", "x")}) + zeros));
  CHECK(error_kind_of([&] { extract_package(archive, sandbox.box(), limits); }) == ErrorKind::unsafe);
}

TEST_CASE("more members than any package has") {
  std::vector<Member> members;
  for (int i = 0; i < 3000; ++i) members.push_back(file("f" + std::to_string(i), ""));
  ExtractLimits limits;
  limits.entries = 2000;
  CHECK(unpack(members, limits) == ErrorKind::unsafe);
}
