#include "envtool/base/text.hpp"
#include "envtool/specs/string_matcher.hpp"

#include "characters.hpp"
#include "regex.hpp"

namespace envtool {

struct StringMatcher::Compiled {
  Regex regex;
};

bool matches_glob(std::string_view pattern, std::string_view text) {
  // Greedy with one way back: after a mismatch the latest star swallows one more character.
  std::size_t p = 0;
  std::size_t t = 0;
  std::size_t star = std::string_view::npos;
  std::size_t star_text = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      star = p++;
      star_text = t;
    } else if (p < pattern.size() && lowered(pattern[p]) == lowered(text[t])) {
      ++p;
      ++t;
    } else if (star != std::string_view::npos) {
      p = star + 1;
      t = ++star_text;
    } else {
      return false;
    }
  }
  while (p < pattern.size() && pattern[p] == '*') {
    ++p;
  }
  return p == pattern.size();
}

StringMatcher StringMatcher::parse(std::string_view text) {
  StringMatcher matcher;
  if (text.size() >= 2 && text.front() == '^' && text.back() == '$') {
    matcher.kind_ = Kind::regex;
    matcher.text_ = text;
    matcher.compiled_ = std::make_shared<const Compiled>(Compiled{Regex::compile(text)});
    return matcher;
  }
  matcher.text_ = to_lower(text);
  matcher.kind_ = text.find('*') == std::string_view::npos ? Kind::exact : Kind::glob;
  return matcher;
}

bool StringMatcher::matches(std::string_view value) const {
  switch (kind_) {
    case Kind::exact:
      return text_.empty() || equal_ignoring_case(text_, value);
    case Kind::glob:
      return matches_glob(text_, value);
    case Kind::regex:
      return compiled_->regex.search(value);
  }
  return false;
}

std::optional<std::string> StringMatcher::exact() const {
  if (kind_ != Kind::exact || text_.empty()) {
    return std::nullopt;
  }
  return text_;
}

}  // namespace envtool
