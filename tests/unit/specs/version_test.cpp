#include "envtool/specs/version.hpp"

#include <algorithm>
#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "table.hpp"

using namespace envtool;
using envtool::testing::read_table;
using envtool::testing::TableReport;

TEST_CASE("versions are ordered as the table says", "[version]") {
  TableReport report("version_order.tsv");
  for (const auto& row : read_table("version_order.tsv")) {
    INFO(row[0] << " " << row[1] << " " << row[2] << " (" << row[3] << ")");
    const Version left = Version::parse(row[0]);
    const Version right = Version::parse(row[2]);
    const bool holds = row[1] == "<" ? left < right && right > left && !(left == right)
                                     : left == right && !(left < right) && !(left > right);
    CHECK(holds);
    report.check(holds);
  }
}

TEST_CASE("the order of versions is total", "[version]") {
  std::vector<Version> versions;
  for (const auto& row : read_table("version_order.tsv")) {
    versions.push_back(Version::parse(row[0]));
    versions.push_back(Version::parse(row[2]));
  }
  std::sort(versions.begin(), versions.end());
  // After sorting, every pair must agree with its positions: this needs transitivity.
  for (std::size_t i = 0; i < versions.size(); ++i) {
    for (std::size_t j = i; j < versions.size(); ++j) {
      const bool is_ordered = versions[i] <= versions[j] && !(versions[j] < versions[i]);
      if (!is_ordered) {
        FAIL(versions[i].str() << " and " << versions[j].str());
      }
    }
  }
  CHECK(versions.front() == Version());
}

TEST_CASE("versions parse as the table says", "[version]") {
  TableReport report("version_parse.tsv");
  for (const auto& row : read_table("version_parse.tsv")) {
    INFO("`" << row[0] << "` (" << row[2] << ") " << row[4]);
    const std::string expected = report.expected(row[1], row[3], row[4]);
    std::string actual = "error";
    try {
      actual = std::to_string(Version::parse(row[0]).segment_count());
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_input);
      CHECK(!error.why().empty());
    }
    CHECK(actual == expected);
    report.check(actual == expected);
  }
}

TEST_CASE("fuzzy equality of versions", "[version]") {
  TableReport report("version_starts_with.tsv");
  for (const auto& row : read_table("version_starts_with.tsv")) {
    INFO(row[0] << " starts with " << row[1] << " (" << row[3] << ")");
    const std::string expected = report.expected(row[2], row[4], row[5]);
    const std::string actual = Version::parse(row[0]).starts_with(Version::parse(row[1])) ? "yes" : "no";
    CHECK(actual == expected);
    report.check(actual == expected);
  }
}

TEST_CASE("the text of a version", "[version]") {
  CHECK(Version().str() == "0");
  CHECK(Version() == Version::parse("0.0.0"));
  CHECK(Version().segment_count() == 1);
  CHECK(Version::parse("  1.2-RC1 ").str() == "1.2_rc1");
  for (const auto& row : read_table("version_order.tsv")) {
    const Version version = Version::parse(row[0]);
    CHECK(Version::parse(version.str()).str() == version.str());
    CHECK(Version::parse(version.str()) == version);
  }
}

TEST_CASE("parts of a version", "[version]") {
  const Version version = Version::parse("3!4.5a.6b+7.8");
  CHECK(version.has_local());
  CHECK(version.segment_count() == 3);
  CHECK(version.truncated(0).str() == "3!4");
  CHECK(version.truncated(1).str() == "3!4");
  CHECK(version.truncated(2).str() == "3!4.5a");
  CHECK(version.truncated(3).str() == "3!4.5a.6b+7.8");
  CHECK(version.truncated(9).str() == "3!4.5a.6b+7.8");
  CHECK(version.without_last_segment().str() == "3!4.5a");
  CHECK(Version::parse("1.2.3").without_last_segment().str() == "1.2");
  CHECK(Version::parse("1").without_last_segment().str() == "1");
  CHECK(Version::parse("1+2").without_last_segment().str() == "1");
  CHECK(Version::parse("1_2_3_").truncated(2).str() == "1_2");
  CHECK(Version::parse("3.11.4").truncated(2).str() == "3.11");
  // More atoms than are kept in place.
  const Version wide = Version::parse("1.2.3.4.5.6.7.8.9.10.11a12b13");
  CHECK(wide.segment_count() == 11);
  CHECK(wide.truncated(10).str() == "1.2.3.4.5.6.7.8.9.10");
  const Version copy = wide;
  CHECK(copy == wide);
  CHECK(copy > Version::parse("1.2.3.4.5.6.7.8.9.10.11a12b12"));
}

TEST_CASE("limits of versions", "[version]") {
  CHECK_NOTHROW(Version::parse(std::string(255, '1').replace(3, 1, ".").substr(0, 10)));
  std::string long_version = "1";
  while (long_version.size() + 2 <= 255) {
    long_version += ".1";
  }
  CHECK(Version::parse(long_version).segment_count() == 128);
  CHECK_THROWS_AS(Version::parse(long_version + ".1"), Error);
  CHECK_NOTHROW(Version::parse("2305843009213693951"));
  CHECK_THROWS_AS(Version::parse("2305843009213693952"), Error);
}

TEST_CASE("version errors say what is wrong", "[version]") {
  try {
    Version::parse("1..2");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(error.message() == "invalid version `1..2`");
    CHECK(error.why() == "a segment is empty");
    CHECK(error.hints().size() == 1);
  }
  try {
    Version::parse("1\x1b[31m");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find('\x1b') == std::string::npos);
  }
}
