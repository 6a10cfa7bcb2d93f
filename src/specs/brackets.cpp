#include "brackets.hpp"

#include <utility>

#include "characters.hpp"

namespace envtool {

namespace {

constexpr std::size_t most_fields = 64;
constexpr std::size_t most_elements = 256;

bool is_key_character(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}

class BracketParser {
 public:
  explicit BracketParser(std::string_view text) : text_(text) {}

  std::vector<BracketField> parse() {
    ++position_;  // the opening bracket
    std::vector<BracketField> fields;
    skip_space();
    if (!at_end() && peek() == ']') {
      throw SpecProblem("the square brackets are empty", "leave them out");
    }
    while (true) {
      fields.push_back(field());
      if (fields.size() > most_fields) {
        throw SpecProblem("there are too many fields in the square brackets");
      }
      const bool has_space = skip_space();
      if (at_end()) {
        fail_open();
      }
      const bool has_comma = peek() == ',';
      if (has_comma) {
        ++position_;
        skip_space();
      }
      if (!at_end() && peek() == ']') {
        ++position_;
        return fields;
      }
      if (!has_comma && !has_space) {
        throw SpecProblem("something follows the value of " + quoted(fields.back().key) + ": " +
                              quoted(text_.substr(position_)),
                          "separate fields with `,`, and quote values that contain commas, spaces or brackets");
      }
    }
  }
  std::size_t position() const { return position_; }

 private:
  [[noreturn]] static void fail_open() { throw SpecProblem("`[` is not closed", "add the missing `]`"); }
  bool at_end() const { return position_ >= text_.size(); }
  char peek() const { return text_[position_]; }
  bool skip_space() {
    const std::size_t before = position_;
    while (!at_end() && is_space(peek())) {
      ++position_;
    }
    return position_ != before;
  }

  BracketField field();
  std::string quoted_value();
  std::string plain_value(bool is_element);
  std::vector<std::string> list_value();

  std::string_view text_;
  std::size_t position_ = 0;
};

BracketField BracketParser::field() {
  const std::size_t begin = position_;
  while (!at_end() && is_key_character(peek())) {
    ++position_;
  }
  BracketField field;
  field.key = text_.substr(begin, position_ - begin);
  skip_space();
  if (at_end()) {
    fail_open();
  }
  if (field.key.empty()) {
    throw SpecProblem("a key is missing before " + quoted(text_.substr(position_)),
                      "fields are written `key='value'`; quote values that contain commas or spaces");
  }
  if (peek() != '=') {
    const std::string key(field.key);
    if (peek() == '<' || peek() == '>' || peek() == '!' || peek() == '~') {
      throw SpecProblem("`=` is missing after the key `" + key + "`",
                        "write `" + key + "='" + peek() + "...'`");
    }
    throw SpecProblem("`" + key + "` has no value",
                      "fields are written `key='value'`; for an optional group write `extras=[" + key + "]`");
  }
  ++position_;
  skip_space();
  if (at_end()) {
    fail_open();
  }
  if (peek() == '[') {
    field.list = list_value();
    field.is_list = true;
    return field;
  }
  field.value = peek() == '\'' || peek() == '"' ? quoted_value() : plain_value(false);
  std::size_t kept = field.value.size();
  while (kept > 0 && is_space(field.value[kept - 1])) {
    --kept;
  }
  if (kept == 0) {
    throw SpecProblem("the value of " + quoted(field.key) + " is missing");
  }
  return field;
}

std::string BracketParser::quoted_value() {
  // Python's quoting; of its escapes only those that a quoted text needs, so that `'^\d+$'` stays
  // what it is, as it does in Python.
  const char quote = text_[position_++];
  std::string value;
  while (true) {
    if (at_end()) {
      throw SpecProblem(std::string("the quote `") + quote + "` is not closed");
    }
    char c = text_[position_++];
    if (c == quote) {
      return value;
    }
    if (c == '\\' && !at_end() && (peek() == '\\' || peek() == '\'' || peek() == '"')) {
      c = text_[position_++];
    }
    value += c;
  }
}

std::string BracketParser::plain_value(bool is_element) {
  const std::size_t begin = position_;
  std::vector<char> open;
  while (!at_end()) {
    const char c = peek();
    if (c == '\'' || c == '"') {
      quoted_value();
      continue;
    }
    if (open.empty() && (c == ',' || c == ']' || (is_space(c) && !is_element))) {
      break;
    }
    if (c == '[' || c == '(') {
      open.push_back(c == '[' ? ']' : ')');
    } else if (!open.empty() && c == open.back()) {
      open.pop_back();
    }
    ++position_;
  }
  if (at_end()) {
    fail_open();
  }
  std::string_view value = text_.substr(begin, position_ - begin);
  while (!value.empty() && is_space(value.back())) {
    value.remove_suffix(1);
  }
  return std::string(value);
}

std::vector<std::string> BracketParser::list_value() {
  ++position_;  // the opening bracket
  std::vector<std::string> elements;
  while (true) {
    skip_space();
    if (at_end()) {
      throw SpecProblem("the list's `[` is not closed", "add the missing `]`");
    }
    if (peek() == ']' && !elements.empty()) {
      ++position_;  // after a trailing comma
      return elements;
    }
    std::string element = peek() == '\'' || peek() == '"' ? quoted_value() : plain_value(true);
    if (element.empty()) {
      throw SpecProblem("an element of the list is empty");
    }
    elements.push_back(std::move(element));
    if (elements.size() > most_elements) {
      throw SpecProblem("the list is too long");
    }
    skip_space();
    if (at_end()) {
      throw SpecProblem("the list's `[` is not closed", "add the missing `]`");
    }
    if (peek() == ']') {
      ++position_;
      return elements;
    }
    if (peek() != ',') {
      throw SpecProblem("a comma is missing in the list before " + quoted(text_.substr(position_)));
    }
    ++position_;
  }
}

}  // namespace

std::vector<BracketField> parse_brackets(std::string_view text, std::size_t& end) {
  BracketParser parser(text);
  std::vector<BracketField> fields = parser.parse();
  end = parser.position();
  return fields;
}

}  // namespace envtool
