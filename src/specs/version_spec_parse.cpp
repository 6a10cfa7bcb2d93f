#include <string>

#include "characters.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "version_spec_node.hpp"

namespace envtool {

namespace {

using Node = VersionSpec::Node;
using Kind = Node::Kind;

// A constraint may print longer than it was written, so the limit that matters is on its clauses.
constexpr std::size_t longest_spec = 256 * 1024;
constexpr std::size_t most_clauses = 256;
constexpr std::size_t longest_pattern = 255;
constexpr int deepest_parenthesis = 20;

bool is_operator_character(char c) {
  return c == '=' || c == '<' || c == '>' || c == '!' || c == '~';
}

class SpecParser {
 public:
  explicit SpecParser(std::string_view text) : text_(text) {}

  Node parse() {
    if (text_.size() > longest_spec) {
      fail("it is longer than " + std::to_string(longest_spec) + " characters");
    }
    skip_space();
    if (at_end()) {
      fail("it is empty", "write `*` for any version");
    }
    Node node = alternatives(0);
    if (!at_end()) {
      if (peek() == ')') {
        fail("`)` without `(`");
      }
      fail_side_by_side();
    }
    return node;
  }

 private:
  [[noreturn]] void fail(std::string why, std::string hint = {}) const {
    Error error("invalid version constraint " + quoted(text_), ErrorKind::invalid_input);
    error.because(std::move(why));
    if (!hint.empty()) {
      error.hint(std::move(hint));
    }
    throw error;
  }
  [[noreturn]] void fail_side_by_side() const {
    fail("something stands between " + quoted(strip(text_.substr(0, position_))) + " and " +
             quoted(text_.substr(position_)) + " that is neither `,` nor `|`",
         "join clauses with `,` (and) or `|` (or)");
  }
  bool at_end() const { return position_ >= text_.size(); }
  char peek() const { return text_[position_]; }
  void skip_space() {
    while (!at_end() && is_space(peek())) {
      ++position_;
    }
  }
  bool take(char c) {
    if (at_end() || peek() != c) {
      return false;
    }
    ++position_;
    skip_space();
    return true;
  }

  Node alternatives(int depth);
  Node conjunction(int depth);
  Node primary(int depth);
  Node clause();
  Node pattern(std::string_view operation, std::string_view literal);
  Node literal_clause(Kind kind, std::string_view literal);
  std::string_view take_operator();
  std::string_view take_literal(std::string_view operation);

  std::string_view text_;
  std::size_t position_ = 0;
  std::size_t clauses_ = 0;
};

void append(Node& parent, Node child) {
  if (child.kind == parent.kind) {
    for (Node& grandchild : child.children) {
      parent.children.push_back(std::move(grandchild));
    }
  } else {
    parent.children.push_back(std::move(child));
  }
}

Node SpecParser::alternatives(int depth) {
  Node first = conjunction(depth);
  if (at_end() || peek() != '|') {
    return first;
  }
  Node node;
  node.kind = Kind::any_of;
  node.children.reserve(2);
  bool is_any = first.kind == Kind::any;
  append(node, std::move(first));
  while (take('|')) {
    Node next = conjunction(depth);
    is_any = is_any || next.kind == Kind::any;
    append(node, std::move(next));
  }
  return is_any ? Node{} : node;
}

Node SpecParser::conjunction(int depth) {
  Node first = primary(depth);
  if (at_end() || peek() != ',') {
    return first;
  }
  Node node;
  node.kind = Kind::all_of;
  node.children.reserve(2);
  if (first.kind != Kind::any) {
    append(node, std::move(first));
  }
  while (take(',')) {
    if (at_end() || peek() == ')') {
      break;  // a trailing comma, which published packages have
    }
    Node next = primary(depth);
    if (next.kind != Kind::any) {
      append(node, std::move(next));
    }
  }
  if (node.children.empty()) {
    return Node{};
  }
  if (node.children.size() == 1) {
    Node only = std::move(node.children.front());
    return only;
  }
  return node;
}

Node SpecParser::primary(int depth) {
  if (take('(')) {
    if (depth >= deepest_parenthesis) {
      fail("its parentheses are nested too deeply");
    }
    Node node = alternatives(depth + 1);
    if (!take(')')) {
      if (at_end()) {
        fail("`(` without `)`");
      }
      fail_side_by_side();
    }
    return node;
  }
  return clause();
}

std::string_view SpecParser::take_operator() {
  const std::size_t begin = position_;
  while (!at_end() && is_operator_character(peek())) {
    ++position_;
  }
  // An exclamation mark alone belongs to no operator; it is an epoch without its number.
  const std::string_view operation = text_.substr(begin, position_ - begin);
  static constexpr std::string_view known[] = {"",  "=",  "==", "!=", "<",
                                               ">", "<=", ">=", "~="};
  for (std::string_view candidate : known) {
    if (candidate == operation) {
      skip_space();
      return operation;
    }
  }
  const std::string why = quoted(operation) + " is not an operator";
  if (operation == "=>" || operation == "=<") {
    fail(why, std::string("did you mean `") + operation[1] + "=`?");
  }
  if (operation == "===") {
    fail(why, "write `==` for an exact version");
  }
  fail(why, "the operators are `==`, `=`, `!=`, `<`, `<=`, `>`, `>=` and `~=`");
}

std::string_view SpecParser::take_literal(std::string_view operation) {
  const std::size_t begin = position_;
  if (!at_end() && peek() == '^') {
    const std::size_t end = text_.find('$', position_);
    if (end == std::string_view::npos) {
      fail("a regular expression starts with `^` and has no `$` at its end");
    }
    position_ = end + 1;
  } else {
    while (!at_end()) {
      const char c = peek();
      const bool is_operator = c == '!' ? position_ + 1 < text_.size() && text_[position_ + 1] == '='
                                        : is_operator_character(c);
      if (is_operator || is_space(c) || c == ',' || c == '|' || c == '(' || c == ')' || c == '^') {
        break;
      }
      ++position_;
    }
  }
  const std::string_view literal = text_.substr(begin, position_ - begin);
  if (literal.empty()) {
    fail(operation.empty() ? "a version is missing" : "a version is missing after " + quoted(operation));
  }
  skip_space();
  return literal;
}

Node SpecParser::literal_clause(Kind kind, std::string_view literal) {
  Node node;
  node.kind = kind;
  try {
    node.version = Version::parse(literal);
  } catch (const Error& error) {
    fail(quoted(literal) + " is not a version: " + error.why(),
         error.hints().empty() ? std::string() : error.hints().front());
  }
  return node;
}

Node SpecParser::pattern(std::string_view operation, std::string_view literal) {
  // `0.2.18.*.` and `2023.*.*` are in channels, too.
  std::string_view base = literal;
  while (base.ends_with('*') || base.ends_with("*.")) {
    base.remove_suffix(base.ends_with('.') ? 2 : 1);
    if (base.ends_with('.')) {
      base.remove_suffix(1);
    }
  }
  const bool is_equality = operation.empty() || operation == "=" || operation == "==";
  if (literal.find_first_not_of('*') == std::string_view::npos) {
    // `>=*` and `<=*` are in channels; the other operators would leave nothing.
    if (!is_equality && operation != ">=" && operation != "<=" && operation != "~=") {
      fail(quoted(operation) + " cannot be combined with `*`");
    }
    return Node{};
  }
  if (base.empty() || base.find('*') != std::string_view::npos) {
    if (!is_equality && operation != "!=") {
      fail(quoted(operation) + " needs a version, not the pattern " + quoted(literal));
    }
    if (literal.size() > longest_pattern) {
      fail("a pattern is longer than " + std::to_string(longest_pattern) + " characters");
    }
    if (literal.front() == '!') {
      fail(quoted(literal) + " starts with `!`", "an epoch is a number, as in `1!2.*.0`");
    }
    for (char c : literal) {
      if (!is_letter(c) && !is_digit(c) && std::string_view("._-+!*").find(c) == std::string_view::npos) {
        fail(quoted(literal) + " contains " + quoted(std::string_view(&c, 1)) + ", which no version has");
      }
    }
    Node node;
    node.kind = operation == "!=" ? Kind::not_text : Kind::text;
    node.text = std::make_shared<const StringMatcher>(StringMatcher::parse(literal));
    return node;
  }
  if (is_equality) {
    return literal_clause(Kind::starts_with, base);
  }
  if (operation == "!=") {
    return literal_clause(Kind::not_starts_with, base);
  }
  if (operation == "~=") {
    fail("`~=` cannot be combined with `*`", "write " + quoted(">=" + std::string(base) + "," + std::string(base) + ".*"));
  }
  // `.*` after an ordering is superfluous and ignored, as in conda. `>2.10*` without the dot matches
  // 2.10 itself, in conda and rattler alike.
  const bool has_dot = base.size() < literal.size() && literal[base.size()] == '.';
  return literal_clause(operation == "<"               ? Kind::less
                        : operation == "<="            ? Kind::less_equal
                        : operation == ">" && has_dot  ? Kind::greater
                                                       : Kind::greater_equal,
                        base);
}

Node SpecParser::clause() {
  if (++clauses_ > most_clauses) {
    fail("it has more than " + std::to_string(most_clauses) + " clauses");
  }
  const std::string_view operation = take_operator();
  const std::string_view literal = take_literal(operation);
  if (literal.front() == '^') {
    if (!operation.empty()) {
      fail(quoted(operation) + " cannot be combined with a regular expression");
    }
    Node node;
    node.kind = Kind::text;
    try {
      node.text = std::make_shared<const StringMatcher>(StringMatcher::parse(literal));
    } catch (const Error& error) {
      fail("the regular expression " + quoted(literal) + " is not valid: " + error.why());
    }
    return node;
  }
  if (literal.find('*') != std::string_view::npos) {
    return pattern(operation, literal);
  }
  if (operation.empty() || operation == "==") {
    return literal_clause(Kind::equal, literal);
  }
  if (operation == "=") {
    return literal_clause(Kind::starts_with, literal);
  }
  if (operation == "!=") {
    return literal_clause(Kind::not_equal, literal);
  }
  if (operation == "<") {
    return literal_clause(Kind::less, literal);
  }
  if (operation == "<=") {
    return literal_clause(Kind::less_equal, literal);
  }
  if (operation == ">") {
    return literal_clause(Kind::greater, literal);
  }
  if (operation == ">=") {
    return literal_clause(Kind::greater_equal, literal);
  }
  Node node = literal_clause(Kind::compatible, literal);
  if (node.version.segment_count() > 1) {
    Node& prefix = node.children.emplace_back();
    prefix.kind = Kind::starts_with;
    prefix.version = node.version.without_last_segment();
  }
  return node;
}

}  // namespace

VersionSpec::Node parse_version_spec(std::string_view text) {
  return SpecParser(text).parse();
}

}  // namespace envtool
