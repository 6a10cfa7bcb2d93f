#include "envtool/specs/version.hpp"

#include <limits>

#include "characters.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

/// Reads one literal into `version`, left to right; a class of its own so that the steps can share
/// the position.
class Version::Parser {
 public:
  Parser(std::string_view given, Version& version) : given_(given), version_(version) {}

  void parse();

 private:
  static constexpr std::size_t longest = 255;
  // Every character makes at most one atom, every segment one more for its filling 0.
  static constexpr std::size_t most_atoms = 2 * longest + 2;

  [[noreturn]] void fail(std::string why, std::string hint = {}) const;
  void normalize();
  std::size_t take_epoch();
  void parse_part(std::size_t begin, std::size_t end, bool is_local);
  void parse_segment(std::size_t begin, std::size_t end);
  void add(std::uint64_t number, std::size_t offset, std::size_t size, AtomKind kind) {
    buffer_[count_++] = {number, static_cast<std::uint16_t>(offset), static_cast<std::uint16_t>(size), kind,
                         false};
  }
  std::uint64_t number_at(std::size_t begin, std::size_t end) const;

  std::string_view given_;
  Version& version_;
  std::size_t count_ = 0;
  Atom buffer_[most_atoms];
};

void Version::Parser::fail(std::string why, std::string hint) const {
  Error error("invalid version " + quoted(given_), ErrorKind::invalid_input);
  error.because(std::move(why));
  if (!hint.empty()) {
    error.hint(std::move(hint));
  }
  throw error;
}

void Version::Parser::normalize() {
  const std::string_view text = strip(given_);
  if (text.empty()) {
    fail("the version is empty");
  }
  if (text.size() > longest) {
    fail("it is longer than 255 characters");
  }
  std::string& out = version_.text_;
  out.assign(text);
  bool has_dash = false;
  bool has_underscore = false;
  for (char& c : out) {
    c = lowered(c);
    if (is_lower(c) || is_digit(c) || c == '.' || c == '+' || c == '!') {
      continue;
    }
    if (c == '-') {
      has_dash = true;
    } else if (c == '_') {
      has_underscore = true;
    } else if (c == '*') {
      fail("`*` is a pattern, not a version");
    } else {
      fail("it contains " + quoted(std::string_view(&c, 1)),
           "versions are made of letters, digits, `.`, `_`, `!` (epoch) and `+` (local part)");
    }
  }
  // CEP 33: dashes are read as underscores. With both, conda and rattler refuse to guess.
  if (has_dash && has_underscore) {
    fail("it mixes `-` and `_`");
  }
  if (has_dash) {
    for (char& c : out) {
      c = c == '-' ? '_' : c;
    }
  }
}

std::uint64_t Version::Parser::number_at(std::size_t begin, std::size_t end) const {
  std::uint64_t number = 0;
  for (std::size_t i = begin; i < end; ++i) {
    const auto digit = static_cast<std::uint64_t>(version_.text_[i] - '0');
    if (number > (std::numeric_limits<std::uint64_t>::max() - digit) / 10) {
      fail("the number `" + version_.text_.substr(begin, end - begin) + "` is too large");
    }
    number = number * 10 + digit;
  }
  return number;
}

std::size_t Version::Parser::take_epoch() {
  const std::string& text = version_.text_;
  const std::size_t mark = text.find('!');
  if (mark == std::string::npos) {
    return 0;
  }
  if (text.find('!', mark + 1) != std::string::npos) {
    fail("it has more than one `!`", "an epoch is written once, as in `1!2.0`");
  }
  if (mark == 0) {
    fail("the epoch before `!` is missing", "an epoch is a number, as in `1!2.0`");
  }
  for (std::size_t i = 0; i < mark; ++i) {
    if (!is_digit(text[i])) {
      fail("the epoch before `!` is not a number", "an epoch is a number, as in `1!2.0`");
    }
  }
  version_.epoch_ = number_at(0, mark);
  return mark + 1;
}

void Version::Parser::parse_segment(std::size_t begin, std::size_t end) {
  const std::string& text = version_.text_;
  if (begin == end) {
    fail("a segment is empty", "segments are separated by a single `.` or `_`");
  }
  if (!is_digit(text[begin])) {
    add(0, begin, 0, AtomKind::number);
  }
  std::size_t i = begin;
  while (i < end) {
    std::size_t run = i;
    if (is_digit(text[i])) {
      while (run < end && is_digit(text[run])) {
        ++run;
      }
      add(number_at(i, run), i, run - i, AtomKind::number);
    } else {
      while (run < end && !is_digit(text[run])) {
        ++run;
      }
      const std::string_view letters = std::string_view(text).substr(i, run - i);
      const AtomKind kind = letters == "dev" ? AtomKind::dev : letters == "post" ? AtomKind::post : AtomKind::text;
      add(0, i, run - i, kind);
    }
    i = run;
  }
  buffer_[count_ - 1].ends_segment = true;
}

void Version::Parser::parse_part(std::size_t begin, std::size_t end, bool is_local) {
  const std::string& text = version_.text_;
  if (begin == end) {
    fail(is_local ? "the local part after `+` is empty" : "the main part is empty");
  }
  // A single underscore at the end belongs to the last segment (`1.0.1_` before `1.0.1a`).
  const std::size_t separators_end = text[end - 1] == '_' ? end - 1 : end;
  std::size_t segment = begin;
  for (std::size_t i = begin; i < separators_end; ++i) {
    if (text[i] == '.' || text[i] == '_') {
      parse_segment(segment, i);
      segment = i + 1;
    }
  }
  if (segment == separators_end) {
    fail("it ends with a separator", "remove the last `" + std::string(1, text[end - 1]) + "`");
  }
  parse_segment(segment, end);
}

void Version::Parser::parse() {
  normalize();
  const std::size_t main_begin = take_epoch();
  const std::size_t plus = version_.text_.find('+', main_begin);
  if (plus != std::string::npos && version_.text_.find('+', plus + 1) != std::string::npos) {
    fail("it has more than one `+`", "a local part is written once, as in `1.0+local`");
  }
  const std::size_t main_end = plus == std::string::npos ? version_.text_.size() : plus;
  parse_part(main_begin, main_end, false);
  version_.local_begin_ = static_cast<std::uint32_t>(count_);
  if (plus != std::string::npos) {
    parse_part(plus + 1, version_.text_.size(), true);
  }
  version_.atoms_.assign(buffer_, buffer_ + count_);
}

Version::Version() : text_("0"), atoms_{{0, 0, 1, AtomKind::number, true}}, local_begin_(1) {}

Version Version::parse(std::string_view text) {
  Version version;
  Parser(text, version).parse();
  return version;
}

std::strong_ordering Version::compare_atoms(const Atom& mine, const Version& other, const Atom& theirs) const {
  if (mine.kind != theirs.kind) {
    return mine.kind <=> theirs.kind;
  }
  if (mine.kind == AtomKind::number) {
    return mine.number <=> theirs.number;
  }
  if (mine.kind == AtomKind::text) {
    return std::string_view(text_).substr(mine.offset, mine.size) <=>
           std::string_view(other.text_).substr(theirs.offset, theirs.size);
  }
  return std::strong_ordering::equal;
}

std::strong_ordering Version::compare_range(std::size_t begin, std::size_t end, const Version& other,
                                            std::size_t other_begin, std::size_t other_end) const {
  static constexpr Atom zero = {0, 0, 0, AtomKind::number, true};
  std::size_t i = begin;
  std::size_t j = other_begin;
  while (i < end || j < other_end) {
    bool in_mine = i < end;
    bool in_theirs = j < other_end;
    while (in_mine || in_theirs) {
      const Atom& mine = in_mine ? atoms_[i] : zero;
      const Atom& theirs = in_theirs ? other.atoms_[j] : zero;
      const std::strong_ordering order = compare_atoms(mine, other, theirs);
      if (order != std::strong_ordering::equal) {
        return order;
      }
      if (in_mine) {
        in_mine = !atoms_[i++].ends_segment;
      }
      if (in_theirs) {
        in_theirs = !other.atoms_[j++].ends_segment;
      }
    }
  }
  return std::strong_ordering::equal;
}

std::strong_ordering Version::operator<=>(const Version& other) const {
  if (epoch_ != other.epoch_) {
    return epoch_ <=> other.epoch_;
  }
  const std::strong_ordering order = compare_range(0, local_begin_, other, 0, other.local_begin_);
  if (order != std::strong_ordering::equal) {
    return order;
  }
  return compare_range(local_begin_, atoms_.size(), other, other.local_begin_, other.atoms_.size());
}

bool Version::operator==(const Version& other) const {
  return (*this <=> other) == std::strong_ordering::equal;
}

bool Version::range_starts_with(std::size_t begin, std::size_t end, const Version& prefix,
                                std::size_t prefix_begin, std::size_t prefix_end) const {
  static constexpr Atom zero = {0, 0, 0, AtomKind::number, true};
  std::size_t i = begin;
  std::size_t j = prefix_begin;
  while (j < prefix_end) {
    const bool is_last_segment = [&] {
      std::size_t last = j;
      while (!prefix.atoms_[last].ends_segment) {
        ++last;
      }
      return last + 1 == prefix_end;
    }();
    bool in_mine = i < end;
    bool in_prefix = true;
    // In its last segment the prefix may stop early; in earlier ones the whole segments are equal.
    while (in_prefix || (in_mine && !is_last_segment)) {
      const Atom& mine = in_mine ? atoms_[i] : zero;
      const Atom& theirs = in_prefix ? prefix.atoms_[j] : zero;
      const bool is_last_atom = is_last_segment && theirs.ends_segment;
      if (is_last_atom && theirs.kind == AtomKind::text && mine.kind != AtomKind::number) {
        const auto letters = std::string_view(text_).substr(mine.offset, mine.size);
        // `post` is a number to the order (infinity) and `dev` its own kind, so neither has prefixes.
        if (mine.kind != AtomKind::text ||
            !letters.starts_with(std::string_view(prefix.text_).substr(theirs.offset, theirs.size))) {
          return false;
        }
      } else if (compare_atoms(mine, prefix, theirs) != std::strong_ordering::equal) {
        return false;
      }
      if (in_mine) {
        in_mine = !atoms_[i++].ends_segment;
      }
      if (in_prefix) {
        in_prefix = !prefix.atoms_[j++].ends_segment;
      }
    }
  }
  return true;
}

bool Version::starts_with(const Version& prefix) const {
  if (epoch_ != prefix.epoch_) {
    return false;
  }
  if (prefix.has_local()) {
    return compare_range(0, local_begin_, prefix, 0, prefix.local_begin_) == std::strong_ordering::equal &&
           range_starts_with(local_begin_, atoms_.size(), prefix, prefix.local_begin_, prefix.atoms_.size());
  }
  return range_starts_with(0, local_begin_, prefix, 0, prefix.local_begin_);
}

std::size_t Version::segment_count() const {
  std::size_t count = 0;
  for (std::size_t i = 0; i < local_begin_; ++i) {
    count += atoms_[i].ends_segment ? 1 : 0;
  }
  return count;
}

Version Version::truncated(std::size_t count) const {
  const std::size_t total = segment_count();
  if (count >= total) {
    return *this;
  }
  const std::size_t kept = count == 0 ? 1 : count;
  if (kept == total) {
    return *this;
  }
  std::size_t seen = 0;
  std::size_t end = 0;
  for (const Atom& atom : atoms_) {
    if (atom.ends_segment && ++seen == kept) {
      end = static_cast<std::size_t>(atom.offset) + atom.size;
      break;
    }
  }
  return parse(std::string_view(text_).substr(0, end));
}

Version Version::without_last_segment() const {
  const std::size_t total = segment_count();
  if (total > 1) {
    return truncated(total - 1);
  }
  const std::size_t plus = text_.find('+');
  return plus == std::string::npos ? *this : parse(std::string_view(text_).substr(0, plus));
}

}  // namespace envtool
