#include "envtool/specs/string_matcher.hpp"

#include <catch2/catch.hpp>
#include <string>

#include "envtool/base/error.hpp"

using namespace envtool;

namespace {

bool matches(std::string_view pattern, std::string_view text) {
  return StringMatcher::parse(pattern).matches(text);
}

}  // namespace

TEST_CASE("strings match exactly, without case", "[string_matcher]") {
  CHECK(matches("MIT", "mit"));
  CHECK(matches("mit", "MIT"));
  CHECK_FALSE(matches("mit", "mit2"));
  CHECK(StringMatcher().matches("anything"));
  CHECK(StringMatcher().is_any());
  CHECK(StringMatcher::parse("*").is_any());
  CHECK(StringMatcher::parse("py27_0").exact() == "py27_0");
  CHECK(StringMatcher::parse("py27*").exact() == std::nullopt);
  CHECK(StringMatcher() == StringMatcher::parse(""));
}

TEST_CASE("globs", "[string_matcher]") {
  CHECK(matches("*", ""));
  CHECK(matches("py*", "py"));
  CHECK(matches("py*", "PY37"));
  CHECK(matches("*_cp311", "h1_cp311"));
  CHECK(matches("a*b*c", "a__b__b__c"));
  CHECK_FALSE(matches("a*b*c", "a__b__b__"));
  CHECK_FALSE(matches("*a", "b"));
  CHECK(matches("**a**", "a"));
  // Only the star is special.
  CHECK(matches("a.c*", "a.c"));
  CHECK_FALSE(matches("a.c*", "abc"));
  CHECK_FALSE(matches("a?c*", "abc"));
  CHECK_FALSE(matches("[ab]*", "a"));
  // Quadratic at worst.
  std::string pattern;
  for (int i = 0; i < 200; ++i) {
    pattern += "a*";
  }
  CHECK_FALSE(matches(pattern + "b", std::string(20000, 'a')));
}

TEST_CASE("regular expressions", "[string_matcher]") {
  CHECK(matches("^py3[67]_.*$", "py36_0"));
  CHECK(matches("^PY3[67]_.*$", "py37_0"));
  CHECK_FALSE(matches("^py3[67]_.*$", "py38_0"));
  CHECK_FALSE(matches("^py3[67]$", "xpy36"));
  CHECK(matches("^.*(accelerate|mkl)$", "5_mkl"));
  CHECK(matches("^a{2,3}$", "aaa"));
  CHECK_FALSE(matches("^a{2,3}$", "aaaa"));
  CHECK_FALSE(matches("^a{2,3}$", "a"));
  CHECK(matches("^a{2}$", "aa"));
  CHECK(matches("^a{2,}$", "aaaaa"));
  CHECK_FALSE(matches("^a{2,}$", "a"));
  CHECK(matches("^a{,2}$", ""));
  CHECK(matches("^a{0}b$", "b"));
  CHECK_FALSE(matches("^a{0}b$", "ab"));
  CHECK(matches("^a{x}$", "a{x}"));
  CHECK(matches("^(ab|cd){2}$", "abcd"));
  CHECK_FALSE(matches("^(ab|cd){2}$", "ab"));
  CHECK(matches("^(?:a|b)+?$", "abba"));
  CHECK(matches("^(?P<name>a)$", "a"));
  CHECK(matches("^\\d+\\.\\d+$", "1.12"));
  CHECK_FALSE(matches("^\\d+\\.\\d+$", "1x12"));
  CHECK(matches("^\\w\\W\\s\\S\\D$", "a- xy"));
  CHECK(matches("^[^a-c]$", "d"));
  CHECK_FALSE(matches("^[^a-c]$", "B"));
  CHECK(matches("^[]a]$", "]"));
  CHECK(matches("^[a-]$", "-"));
  CHECK(matches("^[\\d.]+$", "1.2"));
  CHECK(matches("^[\\]]$", "]"));
  CHECK(matches("^a\\bb|x\\b-$", "x-"));
  CHECK(matches("^a\\Bb$", "ab"));
  CHECK(matches("^(|a)$", ""));
  CHECK(matches("^()$", ""));
  CHECK(matches("^(a*)*$", "aaa"));
  CHECK(matches("^(a|b|)*c$", "ababc"));
  CHECK(matches("^a|b$", "axxx"));
  CHECK(matches("^a|b$", "xxxb"));
  CHECK(matches("^\\t$", "\t"));
  CHECK(matches("^a\\$$", "a$"));
  CHECK(matches("^\xc3\xa9$", "\xc3\xa9"));
}

TEST_CASE("bad regular expressions are errors", "[string_matcher]") {
  for (const char* pattern :
       {"^(a$", "^a)$", "^[a$", "^*a$", "^a**$", "^(?=a)$", "^(?!a)$", "^(?<=a)$", "^(?i)a$", "^(a)\\1$", "^\\q$",
        "^[z-a]$", "^a{3,2}$", "^a{1001}$", "^(?P<a$", "^[\\q]$", "^a\\b*$", "^(((((((((((((((((((((((((((((((((((a"
        ")))))))))))))))))))))))))))))))))))$"}) {
    INFO(pattern);
    CHECK_THROWS_AS(StringMatcher::parse(pattern), Error);
  }
  CHECK_THROWS_AS(StringMatcher::parse("^" + std::string(1000, 'a') + "$"), Error);
  CHECK_THROWS_AS(StringMatcher::parse("^((a{100}){100}){100}$"), Error);
  CHECK_THROWS_AS(StringMatcher::parse("^((((){1000}){1000}){1000}){1000}$"), Error);
}

TEST_CASE("regular expressions take linear time", "[string_matcher]") {
  CHECK_FALSE(matches("^(a+)+$", std::string(20000, 'a') + "b"));
  CHECK_FALSE(matches("^(a|a)*b$", std::string(20000, 'a')));
  CHECK_FALSE(matches("^(.*)*(.*)*(.*)*x$", std::string(5000, 'a')));
}
