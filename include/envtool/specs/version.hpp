#pragma once

#include <compare>
#include <cstddef>
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
  /// Throws `Error` (invalid_input) for text outside CEP 33's grammar. Runs of digits up to 2^64-1 and
  /// texts up to 255 characters are read (channels have versions made of time stamps); CEP 26's limit
  /// of 64 characters is checked by `is_valid_version_string`.
  static Version parse(std::string_view text);

  /// The text as it was given (lower-cased, stripped).
  const std::string& str() const { return text_; }
  /// CEP 33 order; `1.0` and `1.0.0` are equivalent.
  std::strong_ordering operator<=>(const Version& other) const;
  bool operator==(const Version& other) const;
  /// True when `prefix` plus `.*` matches this version (fuzzy equality, CEP 29). A prefix that ends in
  /// letters matches longer letters (`1.0a` matches `1.0alpha`), as conda has it.
  bool starts_with(const Version& prefix) const;
  /// Without its last segment and local part (`~=`, CEP 29). `1.2.3` gives `1.2`; a single segment stays.
  Version without_last_segment() const;
  /// The leading segments, at most `count` (at least one is kept), for pins such as python's `3.11`. A
  /// local part stays only when no segment is cut.
  Version truncated(std::size_t count) const;
  /// Number of segments of the main part (`1!2.3.4+5` has three).
  std::size_t segment_count() const;
  bool has_local() const { return local_begin_ < atoms_.size(); }

 private:
  /// Kinds in the order that CEP 33 gives them; a missing atom counts as the number 0.
  enum class AtomKind : std::uint8_t { dev, text, number, post };
  /// A run of digits or of other characters. `offset` and `size` say where in `text_` it stands
  /// (the 0 that CEP 33 puts before a leading letter has size 0).
  struct Atom {
    std::uint64_t number;
    std::uint16_t offset;
    std::uint16_t size;
    AtomKind kind;
    bool ends_segment;
  };

  class Parser;
  std::strong_ordering compare_atoms(const Atom& mine, const Version& other, const Atom& theirs) const;
  std::strong_ordering compare_range(std::size_t begin, std::size_t end, const Version& other,
                                     std::size_t other_begin, std::size_t other_end) const;
  bool range_starts_with(std::size_t begin, std::size_t end, const Version& prefix, std::size_t prefix_begin,
                         std::size_t prefix_end) const;

  std::string text_;
  std::uint64_t epoch_ = 0;
  /// Main part, then from `local_begin_` on the local part.
  std::vector<Atom> atoms_;
  std::uint32_t local_begin_ = 0;
};

}  // namespace envtool
