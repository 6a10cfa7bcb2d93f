#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/envfile/environment_spec.hpp"

using namespace envtool;

namespace {

// The names that are left of a list of lines below `dependencies:`.
std::string kept(const std::string& lines, const std::string& platform) {
  std::string result;
  for (const RequestedSpec& requested :
       parse_environment_yml("dependencies:\n" + lines, "e.yml", Platform::parse(platform)).dependencies) {
    result += requested.text + ";";
  }
  return result;
}

std::string error_of(const std::string& lines) {
  try {
    kept(lines, "linux-64");
  } catch (const Error& error) {
    return error.where() + " " + error.why();
  }
  return "no error";
}

}  // namespace

TEST_CASE("comment selectors keep and drop lines") {
  const std::string lines =
      "  - a  # [linux]\n"
      "  - b  # [win]\n"
      "  - c  #[osx or linux]\n"
      "  - d  # [unix and not osx]\n"
      "  - e  # [(win or osx) and (x86_64 or arm64)]\n"
      "  - f  # [linux64]\n"
      "  - g  # [aarch64]\n"
      "  - h  # plain words\n"
      "  - i\n";
  CHECK(kept(lines, "linux-64") == "a;c;d;f;h;i;");
  CHECK(kept(lines, "win-64") == "b;e;h;i;");
  CHECK(kept(lines, "osx-arm64") == "c;e;h;i;");
  CHECK(kept(lines, "linux-aarch64") == "a;c;d;g;h;i;");
}

TEST_CASE("`and` binds tighter than `or`") {
  CHECK(kept("  - a  # [win or linux and osx]\n  - b  # [win and linux or linux]\n  - c\n", "linux-64") == "b;c;");
  CHECK(kept("  - a  # [(win or linux) and unix]\n", "linux-64") == "a;");
  CHECK(kept("  - a  # [not win or win]\n", "linux-64") == "a;");
}

TEST_CASE("comments that are no selectors") {
  CHECK(kept("  # [win]\n  - a\n", "linux-64") == "a;");                        // nothing on the line to drop
  CHECK(kept("  - a  # [1] see the manual\n", "linux-64") == "a;");              // prose
  CHECK(kept("  - a  # see [win]\n", "linux-64") == "a;");                       // not at the comment's start
  CHECK(kept("  - \"b # [win]\"  # [linux]\n", "win-64") == "");
  CHECK(kept("  - \"b[url='https://h/c # [win]']\"\n  - c\n", "linux-64").find("c;") != std::string::npos);  // quoted
  CHECK(kept("  - a  # [win] only there\n  - b\n", "linux-64") == "b;");         // a selector with a remark
  CHECK(kept("  - a  # [win]  # remark\n  - b\n", "linux-64") == "b;");
}

TEST_CASE("selectors that cannot be decided say where") {
  CHECK(error_of("  - a  # [linus]\n") == "e.yml:2:11 `linus` is not a variable of selectors");
  CHECK(error_of("  - x\n  - a  # [linux and py39]\n") == "e.yml:3:21 `py39` is not a variable of selectors");
  CHECK(error_of("  - a  # [win or]\n").find("a variable is missing") != std::string::npos);
  CHECK(error_of("  - a  # [(win]\n").find("a `)` is missing") != std::string::npos);
  CHECK(error_of("  - a  # [win linux]\n").find("expected `and` or `or` before `linux`") != std::string::npos);
  CHECK(error_of("  - a  # []\n").find("a variable is missing") != std::string::npos);
  CHECK(error_of("  - a  # [" + std::string(400, '(') + "]\n").find("missing") != std::string::npos);
  CHECK(error_of("  - a  # [" + std::string(100000, '(') + "]\n").find("too long") != std::string::npos);
  try {
    kept("  - a  # [linus]\n", "linux-64");
  } catch (const Error& error) {
    CHECK(error.hints() == std::vector<std::string>{"did you mean `linux`?"});
  }
}

TEST_CASE("line numbers stay what they are behind dropped lines") {
  CHECK(error_of("  - a  # [win]\n  - b  # [win]\n  - '=='\n").starts_with("e.yml:4:5"));
}

TEST_CASE("dictionary selectors") {
  const std::string lines = "  - sel(linux): a\n  - sel(win): b\n  - sel(unix): c >=1\n  - sel(osx): d\n";
  CHECK(kept(lines, "linux-64") == "a;c >=1;");
  CHECK(kept(lines, "osx-arm64") == "c >=1;d;");
  CHECK(kept(lines, "win-64") == "b;");
  CHECK(error_of("  - sel(linux64): a\n") == "e.yml:2:9 `linux64` is not a variable of selectors");
  CHECK(error_of("  - sel(linux): [a]\n").starts_with("e.yml:2:17"));
  const EnvironmentSpec both = parse_environment_yml("dependencies:\n  - a  # [linux]\n  - sel(linux): b\n", "e.yml",
                                                     Platform::parse("linux-64"));
  REQUIRE(both.warnings.size() == 1);
  CHECK(both.warnings[0].find("both kinds of selectors") != std::string::npos);
}
