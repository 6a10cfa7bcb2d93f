#include <catch2/catch.hpp>

#include "envtool/base/text.hpp"

using namespace envtool;
using Pieces = std::vector<std::string_view>;
using Names = std::vector<std::string>;

TEST_CASE("white space and case") {
  CHECK(strip("  a b\t\r\n") == "a b");
  CHECK(strip(" \v\f ").empty());
  CHECK(strip("").empty());
  CHECK(to_lower("AbZ-\xC3\x84[") == "abz-\xC3\x84[");
}

TEST_CASE("splitting") {
  CHECK(split("a,,b", ',') == Pieces{"a", "", "b"});
  CHECK(split("", ',') == Pieces{""});
  CHECK(split(",", ',') == Pieces{"", ""});
  CHECK(split_whitespace("  a \t b\n") == Pieces{"a", "b"});
  CHECK(split_whitespace(" \t").empty());
  CHECK(split_lines("a\r\nb\n\nc") == Pieces{"a", "b", "", "c"});
  CHECK(split_lines("a\n") == Pieces{"a"});
  CHECK(split_lines("\n") == Pieces{""});
  CHECK(split_lines("").empty());
  CHECK(split_lines("a\rb\n\r") == Pieces{"a\rb", "\r"});
}

TEST_CASE("joining and replacing") {
  CHECK(join(Names{"a", "", "b"}, ", ") == "a, , b");
  CHECK(join(Names{}, ",").empty());
  CHECK(replace_all("aXbXX", "X", "--") == "a--b----");
  CHECK(replace_all("aaa", "aa", "a") == "aa");
  CHECK(replace_all("abc", "", "x") == "abc");
}

TEST_CASE("unsigned numbers fill the whole text") {
  CHECK(parse_unsigned("0") == 0U);
  CHECK(parse_unsigned("007") == 7U);
  CHECK(parse_unsigned("18446744073709551615") == 18446744073709551615U);
  for (const char* bad : {"", "18446744073709551616", "-1", "+1", " 1", "1 ", "1.0", "0x1", "1e3"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_unsigned(bad));
  }
}

TEST_CASE("likely typing errors are recognised, far names are not") {
  const Names names = {"numpy", "numba", "scipy", "pandas", "scikit-learn", "python", "pip", "pyyaml", "PyQt", "py"};
  CHECK(closest_matches("numpi", names) == Names{"numpy"});
  CHECK(closest_matches("nmupy", names)[0] == "numpy");
  CHECK(closest_matches("pyhton", names)[0] == "python");
  CHECK(closest_matches("pandsa", names)[0] == "pandas");
  CHECK(closest_matches("scikit_lern", names) == Names{"scikit-learn"});
  CHECK(closest_matches("PYQT", names)[0] == "PyQt");
  CHECK(closest_matches("tensorflow", names).empty());
  CHECK(closest_matches("", names).empty());
  CHECK(closest_matches("xy", names).empty());
  CHECK(closest_matches("numpy", Names{}).empty());
  CHECK(closest_matches("numbpy", names, 1).size() == 1);
  CHECK(closest_matches("abcde", Names{"abcdx", "abcdy", "abcdz", "abcdw"}) == Names{"abcdw", "abcdx", "abcdy"});
  CHECK(closest_matches("abcde", Names{"xbcde", "abcdx"}) == Names{"abcdx", "xbcde"});
}

TEST_CASE("what could drive a terminal is escaped") {
  CHECK(escape_control("plain \xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\x8D") == "plain \xC3\xA9\xE2\x82\xAC\xF0\x9F\x90\x8D");
  CHECK(escape_control("a\x1b[31mb") == "a\\x1b[31mb");
  CHECK(escape_control("a\r\n\tb\x7f") == "a\\x0d\\x0a\\x09b\\x7f");
  CHECK(escape_control(std::string_view("\0", 1)) == "\\x00");
  CHECK(escape_control("\xC2\x9B" "1m") == "\\xc2\\x9b" "1m");                // C1 form of ESC [
  CHECK(escape_control("a\xE2\x80\xAE" "b") == "a\\xe2\\x80\\xae" "b");       // right-to-left override
  CHECK(escape_control("\xFF\xC3") == "\\xff\\xc3");
  CHECK(escape_control("\xC3\x28") == "\\xc3(");
}

TEST_CASE("well-formed UTF-8 as the Unicode standard's table says") {
  for (const char* good : {"", "a", "\x7F", "\xC2\x80", "\xDF\xBF", "\xE0\xA0\x80", "\xED\x9F\xBF", "\xEE\x80\x80",
                           "\xEF\xBF\xBF", "\xF0\x90\x80\x80", "\xF4\x8F\xBF\xBF"}) {
    CAPTURE(good);
    CHECK(is_valid_utf8(good));
  }
  for (const char* bad : {"\x80", "\xBF", "\xC0\x80", "\xC1\xBF", "\xC2", "\xC2\x41", "\xE0\x9F\xBF", "\xE0\xA0",
                          "\xED\xA0\x80", "\xED\xBF\xBF", "\xF0\x8F\xBF\xBF", "\xF0\x90\x80", "\xF4\x90\x80\x80",
                          "\xF5\x80\x80\x80", "\xFE", "\xFF", "a\xE2\x82", "\xF8\x88\x80\x80\x80"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_valid_utf8(bad));
  }
}

TEST_CASE("sizes and counts for people") {
  CHECK(human_size(0) == "0 B");
  CHECK(human_size(999) == "999 B");
  CHECK(human_size(1000) == "1.0 kB");
  CHECK(human_size(1549) == "1.5 kB");
  CHECK(human_size(1550) == "1.6 kB");
  CHECK(human_size(999'949) == "999.9 kB");
  CHECK(human_size(999'950) == "1.0 MB");
  CHECK(human_size(1'500'000) == "1.5 MB");
  CHECK(human_size(12'345'678'901) == "12.3 GB");
  CHECK(human_size(18446744073709551615U) == "18.4 EB");
  CHECK(with_thousands(0) == "0");
  CHECK(with_thousands(999) == "999");
  CHECK(with_thousands(1234) == "1,234");
  CHECK(with_thousands(1234567) == "1,234,567");
  CHECK(with_thousands(123456) == "123,456");
}
