#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "envtool/specs/version.hpp"

namespace envtool {

/// A predicate over versions: clauses joined by `,` (and) and `|` (or), CEP 29.
class VersionSpec {
 public:
  /// Matches every version.
  VersionSpec();
  /// Throws `Error` (invalid_input) that quotes the offending clause.
  static VersionSpec parse(std::string_view text);

  bool matches(const Version& version) const;
  /// True when every version matches (`*` or nothing given).
  bool is_any() const;
  /// The version when the spec is a single `==`, else null.
  const Version* exact() const;
  /// Canonical text; parses back to an equal value.
  std::string str() const;
  bool operator==(const VersionSpec& other) const;

  /// The parsed expression; complete only inside the library.
  struct Node;

 private:
  std::shared_ptr<const Node> root_;
};

}  // namespace envtool
