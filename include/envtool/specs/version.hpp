#pragma once

#include <array>
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
  /// Throws `Error` (invalid_input) for text outside CEP 33's grammar. Runs of digits below 2^61 and
  /// texts up to 255 characters are read (CEP 33 stops at 2^31, but channels have versions made of time
  /// stamps); CEP 26's limit of 64 characters is checked by `is_valid_version_string`.
  static Version parse(std::string_view text);

  /// The text as it was given (lower-cased, stripped, `-` as `_`).
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
  bool has_local() const { return local_begin_ < atom_count_; }

 private:
  /// Kinds in the order that CEP 33 gives them; a missing atom counts as the number 0.
  enum class AtomKind : std::uint8_t { dev, text, number, post };
  /// A run of digits or of other characters in eight bytes: the kind on top, at the bottom whether it
  /// ends its segment, between them the number, or where the run stands in `text_`. So two atoms that
  /// are no texts compare as integers.
  class Atom {
   public:
    static constexpr std::uint64_t largest_number = (std::uint64_t{1} << 61) - 1;
    Atom() = default;  // leaves it unset
    constexpr Atom(AtomKind kind, std::uint64_t value)
        : bits_(static_cast<std::uint64_t>(kind) << 62 | value << 1) {}
    static constexpr Atom zero() { return {AtomKind::number, 0}; }
    static constexpr Atom run(AtomKind kind, std::size_t offset, std::size_t size) {
      return {kind, kind == AtomKind::text ? std::uint64_t{offset} << 16 | size : 0};
    }
    constexpr AtomKind kind() const { return static_cast<AtomKind>(bits_ >> 62); }
    constexpr std::uint64_t order() const { return bits_ >> 1; }
    constexpr bool ends_segment() const { return (bits_ & 1) != 0; }
    constexpr void end_segment() { bits_ |= 1; }
    std::string_view text(std::string_view whole) const {
      return whole.substr((bits_ >> 17) & 0xffff, (bits_ >> 1) & 0xffff);
    }

   private:
    std::uint64_t bits_;
  };
  /// The atoms of the main or the local part, and the text that they point into.
  struct Part {
    const Atom* begin;
    const Atom* end;
    std::string_view text;
  };

  class Parser;
  const Atom* atoms() const { return more_atoms_.empty() ? few_atoms_.data() : more_atoms_.data(); }
  Part main_part() const { return {atoms(), atoms() + local_begin_, text_}; }
  Part local_part() const { return {atoms() + local_begin_, atoms() + atom_count_, text_}; }
  static std::strong_ordering compare_atoms(Atom left, std::string_view left_text, Atom right,
                                            std::string_view right_text);
  static std::strong_ordering compare_parts(Part left, Part right);
  static bool part_starts_with(Part part, Part prefix);

  std::string text_;
  std::uint64_t epoch_ = 0;
  std::uint32_t atom_count_ = 0;
  std::uint32_t local_begin_ = 0;
  /// Most versions have few atoms, and need no memory of their own for them.
  std::array<Atom, 5> few_atoms_{};
  std::vector<Atom> more_atoms_;
};

}  // namespace envtool
