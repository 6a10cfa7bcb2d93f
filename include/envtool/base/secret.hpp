#pragma once

#include <string>
#include <utility>

namespace envtool {

/// A credential. It has no stream operator, no comparison with strings and no implicit
/// conversion, so it cannot slip into a message; `reveal()` is what reviewers search for.
class Secret {
 public:
  Secret() = default;
  explicit Secret(std::string value) : value_(std::move(value)) {}
  bool empty() const { return value_.empty(); }
  /// The clear text, for the wire only.
  const std::string& reveal() const { return value_; }
  bool operator==(const Secret&) const = default;

 private:
  std::string value_;
};

}  // namespace envtool
