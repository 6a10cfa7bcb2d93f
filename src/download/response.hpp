#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace envtool {

/// The `Content-Range` of a partial answer: first byte and, unless `*`, the size of the whole.
struct ContentRange {
  std::uint64_t first = 0;
  std::optional<std::uint64_t> total;
};

/// What the header of one HTTP answer says, as far as we use it.
struct ResponseHeader {
  long status = 0;
  std::string etag, last_modified, cache_control, content_type, content_encoding, location;
  std::optional<std::uint64_t> content_length;
  std::optional<ContentRange> content_range;

  /// One line as it came, with or without its line end. A status line starts the header anew
  /// (informational answers, a proxy's answer to CONNECT).
  void add_line(std::string_view line);

  /// The validator for `If-Range`: a strong ETag, else `Last-Modified`, else empty.
  std::string range_validator() const;
  bool is_html() const;
};

/// `bytes 5-9/100` or `bytes 5-9/*`; nothing for anything else.
std::optional<ContentRange> parse_content_range(std::string_view text);
/// The reason phrase of a status that users meet, or empty.
std::string_view http_reason(long status);

}  // namespace envtool
