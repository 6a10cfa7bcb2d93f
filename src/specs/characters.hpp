#pragma once

#include <string>
#include <string_view>

namespace envtool {

// ASCII only and independent of the locale: what the CEPs mean by letter, digit and white space.
constexpr bool is_digit(char c) {
  return c >= '0' && c <= '9';
}
constexpr bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}
constexpr bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}
constexpr bool is_letter(char c) {
  return is_lower(c) || is_upper(c);
}
constexpr bool is_space(char c) {
  return c == ' ' || (c >= '\t' && c <= '\r');
}
constexpr char lowered(char c) {
  return is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
}

/// ASCII case-insensitive equality.
bool equal_ignoring_case(std::string_view a, std::string_view b);

/// The text between backticks as a message shows it: control characters escaped, credentials of
/// URLs masked, overlong text cut.
std::string quoted(std::string_view text);

}  // namespace envtool
