#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/specs/match_spec.hpp"

namespace envtool::solving {

/// The parsed `when` of a conditional dependency (CEP 43).
struct Condition {
  enum class Kind { atom, all_of, any_of };
  Kind kind = Kind::atom;
  MatchSpec atom;
  /// The interned spec of an atom.
  std::uint32_t spec = ~std::uint32_t{0};
  std::vector<Condition> parts;
};

/// Parses `a and (b or c)`: `and` binds tighter than `or`. Throws `Error` (invalid_input).
Condition parse_condition(std::string_view text);

}  // namespace envtool::solving
