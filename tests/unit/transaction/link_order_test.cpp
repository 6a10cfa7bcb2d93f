#include "envtool/transaction/link_order.hpp"

#include <algorithm>
#include <catch2/catch.hpp>
#include <random>

using namespace envtool;

namespace {
PackageRecord record(const std::string& name, std::vector<std::string> depends = {}) {
  PackageRecord result;
  result.name = name;
  result.version = "1";
  result.depends = std::move(depends);
  return result;
}
std::vector<std::string> ordered(const std::vector<PackageRecord>& records) {
  std::vector<const PackageRecord*> pointers;
  for (const auto& item : records) pointers.push_back(&item);
  std::vector<std::string> names;
  for (std::size_t index : link_order(pointers)) names.push_back(records[index].name);
  return names;
}
}  // namespace

TEST_CASE("the name that a dependency is about is found in every form") {
  for (const char* spec : {"zlib", "zlib >=1.2,<2", "zlib>=1.2", "conda-forge/linux-64::zlib=1.2", "zlib[version='>=1']", "  zlib *=0"})
    CHECK(ordered({record("a", {spec}), record("zlib")}) == std::vector<std::string>{"zlib", "a"});
  for (const char* spec : {"", "zlib2", "::", "not-zlib"})
    CHECK(ordered({record("a", {spec}), record("zlib")}) == std::vector<std::string>{"a", "zlib"});
}

TEST_CASE("the order does not depend on the input's order, and cycles are no trouble") {
  std::vector<PackageRecord> records{record("a", {"b"}), record("b", {"c", "missing"}), record("c", {"b", "e"}), record("d"),
                                     record("e"), record("self", {"self", "a"})};
  const auto expected = ordered(records);
  CHECK(expected == std::vector<std::string>{"d", "e", "b", "c", "a", "self"});
  std::mt19937 random(7);
  for (int i = 0; i < 100; ++i) {
    std::shuffle(records.begin(), records.end(), random);
    CHECK(ordered(records) == expected);
  }
}

TEST_CASE("a chain of 50,000 packages does not overflow the stack") {
  std::vector<PackageRecord> records;
  for (int i = 0; i < 50000; ++i) records.push_back(record("p" + std::to_string(i), {"p" + std::to_string(i + 1)}));
  CHECK(ordered(records).back() == "p0");
}
