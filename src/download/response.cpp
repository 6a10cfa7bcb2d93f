#include "response.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "envtool/base/text.hpp"

namespace envtool {

namespace {

// A header value that goes into a later request or a file: one line, of sane length.
std::string clean(std::string_view value) {
  if (value.size() > 1024) return {};
  const bool printable = std::all_of(value.begin(), value.end(), [](char c) { return c >= 0x20 && c < 0x7f; });
  return printable ? std::string(value) : std::string();
}

}  // namespace

std::optional<ContentRange> parse_content_range(std::string_view text) {
  text = strip(text);
  if (!to_lower(text.substr(0, 6)).starts_with("bytes ")) return {};
  text = strip(text.substr(6));
  const auto dash = text.find('-');
  const auto slash = text.find('/');
  if (dash == std::string_view::npos || slash == std::string_view::npos || dash > slash) return {};
  const auto first = parse_unsigned(text.substr(0, dash));
  const auto last = parse_unsigned(text.substr(dash + 1, slash - dash - 1));
  if (!first || !last || *last < *first) return {};
  ContentRange range{*first, {}};
  const auto total = text.substr(slash + 1);
  if (total != "*") {
    range.total = parse_unsigned(total);
    if (!range.total || *range.total <= *last) return {};
  }
  return range;
}

void ResponseHeader::add_line(std::string_view line) {
  line = strip(line);
  if (line.starts_with("HTTP/")) {
    *this = ResponseHeader{};
    const auto words = split_whitespace(line);
    if (words.size() > 1) status = static_cast<long>(parse_unsigned(words[1]).value_or(0));
    return;
  }
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return;
  const std::string name = to_lower(strip(line.substr(0, colon)));
  const std::string_view value = strip(line.substr(colon + 1));
  if (name == "etag") etag = clean(value);
  else if (name == "last-modified") last_modified = clean(value);
  else if (name == "cache-control") cache_control = clean(value);
  else if (name == "content-type") content_type = clean(value);
  else if (name == "content-encoding") content_encoding = to_lower(clean(value));
  else if (name == "location") location = std::string(value);
  else if (name == "content-length") content_length = parse_unsigned(value);
  else if (name == "content-range") content_range = parse_content_range(value);
}

std::string ResponseHeader::range_validator() const {
  if (!etag.empty() && etag.front() == '"') return etag;
  return last_modified;
}

bool ResponseHeader::is_html() const { return to_lower(content_type).starts_with("text/html"); }

std::string_view http_reason(long status) {
  static constexpr std::array<std::pair<long, std::string_view>, 20> reasons{{
      {400, "Bad Request"}, {401, "Unauthorized"}, {403, "Forbidden"}, {404, "Not Found"},
      {405, "Method Not Allowed"}, {407, "Proxy Authentication Required"}, {408, "Request Timeout"},
      {410, "Gone"}, {413, "Content Too Large"}, {416, "Range Not Satisfiable"}, {425, "Too Early"},
      {429, "Too Many Requests"}, {451, "Unavailable For Legal Reasons"}, {500, "Internal Server Error"},
      {501, "Not Implemented"}, {502, "Bad Gateway"}, {503, "Service Unavailable"},
      {504, "Gateway Timeout"}, {507, "Insufficient Storage"}, {511, "Network Authentication Required"},
  }};
  for (const auto& [code, text] : reasons) {
    if (code == status) return text;
  }
  return {};
}

}  // namespace envtool
