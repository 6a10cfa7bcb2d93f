#include "envtool/specs/package_name.hpp"

#include "characters.hpp"

namespace envtool {

namespace {

bool is_name_character(char c) {
  return is_lower(c) || is_digit(c) || c == '-' || c == '.' || c == '_';
}

bool is_separator(char c) {
  return c == '-' || c == '.' || c == '_';
}

template <typename Predicate>
bool all_of(std::string_view text, Predicate predicate) {
  for (char c : text) {
    if (!predicate(c)) {
      return false;
    }
  }
  return true;
}

}  // namespace

bool is_valid_package_name(std::string_view name) {
  constexpr std::size_t longest = 64;
  if (name.empty() || name.size() > longest || !all_of(name, is_name_character)) {
    return false;
  }
  // Virtual packages start with exactly two underscores, others with at most one.
  std::string_view rest = name;
  if (rest.starts_with("__")) {
    rest.remove_prefix(2);
    if (rest.empty() || is_separator(rest.front())) {
      return false;
    }
  } else if (rest.front() == '-' || rest.front() == '.') {
    return false;
  }
  for (std::size_t i = 1; i < rest.size(); ++i) {
    if (is_separator(rest[i - 1]) && is_separator(rest[i])) {
      return false;
    }
  }
  return true;
}

bool is_valid_version_string(std::string_view text) {
  constexpr std::size_t longest = 64;
  return !text.empty() && text.size() <= longest && all_of(text, [](char c) {
    return is_lower(c) || is_digit(c) || c == '.' || c == '_' || c == '+' || c == '!';
  });
}

bool is_valid_build_string(std::string_view text) {
  constexpr std::size_t longest = 64;
  return !text.empty() && text.size() <= longest && all_of(text, [](char c) {
    return is_letter(c) || is_digit(c) || c == '.' || c == '_' || c == '+';
  });
}

bool is_valid_subdir(std::string_view text) {
  constexpr std::size_t longest = 32;
  if (text == "noarch") {
    return true;
  }
  const std::size_t dash = text.find('-');
  if (text.size() > longest || dash == std::string_view::npos || dash == 0 || dash + 1 == text.size()) {
    return false;
  }
  const auto is_part = [](char c) { return is_lower(c) || is_digit(c); };
  return all_of(text.substr(0, dash), is_part) && all_of(text.substr(dash + 1), is_part);
}

std::string environment_name_problem(std::string_view name) {
  constexpr std::size_t longest = 255;  // one path component
  if (name.empty()) {
    return "the name is empty";
  }
  if (name.size() > longest) {
    return "the name is longer than 255 bytes";
  }
  if (name == "base" || name == "root") {
    return "`" + std::string(name) + "` is reserved for the base environment";
  }
  if (name == "." || name == "..") {
    return "`" + std::string(name) + "` names a folder, not an environment";
  }
  for (char c : name) {
    if (c == '/' || c == ':' || c == '#') {
      return std::string("the name contains `") + c + "`";
    }
    if (c == '\\') {
      return "the name contains a backslash";
    }
    if (c == ' ') {
      return "the name contains a space";
    }
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      return "the name contains a control character";
    }
  }
  if (name.front() == '-') {
    return "the name starts with `-`, which command lines read as an option";
  }
  return {};
}

}  // namespace envtool
