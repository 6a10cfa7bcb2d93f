#include "json_scanner.hpp"

#include <algorithm>
#include <array>
#include <cstring>

#include "envtool/base/text.hpp"

namespace envtool {

namespace {

constexpr std::size_t none = static_cast<std::size_t>(-1);
constexpr std::size_t read_size = std::size_t{1} << 20;
constexpr std::size_t max_depth = 128;

bool is_space(char c) { return c == ' ' || c == '\n' || c == '\r' || c == '\t'; }

// What a byte means outside of strings when only the extent of a value is looked for.
enum class Role : unsigned char { other, quote, open, close };

constexpr std::array<Role, 256> make_roles() {
  std::array<Role, 256> roles{};
  roles['"'] = Role::quote;
  roles['{'] = roles['['] = Role::open;
  roles['}'] = roles[']'] = Role::close;
  return roles;
}
constexpr std::array<Role, 256> roles = make_roles();

Role role_of(char c) { return roles[static_cast<unsigned char>(c)]; }

// First `"` or `\` of a text, eight bytes at a time.
const char* find_quote_or_backslash(const char* from, const char* to) {
  constexpr std::uint64_t ones = 0x0101010101010101U, highs = 0x8080808080808080U;
  while (to - from >= 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, from, 8);
    const std::uint64_t quote = word ^ (ones * '"'), backslash = word ^ (ones * '\\');
    const std::uint64_t hit = (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash)) & highs;
    if (hit != 0) break;
    from += 8;
  }
  while (from != to && *from != '"' && *from != '\\') ++from;
  return from;
}

}  // namespace

JsonScanner::JsonScanner(ByteSource& source, std::size_t piece_limit)
    : source_(source), piece_limit_(piece_limit), buffer_(2 * read_size + padding), keep_(none) {}

Error JsonScanner::error_at(std::uint64_t offset, std::string why) const {
  Error error("channel index is not valid", ErrorKind::corrupt);
  error.at(source_.origin() + ", byte " + std::to_string(offset)).because(std::move(why));
  return error;
}

// Reads on. Moves what must stay to the front, and grows the buffer when that fills it.
bool JsonScanner::more() {
  if (at_end_) return false;
  const std::size_t from = keep_ == none ? position_ : keep_;
  if (from > 0) {
    std::memmove(buffer_.data(), buffer_.data() + from, end_ - from);
    base_ += from;
    position_ -= from;
    end_ -= from;
    if (keep_ != none) keep_ = 0;
  }
  if (end_ > piece_limit_) throw error_at(base_, "a single value is longer than " + with_thousands(piece_limit_) + " bytes");
  if (buffer_.size() - padding - end_ < read_size) buffer_.resize(buffer_.size() + std::max(end_, read_size));
  const std::size_t count = source_.read(buffer_.data() + end_, read_size);
  end_ += count;
  at_end_ = count == 0;
  return count > 0;
}

char JsonScanner::next_character() {
  if (position_ == end_ && !more()) throw error_at(offset(), "the document ends too early");
  return buffer_[position_];
}

void JsonScanner::skip_space() {
  for (;;) {
    while (position_ < end_ && is_space(buffer_[position_])) ++position_;
    if (position_ < end_ || !more()) return;
  }
}

char JsonScanner::peek() {
  skip_space();
  return position_ < end_ || more() ? buffer_[position_] : '\0';
}

void JsonScanner::expect(char character) {
  skip_space();
  const char found = next_character();
  if (found != character) {
    throw error_at(offset(), std::string("expected `") + character + "`, found `" + escape_control(std::string(1, found)) + "`");
  }
  ++position_;
}

void JsonScanner::enter(char bracket) {
  expect(bracket);
  fresh_.push_back(true);
}

bool JsonScanner::next_key(std::string_view& key) {
  skip_space();
  const char found = next_character();
  if (found == '}') {
    ++position_;
    fresh_.pop_back();
    return false;
  }
  if (!fresh_.back()) {
    expect(',');
    skip_space();
  }
  fresh_.back() = false;
  if (next_character() != '"') throw error_at(offset(), "expected a key in double quotes");
  keep_ = position_;
  piece_offset_ = offset();
  scan_string();
  const std::size_t size = position_ - keep_;
  // The colon is read while the key is kept, so that the view stays in place.
  expect(':');
  skip_space();
  key = std::string_view(buffer_.data() + keep_, size);
  keep_ = none;
  return true;
}

bool JsonScanner::next_element() {
  skip_space();
  if (next_character() == ']') {
    ++position_;
    fresh_.pop_back();
    return false;
  }
  if (!fresh_.back()) {
    expect(',');
    skip_space();
    next_character();
  }
  fresh_.back() = false;
  return true;
}

std::string_view JsonScanner::take_value() {
  skip_space();
  next_character();
  keep_ = position_;
  piece_offset_ = offset();
  scan_value();
  const std::string_view piece(buffer_.data() + keep_, position_ - keep_);
  keep_ = none;
  return piece;
}

void JsonScanner::skip_value() {
  skip_space();
  next_character();
  keep_ = none;
  piece_offset_ = offset();
  scan_value();
}

void JsonScanner::scan_value() {
  switch (role_of(buffer_[position_])) {
    case Role::quote: return scan_string();
    case Role::open: return scan_container();
    case Role::close: throw error_at(offset(), "expected a value");
    case Role::other: return scan_scalar();
  }
}

// From the opening to behind the closing quote.
void JsonScanner::scan_string() {
  const std::uint64_t start = offset();
  ++position_;
  for (;;) {
    const char* const limit = buffer_.data() + end_;
    const char* const found = find_quote_or_backslash(buffer_.data() + position_, limit);
    position_ = static_cast<std::size_t>(found - buffer_.data());
    if (found == limit) {
      if (!more()) throw error_at(start, "a string does not end");
      continue;
    }
    if (*found == '"') {
      ++position_;
      return;
    }
    ++position_;
    if (position_ == end_ && !more()) throw error_at(start, "a string does not end");
    ++position_;
  }
}

void JsonScanner::scan_container() {
  const std::uint64_t start = offset();
  std::array<char, max_depth> closing{};
  std::size_t depth = 0;
  do {
    while (position_ < end_ && role_of(buffer_[position_]) == Role::other) ++position_;
    if (position_ == end_) {
      if (!more()) throw error_at(start, "a value that begins here does not end");
      continue;
    }
    const char character = buffer_[position_];
    switch (role_of(character)) {
      case Role::quote:
        scan_string();
        break;
      case Role::open:
        if (depth == max_depth) throw error_at(offset(), "values are nested deeper than " + std::to_string(max_depth));
        closing[depth++] = character == '{' ? '}' : ']';
        ++position_;
        break;
      case Role::close:
        if (closing[--depth] != character) throw error_at(offset(), "brackets do not match");
        ++position_;
        break;
      case Role::other:
        break;
    }
  } while (depth > 0);
}

void JsonScanner::scan_scalar() {
  const std::uint64_t start = offset();
  for (;;) {
    while (position_ < end_) {
      const char c = buffer_[position_];
      if (is_space(c) || c == ',' || c == ':' || role_of(c) != Role::other) {
        if (offset() == start) throw error_at(start, "expected a value");
        return;
      }
      ++position_;
      if (offset() - start > 1024) throw error_at(start, "expected a value");
    }
    if (!more()) return;
  }
}

void JsonScanner::expect_end() {
  if (peek() != '\0' || position_ < end_) throw error_at(offset(), "something follows the document's end");
}

}  // namespace envtool
