#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "envtool/specs/version.hpp"

namespace envtool {

/// A predicate over versions: clauses joined by `,` (and, binds tighter) and `|` (or), grouped by
/// parentheses (CEP 29). A value, cheap to copy.
class VersionSpec {
 public:
  /// Matches every version.
  VersionSpec();
  /// Throws `Error` (invalid_input) that quotes the offending clause. A literal alone is exact
  /// (`1.8`), with one `=` or a trailing `*` it is fuzzy (`=1.8`, `1.8.*`, `1.8*`). Read leniently
  /// because channels have them: a comma at the end, and `.*` after an ordering (`>=1.8.*` is `>=1.8`).
  static VersionSpec parse(std::string_view text);
  /// `==version`.
  static VersionSpec equal_to(const Version& version);
  /// `version.*`.
  static VersionSpec starting_with(const Version& version);

  bool matches(const Version& version) const;
  /// True when every version matches (`*` or nothing given).
  bool is_any() const { return root_ == nullptr; }
  /// The version when the spec is a single `==`, else null.
  const Version* exact() const;
  /// The version when the spec is a single fuzzy equality (`=1.8`, `1.8.*`), else null.
  const Version* prefix() const;
  /// Canonical text (`*` when any, `==1.8`, `1.8.*`, `>=1.8,<2|1.7`); parses back to an equal value.
  std::string str() const;
  /// Same expression with the same literals; `==1.0` and `==1.0.0` are different texts.
  bool operator==(const VersionSpec& other) const;

  /// The parsed expression; complete only inside the library.
  struct Node;

 private:
  explicit VersionSpec(std::shared_ptr<const Node> root) : root_(std::move(root)) {}

  std::shared_ptr<const Node> root_;
};

}  // namespace envtool
