#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace envtool {

/// A package version, ordered as CEP 33 says. Immutable; comparing does not allocate.
class Version {
 public:
  /// Version `0`.
  Version();
  /// Throws `Error` (invalid_input) for text outside CEP 33's grammar.
  static Version parse(std::string_view text);

  /// The text as it was given (lower-cased, stripped).
  const std::string& str() const { return text_; }
  /// CEP 33 order; `1.0` and `1.0.0` are equivalent.
  std::strong_ordering operator<=>(const Version& other) const;
  bool operator==(const Version& other) const;
  /// True when `prefix` plus `.*` matches this version (fuzzy equality, CEP 29).
  bool starts_with(const Version& prefix) const;
  /// Without its last segment (`~=`, CEP 29). `1.2.3` gives `1.2`.
  Version without_last_segment() const;
  /// The leading segments, at most `count`, for pins such as python's `3.11`.
  Version truncated(std::size_t count) const;
  std::size_t segment_count() const;

 private:
  // Segments as runs of (number | string) atoms; filled by the specs engineer as fits.
  struct Atom {
    std::uint64_t number = 0;
    std::string text;  // empty for a number
  };
  std::string text_;
  std::uint64_t epoch_ = 0;
  std::vector<Atom> atoms_;
  std::vector<std::uint32_t> segment_ends_;
  std::uint32_t local_start_ = 0;
};

}  // namespace envtool
