#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "envtool/specs/string_matcher.hpp"
#include "envtool/specs/version_spec.hpp"

namespace envtool {

/// One clause of a version constraint, or a group of them.
struct VersionSpec::Node {
  enum class Kind : std::uint8_t {
    any,  // only while parsing
    equal,
    not_equal,
    less,
    less_equal,
    greater,
    greater_equal,
    starts_with,
    not_starts_with,
    compatible,
    text,  // glob or regular expression over the version's text
    not_text,
    all_of,
    any_of
  };
  Kind kind = Kind::any;
  Version version;
  std::shared_ptr<const StringMatcher> text;
  /// Of `all_of` and `any_of`; of `compatible` the one fuzzy equality that it implies.
  std::vector<Node> children;

  bool matches(const Version& candidate) const;
  void print(std::string& out, bool is_alone) const;
  bool operator==(const Node& other) const {
    const bool has_same_text = text == nullptr || other.text == nullptr ? text == other.text : *text == *other.text;
    return kind == other.kind && version.str() == other.version.str() && has_same_text && children == other.children;
  }
};

/// Throws `Error` (invalid_input).
VersionSpec::Node parse_version_spec(std::string_view text);

}  // namespace envtool
