#include <simdjson.h>

#include "envtool/base/error.hpp"
#include "json_scanner.hpp"

namespace envtool {

std::string unquote_json(std::string_view literal) {
  if (literal.size() >= 2 && literal.find('\\') == std::string_view::npos &&
      simdjson::validate_utf8(literal.data(), literal.size())) {
    bool plain = true;
    for (const char c : literal) plain = plain && static_cast<unsigned char>(c) >= 0x20;
    if (plain) return std::string(literal.substr(1, literal.size() - 2));
  }
  simdjson::dom::parser parser;
  std::string_view text;
  if (parser.parse(literal.data(), literal.size()).get_string().get(text) != simdjson::SUCCESS) {
    throw Error("malformed JSON string", ErrorKind::corrupt);
  }
  return std::string(text);
}

std::string quote_json(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string literal = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      literal += '\\';
      literal += c;
    } else if (byte < 0x20) {
      literal += "\\u00";
      literal += digits[byte >> 4];
      literal += digits[byte & 15];
    } else {
      literal += c;
    }
  }
  return literal + '"';
}

}  // namespace envtool
