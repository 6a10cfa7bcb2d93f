#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/base/error.hpp"
#include "byte_source.hpp"

namespace envtool {

/// Walks the outline of a JSON document that need not fit into memory: the caller steps into the
/// objects and arrays that it cares for and gets every other value as one piece of text. Only the
/// nesting of values and the extent of strings are looked at here; what is inside a piece is the
/// caller's to check. All errors are `Error` (corrupt) with origin and byte offset.
class JsonScanner {
 public:
  /// Bytes that may be read behind a piece of text (what simdjson wants).
  static constexpr std::size_t padding = 64;

  /// Pieces longer than `piece_limit` are an error.
  explicit JsonScanner(ByteSource& source, std::size_t piece_limit = std::size_t{64} << 20);

  /// The first character of the next value, or 0 at the end of the document.
  char peek();
  /// Steps into an object or array whose bracket is next.
  void enter(char bracket);
  /// The next member's key with its quotes, still escaped; false at the object's end, which is left.
  /// The view holds until the next call.
  bool next_key(std::string_view& key);
  /// True when one more element follows; at the array's end false, and the array is left.
  bool next_element();
  /// The next value whole. The view holds until the next call; `padding` bytes behind it may be read.
  std::string_view take_value();
  void skip_value();
  /// Throws unless only white space follows.
  void expect_end();

  /// Where the next byte is in the decoded document.
  std::uint64_t offset() const { return base_ + position_; }
  /// Where the last key or value began.
  std::uint64_t piece_offset() const { return piece_offset_; }
  /// The error for something wrong at an offset.
  Error error_at(std::uint64_t offset, std::string why) const;

 private:
  bool more();
  char next_character();
  void skip_space();
  std::string_view take_string();
  void scan_string();
  void scan_container();
  void scan_scalar();
  void expect(char character);
  void scan_value();

  ByteSource& source_;
  std::size_t piece_limit_;
  std::vector<char> buffer_;
  std::size_t position_ = 0, end_ = 0;
  std::size_t keep_;  // start of the piece that must stay in the buffer, or `none`
  std::uint64_t base_ = 0;
  std::uint64_t piece_offset_ = 0;
  std::vector<bool> fresh_;  // per open container: no member was read yet
  bool at_end_ = false;
};

/// The text of a JSON string literal (with its quotes). Throws `Error` (corrupt) without a place for
/// bad escapes and bad UTF-8.
std::string unquote_json(std::string_view literal);
/// A JSON string literal of a text.
std::string quote_json(std::string_view text);

}  // namespace envtool
