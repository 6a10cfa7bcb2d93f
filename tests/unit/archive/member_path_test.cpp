#include "crc32.hpp"
#include "member_path.hpp"
#include "unpacked.hpp"

using namespace envtool;
using namespace envtool::test;

TEST_CASE("member names are cleaned") {
  const auto clean = [](const std::string& name) { return clean_member_path(name, {}, "p.conda"); };
  CHECK(clean("a") == "a");
  CHECK(clean("./a") == "a");
  CHECK(clean("a/") == "a");
  CHECK(clean("a//b/./c/") == "a/b/c");
  CHECK(clean("./") == "");
  CHECK(clean(".") == "");
  CHECK(clean(".a/..b/c..") == ".a/..b/c..");
}

TEST_CASE("where links reach") {
  CHECK(link_reach("a", "b") == LinkReach::inside);
  CHECK(link_reach("a", ".") == LinkReach::inside);
  CHECK(link_reach("a/b", "..") == LinkReach::inside);
  CHECK(link_reach("a/b", "../c") == LinkReach::inside);
  CHECK(link_reach("a/b/c", "../../d/../e") == LinkReach::inside);
  CHECK(link_reach("a", "..") == LinkReach::relative_outside);
  CHECK(link_reach("a/b", "../../c") == LinkReach::relative_outside);
  CHECK(link_reach("a", "b/../../a") == LinkReach::relative_outside);
  CHECK(link_reach("a", "/etc") == LinkReach::absolute);
  CHECK(link_reach("a/b", "//etc") == LinkReach::absolute);
}

TEST_CASE("the check value of CRC-32") {
  const std::string text = "123456789";
  CHECK(crc32(0, text.data(), text.size()) == 0xCBF43926);
  // In pieces of every length.
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    CHECK(crc32(crc32(0, text.data(), cut), text.data() + cut, text.size() - cut) == 0xCBF43926);
  CHECK(crc32(0, nullptr, 0) == 0);
}
