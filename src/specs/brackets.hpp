#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace envtool {

/// What is wrong with a piece of a match spec; the parser of the whole adds the text around it.
struct SpecProblem : std::runtime_error {
  explicit SpecProblem(const std::string& why, std::string hint_text = {})
      : std::runtime_error(why), hint(std::move(hint_text)) {}
  std::string hint;
};

/// One `key=value` of the square brackets of a match spec (CEP 29).
struct BracketField {
  std::string_view key;
  /// Without quotes; the only element when the value is no list.
  std::string value;
  /// The elements of `[a, 'b']`.
  std::vector<std::string> list;
  bool is_list = false;
};

/// Reads the fields of `text`, which starts with `[`; sets `end` to after the closing bracket.
/// Throws `SpecProblem`.
std::vector<BracketField> parse_brackets(std::string_view text, std::size_t& end);

}  // namespace envtool
