#include "condition.hpp"

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool::solving {
namespace {

class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Condition parse() {
    Condition condition = any_of(0);
    skip_space();
    if (at_ < text_.size()) fail("unexpected `" + std::string(text_.substr(at_)) + "`");
    return condition;
  }

 private:
  // Deep enough for every real condition, shallow enough for the stack.
  static constexpr int max_depth = 50;

  [[noreturn]] void fail(std::string why) const {
    throw Error("cannot understand the condition `" + escape_control(text_) + "`", ErrorKind::invalid_input)
        .because(std::move(why));
  }
  void skip_space() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
  }
  bool word(std::string_view expected) {
    skip_space();
    if (text_.substr(at_, expected.size()) != expected) return false;
    const std::size_t end = at_ + expected.size();
    if (end < text_.size() && text_[end] != ' ' && text_[end] != '(' && text_[end] != '\t') return false;
    at_ = end;
    return true;
  }

  Condition any_of(int depth) {
    Condition result = all_of(depth);
    while (word("or")) join(result, Condition::Kind::any_of, all_of(depth));
    return result;
  }
  Condition all_of(int depth) {
    Condition result = primary(depth);
    while (word("and")) join(result, Condition::Kind::all_of, primary(depth));
    return result;
  }
  static void join(Condition& left, Condition::Kind kind, Condition right) {
    if (left.kind != kind || left.parts.empty()) {
      Condition parent;
      parent.kind = kind;
      parent.parts.push_back(std::move(left));
      left = std::move(parent);
    }
    left.parts.push_back(std::move(right));
  }

  Condition primary(int depth) {
    if (depth > max_depth) fail("it is nested too deeply");
    skip_space();
    if (at_ < text_.size() && text_[at_] == '(') {
      ++at_;
      Condition inner = any_of(depth + 1);
      skip_space();
      if (at_ >= text_.size() || text_[at_] != ')') fail("a `)` is missing");
      ++at_;
      return inner;
    }
    const std::string_view spec = atom_text();
    if (spec.empty()) fail("a package spec is missing");
    Condition atom;
    atom.atom = MatchSpec::parse(spec);
    if (!atom.atom.when.empty()) fail("a condition cannot have a condition of its own");
    return atom;
  }

  /// Up to white space or `)` outside of brackets and quotes.
  std::string_view atom_text() {
    const std::size_t start = at_;
    int brackets = 0;
    char quote = 0;
    for (; at_ < text_.size(); ++at_) {
      const char c = text_[at_];
      if (quote != 0) {
        if (c == quote) quote = 0;
      } else if (brackets > 0 && (c == '"' || c == '\'')) {
        quote = c;
      } else if (c == '[') {
        ++brackets;
      } else if (c == ']') {
        --brackets;
      } else if (brackets == 0 && (c == ' ' || c == '\t' || c == ')' || c == '(')) {
        break;
      }
    }
    return text_.substr(start, at_ - start);
  }

  std::string_view text_;
  std::size_t at_ = 0;
};

}  // namespace

Condition parse_condition(std::string_view text) { return Parser(text).parse(); }

}  // namespace envtool::solving
