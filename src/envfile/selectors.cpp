#include "selectors.hpp"

#include <algorithm>
#include <optional>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {
namespace {

// A recursive-descent reader of one expression. Depth is bounded by the line it stands in.
class Reader {
 public:
  Reader(std::string_view text, std::span<const std::string> true_ones, std::span<const std::string> known,
         const SelectorPlace& place)
      : text_(text), true_ones_(true_ones), known_(known), place_(place) {
    if (text.size() > max_length) fail(0, "the expression is too long");
    advance();
  }

  bool read() {
    const bool value = disjunction();
    if (!word_.empty()) fail(start_, "expected `and` or `or` before `" + escape_control(word_) + "`");
    return value;
  }

 private:
  static constexpr std::size_t max_length = 500;

  [[noreturn]] void fail(std::size_t position, std::string why) const {
    throw Error("the selector `" + escape_control(strip(text_).substr(0, 80)) + "` cannot be decided",
                ErrorKind::invalid_input)
        .at(place_.origin, place_.line, place_.column + position)
        .because(std::move(why));
  }

  void advance() {
    while (end_ < text_.size() && (text_[end_] == ' ' || text_[end_] == '\t')) ++end_;
    start_ = end_;
    if (end_ < text_.size() && (text_[end_] == '(' || text_[end_] == ')')) {
      ++end_;
    } else {
      while (end_ < text_.size() && std::string_view(" \t()").find(text_[end_]) == std::string_view::npos) ++end_;
    }
    word_ = text_.substr(start_, end_ - start_);
  }

  // Both sides are always read, so that an unknown variable is found wherever it stands.
  bool disjunction() {
    bool value = conjunction();
    while (word_ == "or") {
      advance();
      const bool right = conjunction();
      value = value || right;
    }
    return value;
  }

  bool conjunction() {
    bool value = negation();
    while (word_ == "and") {
      advance();
      const bool right = negation();
      value = value && right;
    }
    return value;
  }

  bool negation() {
    if (word_ == "not") {
      advance();
      return !negation();
    }
    if (word_ == "(") {
      advance();
      const bool value = disjunction();
      if (word_ != ")") fail(start_, "a `)` is missing");
      advance();
      return value;
    }
    return variable();
  }

  bool variable() {
    if (word_.empty() || word_ == ")" || word_ == "and" || word_ == "or") fail(start_, "a variable is missing");
    const std::string name(word_);
    if (std::find(known_.begin(), known_.end(), name) == known_.end()) {
      Error error("the selector `" + escape_control(strip(text_).substr(0, 80)) + "` cannot be decided",
                  ErrorKind::invalid_input);
      error.at(place_.origin, place_.line, place_.column + start_)
          .because("`" + escape_control(name) + "` is not a variable of selectors");
      for (const std::string& match : closest_matches(name, known_, 1)) error.hint("did you mean `" + match + "`?");
      throw error;
    }
    advance();
    return std::find(true_ones_.begin(), true_ones_.end(), name) != true_ones_.end();
  }

  std::string_view text_;
  std::span<const std::string> true_ones_;
  std::span<const std::string> known_;
  const SelectorPlace& place_;
  std::size_t start_ = 0, end_ = 0;
  std::string_view word_;
};

// Where the comment of a line begins. A `#` is one behind white space or at the start, outside
// quotes; a quote counts where a scalar can begin.
std::optional<std::size_t> comment_start(std::string_view line) {
  char quote = 0;
  for (std::size_t i = 0; i < line.size(); ++i) {
    const char c = line[i];
    const char before = i == 0 ? ' ' : line[i - 1];
    if (quote == '"' && c == '\\') {
      ++i;
    } else if (quote != 0) {
      if (c == quote) quote = 0;
    } else if ((c == '"' || c == '\'') && std::string_view(" \t[{,").find(before) != std::string_view::npos) {
      quote = c;
    } else if (c == '#' && (before == ' ' || before == '\t')) {
      return i;
    }
  }
  return std::nullopt;
}

bool has_only_known_words(std::string_view expression) {
  std::string words(expression);
  std::replace(words.begin(), words.end(), '(', ' ');
  std::replace(words.begin(), words.end(), ')', ' ');
  const std::vector<std::string>& known = selector_variables();
  for (const std::string_view word : split_whitespace(words)) {
    if (word != "and" && word != "or" && word != "not" &&
        std::find(known.begin(), known.end(), word) == known.end()) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool evaluate_selector(std::string_view expression, std::span<const std::string> true_ones,
                       std::span<const std::string> known, const SelectorPlace& place) {
  return Reader(expression, true_ones, known, place).read();
}

const std::vector<std::string>& selector_variables() {
  // conda-build's operating systems and processors, with `osx64` (CEP 24), and what the known
  // platforms bring on top.
  static const std::vector<std::string> names = [] {
    std::vector<std::string> result = {"x86",     "x86_64",  "linux", "linux32", "linux64", "armv6l", "armv7l",
                                       "aarch64", "ppc64le", "s390x", "osx",     "osx64",   "arm64",  "unix",
                                       "win",     "win32",   "win64", "arm",     "ppc64",   "riscv64"};
    for (const std::string& platform : Platform::known()) {
      for (std::string& name : Platform::parse(platform).selectors()) {
        if (std::find(result.begin(), result.end(), name) == result.end()) result.push_back(std::move(name));
      }
    }
    return result;
  }();
  return names;
}

const std::vector<std::string>& dictionary_selector_variables() {
  static const std::vector<std::string> names = {"unix", "linux", "osx", "win"};
  return names;
}

std::string apply_comment_selectors(std::string_view text, const std::string& origin, const Platform& platform,
                                    bool& used) {
  used = false;
  const std::vector<std::string> true_ones = platform.selectors();
  std::string result;
  result.reserve(text.size());
  std::size_t number = 0;
  for (std::size_t begin = 0; begin < text.size();) {
    ++number;
    const std::size_t newline = text.find('\n', begin);
    const std::size_t end = newline == std::string_view::npos ? text.size() : newline;
    const std::string_view line = text.substr(begin, end - begin);
    std::string_view kept = line;
    const auto comment = comment_start(line);
    // A line that is nothing but a comment has no value to keep or drop.
    if (comment && !strip(line.substr(0, *comment)).empty()) {
      std::size_t open = *comment + 1;
      while (open < line.size() && (line[open] == ' ' || line[open] == '\t')) ++open;
      const std::size_t close = line.find(']', open);
      if (open < line.size() && line[open] == '[' && close != std::string_view::npos) {
        const std::string_view expression = line.substr(open + 1, close - open - 1);
        // Words behind the bracket make it a selector only when it reads as one: `# [1] see below`
        // is prose.
        const bool is_alone = strip(line.substr(close + 1)).empty();
        if (is_alone || has_only_known_words(expression)) {
          used = true;
          const SelectorPlace place{origin, number, open + 2};
          kept = evaluate_selector(expression, true_ones, selector_variables(), place) ? line.substr(0, *comment)
                                                                                       : std::string_view();
        }
      }
    }
    result += kept;
    if (newline != std::string_view::npos) result += '\n';
    begin = end + 1;
  }
  return result;
}

}  // namespace envtool
