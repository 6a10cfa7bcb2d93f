#include "envtool/specs/version.hpp"

#include <algorithm>

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
  void add(Atom atom) { buffer_[count_++] = atom; }
  std::uint64_t number_at(std::size_t begin, std::size_t end) const;

  std::string_view given_;
  Version& version_;
  std::size_t count_ = 0;
  std::array<Atom, most_atoms> buffer_;
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
    number = number * 10 + static_cast<std::uint64_t>(version_.text_[i] - '0');
    if (number > Atom::largest_number) {
      fail("the number `" + version_.text_.substr(begin, end - begin) + "` is too large");
    }
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
    add(Atom(AtomKind::number, 0));
  }
  std::size_t i = begin;
  while (i < end) {
    std::size_t run = i;
    if (is_digit(text[i])) {
      while (run < end && is_digit(text[run])) {
        ++run;
      }
      add(Atom(AtomKind::number, number_at(i, run)));
    } else {
      while (run < end && !is_digit(text[run])) {
        ++run;
      }
      const std::string_view letters = std::string_view(text).substr(i, run - i);
      const AtomKind kind = letters == "dev" ? AtomKind::dev : letters == "post" ? AtomKind::post : AtomKind::text;
      add(Atom::run(kind, i, run - i));
    }
    i = run;
  }
  buffer_[count_ - 1].end_segment();
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
  version_.atom_count_ = static_cast<std::uint32_t>(count_);
  if (count_ <= version_.few_atoms_.size()) {
    std::copy(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(count_), version_.few_atoms_.begin());
  } else {
    version_.more_atoms_.assign(buffer_.begin(), buffer_.begin() + static_cast<std::ptrdiff_t>(count_));
  }
}

Version::Version() : text_("0"), atom_count_(1), local_begin_(1) {
  few_atoms_[0] = Atom::zero();
  few_atoms_[0].end_segment();
}

Version Version::parse(std::string_view text) {
  Version version;
  Parser(text, version).parse();
  return version;
}

std::strong_ordering Version::compare_atoms(Atom left, std::string_view left_text, Atom right,
                                            std::string_view right_text) {
  if (left.kind() == AtomKind::text && right.kind() == AtomKind::text) {
    return left.text(left_text) <=> right.text(right_text);
  }
  return left.order() <=> right.order();
}

std::strong_ordering Version::compare_parts(Part left, Part right) {
  const Atom* i = left.begin;
  const Atom* j = right.begin;
  while (i != left.end || j != right.end) {
    bool in_left = i != left.end;
    bool in_right = j != right.end;
    while (in_left || in_right) {
      const std::strong_ordering order =
          compare_atoms(in_left ? *i : Atom::zero(), left.text, in_right ? *j : Atom::zero(), right.text);
      if (order != std::strong_ordering::equal) {
        return order;
      }
      if (in_left) {
        in_left = !(i++)->ends_segment();
      }
      if (in_right) {
        in_right = !(j++)->ends_segment();
      }
    }
  }
  return std::strong_ordering::equal;
}

std::strong_ordering Version::operator<=>(const Version& other) const {
  if (epoch_ != other.epoch_) {
    return epoch_ <=> other.epoch_;
  }
  const std::strong_ordering order = compare_parts(main_part(), other.main_part());
  if (order != std::strong_ordering::equal) {
    return order;
  }
  return compare_parts(local_part(), other.local_part());
}

bool Version::operator==(const Version& other) const {
  return (*this <=> other) == std::strong_ordering::equal;
}

bool Version::part_starts_with(Part part, Part prefix) {
  const Atom* i = part.begin;
  const Atom* j = prefix.begin;
  while (j != prefix.end) {
    const Atom* last = j;
    while (!last->ends_segment()) {
      ++last;
    }
    const bool is_last_segment = last + 1 == prefix.end;
    bool in_part = i != part.end;
    bool in_prefix = true;
    // In its last segment the prefix may stop early; in earlier ones the whole segments are equal.
    while (in_prefix || (in_part && !is_last_segment)) {
      const Atom mine = in_part ? *i : Atom::zero();
      const Atom theirs = in_prefix ? *j : Atom::zero();
      // `post` is a number to the order (infinity) and `dev` is a kind of its own: only other letters
      // have prefixes.
      if (is_last_segment && j == last && theirs.kind() == AtomKind::text && mine.kind() == AtomKind::text) {
        if (!mine.text(part.text).starts_with(theirs.text(prefix.text))) {
          return false;
        }
      } else if (compare_atoms(mine, part.text, theirs, prefix.text) != std::strong_ordering::equal) {
        return false;
      }
      if (in_part) {
        in_part = !(i++)->ends_segment();
      }
      if (in_prefix) {
        in_prefix = !(j++)->ends_segment();
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
    return compare_parts(main_part(), prefix.main_part()) == std::strong_ordering::equal &&
           part_starts_with(local_part(), prefix.local_part());
  }
  return part_starts_with(main_part(), prefix.main_part());
}

std::size_t Version::segment_count() const {
  const Part part = main_part();
  return static_cast<std::size_t>(std::count_if(part.begin, part.end, [](Atom atom) { return atom.ends_segment(); }));
}

Version Version::truncated(std::size_t count) const {
  const std::size_t kept = count == 0 ? 1 : count;
  if (kept >= segment_count()) {
    return *this;
  }
  const std::size_t mark = text_.find('!');
  std::size_t end = mark == std::string::npos ? 0 : mark + 1;
  for (std::size_t seen = 0; seen < kept; ++seen) {
    end = text_.find_first_of("._", end + (seen == 0 ? 0 : 1));
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
