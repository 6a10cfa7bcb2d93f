#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "envtool/base/error.hpp"

// Bounded reading and plain writing of YAML for the libraries that own a YAML format; yaml-cpp stays
// inside.

namespace envtool {

/// One node of a document that has been checked: UTF-8, within the limits, without double keys,
/// foreign tags or references to itself. Aliases share their node.
struct YamlNode {
  enum class Kind { null, scalar, sequence, map };
  using Pointer = std::shared_ptr<const YamlNode>;
  struct Entry {
    std::string key;
    std::size_t line;
    std::size_t column;
    Pointer value;
  };

  Kind kind = Kind::null;
  /// The text of a scalar.
  std::string text;
  /// A scalar without quotes: `true` and `1.0` may be meant as more than text.
  bool plain = false;
  /// Counted from 1.
  std::size_t line = 1, column = 1;
  std::vector<Pointer> items;
  std::vector<Entry> entries;
  /// Nodes in this one with aliases counted as often as they occur, and levels below it.
  std::size_t weight = 1, height = 0;

  bool is_null() const { return kind == Kind::null; }
  bool is_scalar() const { return kind == Kind::scalar; }
  bool is_sequence() const { return kind == Kind::sequence; }
  bool is_map() const { return kind == Kind::map; }
  /// The value of a key of a map, or null.
  const YamlNode* find(std::string_view key) const;
};

/// What a document may be at most.
struct YamlLimits {
  std::size_t bytes = 4u << 20;
  std::size_t depth = 50;
  /// Nodes, aliases counted as what they stand for.
  std::size_t nodes = 200'000;
};

/// Parses the one document of a text; an empty text gives a null node. Throws `Error`
/// (invalid_input) at `origin:line:column`.
YamlNode::Pointer parse_yaml(std::string_view text, const std::string& origin, const YamlLimits& limits = {});

/// `what` with the node's place.
Error yaml_error(std::string what, const std::string& origin, const YamlNode& node);

/// A string as a YAML scalar on one line: plain where every YAML reader (1.1 and 1.2) takes it for
/// this string, else in double quotes.
std::string yaml_scalar(std::string_view text);

}  // namespace envtool
