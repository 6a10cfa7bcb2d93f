#include "regex.hpp"

#include <optional>
#include <string>

#include "characters.hpp"
#include "envtool/base/error.hpp"

namespace envtool {

namespace {

constexpr std::size_t longest_pattern = 512;
constexpr std::size_t longest_program = 4096;
constexpr std::size_t most_steps = 20000;  // parsed atoms, repetitions counted each time
constexpr int deepest_group = 32;
constexpr std::uint32_t most_repeats = 1000;

bool is_word(char c) {
  return is_letter(c) || is_digit(c) || c == '_';
}

unsigned char as_byte(char c) {
  return static_cast<unsigned char>(c);
}

}  // namespace

/// Recursive descent straight to instructions. A counted repetition is made by parsing the same
/// piece of the pattern again.
class Regex::Compiler {
 public:
  Compiler(std::string_view pattern, Regex& regex) : pattern_(pattern), regex_(regex) {}

  void compile() {
    if (pattern_.size() > longest_pattern) {
      fail("it is longer than " + std::to_string(longest_pattern) + " characters");
    }
    alternatives(0);
    if (position_ < pattern_.size()) {
      fail("`)` without `(`");
    }
    emit(Operation::match);
  }

 private:
  [[noreturn]] void fail(std::string why) const {
    throw Error("invalid regular expression " + quoted(pattern_), ErrorKind::invalid_input)
        .because(std::move(why));
  }
  bool at_end() const { return position_ >= pattern_.size(); }
  char peek() const { return pattern_[position_]; }
  bool take(char c) {
    if (at_end() || peek() != c) {
      return false;
    }
    ++position_;
    return true;
  }
  std::uint32_t here() const { return static_cast<std::uint32_t>(regex_.program_.size()); }
  std::uint32_t emit(Operation operation, unsigned char character = 0, std::uint32_t first = 0,
                     std::uint32_t second = 0) {
    if (regex_.program_.size() >= longest_program) {
      fail("it is too large once its repetitions are written out");
    }
    regex_.program_.push_back({operation, character, first, second});
    return here() - 1;
  }
  void emit_set(const CharacterSet& set) {
    regex_.sets_.push_back(set);
    emit(Operation::set, 0, static_cast<std::uint32_t>(regex_.sets_.size() - 1));
  }
  /// Makes room for a split in front of what was emitted from `start` on.
  void insert_split(std::uint32_t start) {
    emit(Operation::jump);
    auto& program = regex_.program_;
    for (std::size_t i = program.size() - 1; i > start; --i) {
      program[i] = program[i - 1];
      Instruction& moved = program[i];
      if (moved.operation == Operation::split || moved.operation == Operation::jump) {
        moved.first += 1;
        moved.second += 1;
      }
    }
    program[start] = {Operation::split, 0, start + 1, 0};
  }

  void alternatives(int depth);
  void sequence(int depth);
  void repeated(int depth);
  void atom(int depth);
  void group(int depth);
  void escape();
  void bracket();
  char bracket_character(CharacterSet& set, bool& is_class);
  std::optional<CharacterSet> class_of(char c) const;
  std::optional<std::uint32_t> number();
  bool take_counts(std::uint32_t& least, std::optional<std::uint32_t>& most);

  std::string_view pattern_;
  Regex& regex_;
  std::size_t position_ = 0;
  std::size_t steps_ = 0;
};

void Regex::Compiler::alternatives(int depth) {
  if (depth > deepest_group) {
    fail("its groups are nested too deeply");
  }
  const std::uint32_t start = here();
  sequence(depth);
  std::vector<std::uint32_t> jumps;
  std::uint32_t branch = start;
  while (take('|')) {
    insert_split(branch);
    jumps.push_back(emit(Operation::jump));
    regex_.program_[branch].second = here();
    branch = here();
    sequence(depth);
  }
  for (std::uint32_t jump : jumps) {
    regex_.program_[jump].first = here();
  }
}

void Regex::Compiler::sequence(int depth) {
  while (!at_end() && peek() != '|' && peek() != ')') {
    repeated(depth);
  }
}

std::optional<std::uint32_t> Regex::Compiler::number() {
  std::optional<std::uint32_t> value;
  while (!at_end() && is_digit(peek())) {
    value = value.value_or(0) * 10 + static_cast<std::uint32_t>(peek() - '0');
    ++position_;
    if (*value > most_repeats) {
      fail("it repeats more than " + std::to_string(most_repeats) + " times");
    }
  }
  return value;
}

bool Regex::Compiler::take_counts(std::uint32_t& least, std::optional<std::uint32_t>& most) {
  const std::size_t before = position_;
  if (!take('{')) {
    return false;
  }
  const std::optional<std::uint32_t> low = number();
  const bool has_comma = take(',');
  most = has_comma ? number() : low;
  if ((!low && !(has_comma && most)) || !take('}')) {
    position_ = before;  // `{` that is no count stands for itself, as in Python
    return false;
  }
  least = low.value_or(0);
  if (most && *most < least) {
    fail("the counts in `{m,n}` are the wrong way round");
  }
  return true;
}

void Regex::Compiler::repeated(int depth) {
  const std::size_t atom_position = position_;
  const std::uint32_t start = here();
  atom(depth);
  const std::size_t after_atom = position_;
  std::uint32_t least = 1;
  std::optional<std::uint32_t> most = 1;
  if (take('*')) {
    least = 0;
    most.reset();
  } else if (take('+')) {
    most.reset();
  } else if (take('?')) {
    least = 0;
  } else if (!take_counts(least, most)) {
    return;
  }
  take('?');  // laziness does not change whether there is a match
  if (!at_end() && (peek() == '*' || peek() == '+' || peek() == '?')) {
    fail("a repetition follows a repetition");
  }
  const Operation last = here() > start ? regex_.program_.back().operation : Operation::match;
  if (here() == start + 1 && (last == Operation::begin || last == Operation::end || last == Operation::word_boundary ||
                              last == Operation::not_word_boundary)) {
    fail("nothing to repeat before a repetition");
  }
  const std::size_t after_all = position_;
  const auto again = [&] {
    position_ = atom_position;
    atom(depth);
    position_ = after_atom;
  };
  if (most && *most == 0) {
    regex_.program_.resize(start);
    position_ = after_all;
    return;
  }
  for (std::uint32_t i = 1; i < least; ++i) {
    again();
  }
  std::vector<std::uint32_t> exits;
  if (!most) {
    // The last copy loops: `x*` is split(x, out) x jump(split).
    const std::uint32_t loop = least == 0 ? start : here();
    if (least != 0) {
      again();
    }
    insert_split(loop);
    emit(Operation::jump, 0, loop);
    exits.push_back(loop);
  } else {
    if (least == 0) {
      insert_split(start);
      exits.push_back(start);
    }
    for (std::uint32_t i = least == 0 ? 1 : least; i < *most; ++i) {
      exits.push_back(emit(Operation::split, 0, here() + 1));
      again();
    }
  }
  for (std::uint32_t split : exits) {
    regex_.program_[split].second = here();
  }
  position_ = after_all;
}

void Regex::Compiler::group(int depth) {
  if (take('?')) {
    if (take('P') && take('<')) {
      while (!at_end() && is_word(peek())) {
        ++position_;
      }
      if (!take('>')) {
        fail("a group name is not closed");
      }
    } else if (!take(':')) {
      fail("look-around, back-references and inline flags are not supported");
    }
  }
  alternatives(depth + 1);
  if (!take(')')) {
    fail("`(` without `)`");
  }
}

std::optional<Regex::CharacterSet> Regex::Compiler::class_of(char c) const {
  CharacterSet set;
  for (unsigned value = 0; value < 128; ++value) {
    const char member = static_cast<char>(value);
    const char kind = lowered(c);
    set[value] = kind == 'd' ? is_digit(member) : kind == 'w' ? is_word(member) : is_space(member);
  }
  switch (c) {
    case 'd':
    case 'w':
    case 's':
      return set;
    case 'D':
    case 'W':
    case 'S':
      return ~set;
    default:
      return std::nullopt;
  }
}

void Regex::Compiler::escape() {
  if (at_end()) {
    fail("it ends with a backslash");
  }
  const char c = pattern_[position_++];
  if (const std::optional<CharacterSet> set = class_of(c)) {
    emit_set(*set);
  } else if (c == 'b') {
    emit(Operation::word_boundary);
  } else if (c == 'B') {
    emit(Operation::not_word_boundary);
  } else if (is_digit(c)) {
    fail("back-references are not supported");
  } else if (is_letter(c)) {
    const char* const known = "tnrfv";
    const char* const values = "\t\n\r\f\v";
    const std::size_t index = std::string_view(known).find(c);
    if (index == std::string_view::npos) {
      fail(std::string("`\\") + c + "` is not a known escape");
    }
    emit(Operation::character, as_byte(values[index]));
  } else {
    emit(Operation::character, as_byte(c));
  }
}

char Regex::Compiler::bracket_character(CharacterSet& set, bool& is_class) {
  char c = pattern_[position_++];
  is_class = false;
  if (c == '\\') {
    if (at_end()) {
      fail("`[` without `]`");
    }
    c = pattern_[position_++];
    if (const std::optional<CharacterSet> members = class_of(c)) {
      set |= *members;
      is_class = true;
    } else if (is_letter(c) || is_digit(c)) {
      fail(std::string("`\\") + c + "` is not known inside `[...]`");
    }
  }
  return c;
}

void Regex::Compiler::bracket() {
  CharacterSet set;
  const bool is_negated = take('^');
  bool is_first = true;
  while (true) {
    if (at_end()) {
      fail("`[` without `]`");
    }
    if (peek() == ']' && !is_first) {
      ++position_;
      break;
    }
    is_first = false;
    bool is_class = false;
    const char low = bracket_character(set, is_class);
    char high = low;
    if (position_ + 1 < pattern_.size() && peek() == '-' && pattern_[position_ + 1] != ']') {
      ++position_;
      bool is_high_class = false;
      high = bracket_character(set, is_high_class);
      if (is_class || is_high_class || as_byte(high) < as_byte(low)) {
        fail("a range in `[...]` is not valid");
      }
    }
    if (!is_class) {
      for (unsigned value = as_byte(low); value <= as_byte(high); ++value) {
        set.set(value);
      }
    }
  }
  // Texts are lowered before matching, so a member in either case counts.
  for (unsigned value = 'A'; value <= 'Z'; ++value) {
    const unsigned small = value - 'A' + 'a';
    const bool is_member = set[value] || set[small];
    set[value] = is_member;
    set[small] = is_member;
  }
  emit_set(is_negated ? ~set : set);
}

void Regex::Compiler::atom(int depth) {
  if (++steps_ > most_steps) {
    fail("it is too large once its repetitions are written out");
  }
  const char c = pattern_[position_++];
  switch (c) {
    case '(':
      return group(depth);
    case '[':
      return bracket();
    case '\\':
      return escape();
    case '.':
      emit(Operation::any);
      return;
    case '^':
      emit(Operation::begin);
      return;
    case '$':
      emit(Operation::end);
      return;
    case '*':
    case '+':
    case '?':
      fail(std::string("nothing to repeat before `") + c + "`");
    default:
      emit(Operation::character, as_byte(lowered(c)));
  }
}

Regex Regex::compile(std::string_view pattern) {
  Regex regex;
  Compiler(pattern, regex).compile();
  return regex;
}

}  // namespace envtool
