#include <catch2/catch.hpp>

#include "envtool/base/digest.hpp"

using namespace envtool;

TEST_CASE("known digests") {
  CHECK(sha256("").hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(sha256("abc").hex() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(md5("").hex() == "d41d8cd98f00b204e9800998ecf8427e");
  CHECK(md5("abc").hex() == "900150983cd24fb0d6963f7d28e17f72");
}

TEST_CASE("hashing in pieces equals hashing at once, and a hasher can be used again") {
  const std::string text(100000, 'x');
  Hasher<Sha256> hasher;
  for (std::size_t i = 0; i < text.size(); i += 777) hasher.update(std::string_view(text).substr(i, 777));
  CHECK(hasher.finish() == sha256(text));
  hasher.update("abc");
  CHECK(hasher.finish() == sha256("abc"));
  Hasher<Md5> first;
  first.update("a");
  Hasher<Md5> second = std::move(first);
  second.update("bc");
  CHECK(second.finish() == md5("abc"));
}

TEST_CASE("digests from hex") {
  const std::string hex = "BA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD";
  const auto digest = Sha256::parse(hex);
  REQUIRE(digest);
  CHECK(*digest == sha256("abc"));
  CHECK(*Md5::parse("900150983cd24fb0d6963f7d28e17f72") == md5("abc"));
  CHECK_FALSE(Sha256::parse(""));
  CHECK_FALSE(Sha256::parse(hex.substr(1)));
  CHECK_FALSE(Sha256::parse(hex + "00"));
  CHECK_FALSE(Sha256::parse("g" + hex.substr(1)));
  CHECK_FALSE(Sha256::parse(" " + hex.substr(1)));
  CHECK_FALSE(Md5::parse(hex));
  CHECK(*Md5::parse("00000000000000000000000000000001") < *Md5::parse("00000000000000000000000000000100"));
}
