#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace envtool {

/// A matcher of string fields (CEP 29 string matching), always case-insensitive: exact, glob (`*`
/// stands for any characters) or regular expression (`^...$`).
class StringMatcher {
 public:
  /// Matches everything.
  StringMatcher() = default;
  /// Throws `Error` (invalid_input) for a bad regular expression, which may use neither look-around
  /// nor back-references. Matching takes linear time whatever the pattern.
  static StringMatcher parse(std::string_view text);
  bool matches(std::string_view value) const;
  bool is_any() const { return text_.empty() || text_ == "*"; }
  bool is_glob() const { return kind_ == Kind::glob; }
  bool is_regex() const { return kind_ == Kind::regex; }
  /// The text when it is neither glob nor regex; nothing when any text matches.
  std::optional<std::string> exact() const;
  /// The pattern; lower-case unless it is a regular expression.
  const std::string& str() const { return text_; }
  bool operator==(const StringMatcher& other) const { return text_ == other.text_; }

 private:
  enum class Kind : std::uint8_t { exact, glob, regex };
  struct Compiled;
  std::string text_;
  std::shared_ptr<const Compiled> compiled_;
  Kind kind_ = Kind::exact;
};

/// True when the glob matches the whole text (ASCII case-insensitive).
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace envtool
