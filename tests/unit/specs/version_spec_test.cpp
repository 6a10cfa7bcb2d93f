#include "envtool/specs/version_spec.hpp"

#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "table.hpp"

using namespace envtool;
using envtool::testing::read_table;
using envtool::testing::TableReport;

TEST_CASE("version constraints match as the table says", "[version_spec]") {
  TableReport report("version_spec.tsv");
  for (const auto& row : read_table("version_spec.tsv")) {
    INFO("`" << row[0] << "` and " << row[1] << " (" << row[3] << ") " << row[5]);
    const std::string expected = report.expected(row[2], row[4], row[5]);
    std::string actual;
    try {
      const VersionSpec spec = VersionSpec::parse(row[0]);
      actual = spec.matches(Version::parse(row[1])) ? "match" : "no";
      const VersionSpec again = VersionSpec::parse(spec.str());
      CHECK(again == spec);
      CHECK(again.str() == spec.str());
    } catch (const Error& error) {
      actual = "error";
      CHECK(error.kind() == ErrorKind::invalid_input);
      CHECK(!error.why().empty());
    }
    CHECK(actual == expected);
    report.check(actual == expected);
  }
}

TEST_CASE("canonical text of version constraints", "[version_spec]") {
  const auto text = [](std::string_view spec) { return VersionSpec::parse(spec).str(); };
  CHECK(VersionSpec().str() == "*");
  CHECK(text("*") == "*");
  CHECK(text("=*") == "*");
  CHECK(text("*,>=1") == ">=1");
  CHECK(text("*|>=1") == "*");
  CHECK(text("1.8") == "==1.8");
  CHECK(text("=1.8") == "1.8.*");
  CHECK(text("1.8*") == "1.8.*");
  CHECK(text("1.8|1.9.*") == "1.8|1.9.*");
  CHECK(text("!=1.8") == "!=1.8");
  CHECK(text("!=1.8.*") == "!=1.8.*");
  CHECK(text("~=1.8.0") == "~=1.8.0");
  CHECK(text(" >= 1.8 , < 2 ") == ">=1.8,<2");
  CHECK(text("(>=1,<2)|>3") == ">=1,<2|>3");
  CHECK(text("(>=1|<2),>3") == "(>=1|<2),>3");
  CHECK(text("(>=1|<2)|>3") == ">=1|<2|>3");
  CHECK(text("(>=1,<2),>3") == ">=1,<2,>3");
  CHECK(text("((>=1|>2),(>3|>4))|(>5,<6)") == "(>=1|>2),(>3|>4)|>5,<6");
  CHECK(text("( (1.5|((1.6|1.7), 1.8), 1.9 |2.0))|2.1") == "1.5|(1.6|1.7),1.8,1.9|2.0|2.1");
  CHECK(text("^1\\.(2|3)$|2") == "^1\\.(2|3)$|2");
}

TEST_CASE("what a version constraint says of itself", "[version_spec]") {
  CHECK(VersionSpec().is_any());
  CHECK(VersionSpec::parse("*").is_any());
  CHECK(!VersionSpec::parse(">=0").is_any());
  REQUIRE(VersionSpec::parse("==1.8").exact() != nullptr);
  CHECK(VersionSpec::parse("==1.8").exact()->str() == "1.8");
  CHECK(VersionSpec::parse("1.8").exact()->str() == "1.8");
  CHECK(VersionSpec::parse("1.8.*").exact() == nullptr);
  CHECK(VersionSpec::parse("1.8.*").prefix()->str() == "1.8");
  CHECK(VersionSpec::parse(">=1.8").prefix() == nullptr);
  CHECK(VersionSpec::parse("1.8|1.9").exact() == nullptr);
  CHECK(VersionSpec::equal_to(Version::parse("1.8")) == VersionSpec::parse("==1.8"));
  CHECK(VersionSpec::starting_with(Version::parse("1.8")) == VersionSpec::parse("=1.8"));
  CHECK_FALSE(VersionSpec::parse("==1.8") == VersionSpec::parse("=1.8"));
  CHECK_FALSE(VersionSpec::parse("=1.8") == VersionSpec::parse("=1.8.0"));
  CHECK_FALSE(VersionSpec() == VersionSpec::parse("1"));
}

TEST_CASE("hostile version constraints end in errors", "[version_spec]") {
  CHECK_THROWS_AS(VersionSpec::parse(std::string(100000, '(')), Error);
  CHECK_THROWS_AS(VersionSpec::parse(std::string(4000, '(')), Error);
  CHECK_THROWS_AS(VersionSpec::parse(std::string(4000, ',')), Error);
  CHECK_THROWS_AS(VersionSpec::parse("^" + std::string(2000, '(') + "$"), Error);
  CHECK_THROWS_AS(VersionSpec::parse("^(((a{1000}){1000}){1000}){1000}$"), Error);
  std::string many = "1";
  for (int i = 1; i < 256; ++i) {
    many += "|1";
  }
  CHECK(VersionSpec::parse(many).matches(Version::parse("1")));
  CHECK_THROWS_AS(VersionSpec::parse(many + "|1"), Error);
  // A regular expression that a backtracking engine would never finish.
  const VersionSpec nested = VersionSpec::parse("^(1+)+(1+)+(1+)+x$");
  CHECK_FALSE(nested.matches(Version::parse(std::string(18, '1') + "." + std::string(18, '1'))));
}
