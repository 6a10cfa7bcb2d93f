#include "when_expression.hpp"

#include <cstddef>

#include "brackets.hpp"
#include "characters.hpp"
#include "envtool/base/error.hpp"
#include "match_spec_parser.hpp"

namespace envtool {

namespace {

constexpr int deepest_parenthesis = 20;

/// CEP 43 wants inner specs without spaces; `python >=3.6 and __unix`, which conda takes, is read
/// too: a spec ends at `and`, `or`, an unmatched `)` or the end.
class WhenParser {
 public:
  explicit WhenParser(std::string_view text) : text_(text) {}

  std::string parse() {
    alternatives(0);
    if (position_ < text_.size()) {
      fail("`)` without `(`");
    }
    return out_;
  }

 private:
  [[noreturn]] void fail(const std::string& why) const {
    throw SpecProblem("the condition " + quoted(text_) + " is not valid: " + why,
                      "conditions are written like `when='python>=3.10 and (__linux or __osx)'`");
  }
  void skip_space() {
    while (position_ < text_.size() && is_space(text_[position_])) {
      ++position_;
    }
  }
  bool at_word(std::string_view word) const {
    const std::string_view rest = text_.substr(position_);
    if (!rest.starts_with(word)) {
      return false;
    }
    return rest.size() == word.size() || is_space(rest[word.size()]) || rest[word.size()] == '(' ||
           rest[word.size()] == ')';
  }
  bool take_word(std::string_view word) {
    skip_space();
    if (!at_word(word)) {
      return false;
    }
    position_ += word.size();
    out_ += " ";
    out_ += word;
    out_ += " ";
    return true;
  }

  void alternatives(int depth) {
    do {
      conjunction(depth);
    } while (take_word("or"));
  }
  void conjunction(int depth) {
    do {
      primary(depth);
    } while (take_word("and"));
  }
  void primary(int depth);
  void spec();
  void check_second_word(std::string_view text) const;

  std::string_view text_;
  std::size_t position_ = 0;
  std::string out_;
};

void WhenParser::primary(int depth) {
  skip_space();
  if (position_ < text_.size() && text_[position_] == '(') {
    if (depth >= deepest_parenthesis) {
      fail("its parentheses are nested too deeply");
    }
    ++position_;
    out_ += '(';
    alternatives(depth + 1);
    skip_space();
    if (position_ >= text_.size() || text_[position_] != ')') {
      fail("`(` without `)`");
    }
    ++position_;
    out_ += ')';
    return;
  }
  spec();
}

void WhenParser::spec() {
  if (at_word("and") || at_word("or")) {
    fail("a package is missing before " + quoted(text_.substr(position_)));
  }
  const std::size_t begin = position_;
  std::size_t end = begin;  // after the last character that is not a space
  int brackets = 0;
  int parentheses = 0;
  char quote = 0;
  while (position_ < text_.size()) {
    const char c = text_[position_];
    if (quote != 0) {
      quote = c == quote ? '\0' : quote;
    } else if (brackets > 0 && (c == '\'' || c == '"')) {
      quote = c;
    } else if (c == '[') {
      ++brackets;
    } else if (c == ']') {
      --brackets;
    } else if (brackets == 0) {
      if (c == '(') {
        ++parentheses;
      } else if (c == ')' && parentheses-- == 0) {
        break;
      }
      const bool is_word_start = position_ > begin && is_space(text_[position_ - 1]);
      if (is_word_start && parentheses == 0 && (at_word("and") || at_word("or"))) {
        break;
      }
    }
    if (!is_space(c)) {
      end = position_ + 1;
    }
    ++position_;
  }
  const std::string_view text = text_.substr(begin, end - begin);
  if (text.empty()) {
    fail("a package is missing");
  }
  check_second_word(text);
  try {
    parse_match_spec(text, WhenAllowed::no);
  } catch (const Error& error) {
    fail(quoted(text) + " is not a package spec: " + error.why());
  }
  out_ += text;
}

/// `a AND b` would read as a package `a` of version `and`. CEP 43 has no spaces in inner specs, so
/// after one only an operator or the square brackets are taken.
void WhenParser::check_second_word(std::string_view text) const {
  std::size_t i = 0;
  while (i < text.size() && !is_space(text[i]) && text[i] != '[') {
    ++i;
  }
  while (i < text.size() && is_space(text[i])) {
    ++i;
  }
  const bool is_operator = i < text.size() && std::string_view("<>=!~[(").find(text[i]) != std::string_view::npos;
  const char before = i > 0 && i < text.size() ? text[i - 1] : ' ';
  if (i < text.size() && is_space(before) && !is_operator) {
    fail(quoted(text) + " is not a package spec: inside conditions, `" + std::string(text.substr(i)) +
         "` needs an operator (`=`, `>=`, ...) or square brackets");
  }
}

}  // namespace

std::string checked_when(std::string_view text) {
  return WhenParser(text).parse();
}

}  // namespace envtool
