// `redact()` of url.hpp: works on text that is no well-formed URL too, so it shares nothing with
// the parser and errs on the side of masking.
#include <algorithm>

#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"

namespace envtool {
namespace {

constexpr std::string_view mask = "***";

/// Characters that end a URL inside a text.
bool ends_url(char c) {
  return static_cast<unsigned char>(c) <= 0x20 || c == 0x7F || c == '"' || c == '<' || c == '>' || c == '`';
}

bool is_word(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9'); }

bool is_secret_parameter(std::string_view name) {
  const std::string lower = to_lower(percent_decode(name));
  for (const std::string_view part : {"token", "sig", "secret", "passw", "pwd", "credential", "auth", "key"}) {
    if (lower.find(part) != std::string::npos) return true;
  }
  return false;
}

/// Where the user information ends in the text after `://`; 0 when there is none.
std::size_t user_info_end(std::string_view rest) {
  const std::size_t authority = std::min(rest.find_first_of("/?#"), rest.size());
  const std::size_t at = rest.substr(0, authority).rfind('@');
  if (at != std::string_view::npos) return at;
  // A password with a bare `/`, `?` or `#` in it: then what looks like the port is no number.
  const std::size_t colon = rest.substr(0, authority).rfind(':');
  if (colon == std::string_view::npos || rest.starts_with('[')) return 0;
  const std::string_view port = rest.substr(colon + 1, authority - colon - 1);
  if (port.empty() || parse_unsigned(port)) return 0;
  const std::size_t late = rest.rfind('@');
  return late == std::string_view::npos ? 0 : late;
}

void append_parameters(std::string& out, std::string_view parameters) {
  while (!parameters.empty()) {
    const std::size_t end = std::min(parameters.find_first_of("&;"), parameters.size());
    const std::string_view pair = parameters.substr(0, end);
    const std::size_t equals = pair.find('=');
    const bool hide = equals != std::string_view::npos && equals + 1 < pair.size() &&
                      is_secret_parameter(pair.substr(0, equals));
    out += hide ? pair.substr(0, equals + 1) : pair;
    if (hide) out += mask;
    if (end < parameters.size()) out += parameters[end];
    parameters.remove_prefix(std::min(end + 1, parameters.size()));
  }
}

/// Everything behind the authority: token segments in the path, secrets in query and fragment.
void append_tail(std::string& out, std::string_view tail, bool tokens) {
  const std::size_t path_end = std::min(tail.find_first_of("?#"), tail.size());
  std::string_view path = tail.substr(0, path_end);
  while (tokens) {
    const std::size_t found = path.find("/t/");
    if (found == std::string_view::npos) break;
    out += path.substr(0, found + 3);
    path.remove_prefix(found + 3);
    const std::size_t token_end = std::min(path.find('/'), path.size());
    if (token_end > 0) out += mask;
    path.remove_prefix(token_end);
  }
  out += path;
  if (path_end < tail.size()) {
    out += tail[path_end];
    append_parameters(out, tail.substr(path_end + 1));
  }
}

/// Where the scheme in front of a `://` starts.
std::size_t scheme_start(std::string_view text, std::size_t marker) {
  std::size_t start = marker;
  while (start > 0 && (is_word(text[start - 1]) || std::string_view("+-.").find(text[start - 1]) != text.npos)) --start;
  return start;
}

/// A blank-free piece of text with one `://` or more (lists joined by commas, URLs in a query).
void append_urls(std::string& out, std::string_view piece) {
  for (;;) {
    const std::size_t marker = piece.find("://");
    if (marker == std::string_view::npos) {
      out += piece;
      return;
    }
    const std::size_t start = scheme_start(piece, marker);
    const bool is_file = to_lower(piece.substr(start, marker - start)) == "file";
    out += piece.substr(0, marker + 3);
    piece.remove_prefix(marker + 3);
    const std::size_t at = user_info_end(piece);
    if (at > 0) {
      out += mask;
      piece.remove_prefix(at);
    }
    const std::size_t next = piece.find("://");
    const std::size_t end = next == std::string_view::npos ? piece.size() : scheme_start(piece, next);
    const std::size_t authority = std::min(piece.find_first_of("/?#"), end);
    out += piece.substr(0, authority);
    append_tail(out, piece.substr(authority, end - authority), !is_file);
    piece.remove_prefix(end);
  }
}

/// A blank-free piece of text without `://`: `host.name/t/TOKEN/channel` or `user:password@host`.
void append_plain(std::string& out, std::string_view piece) {
  const std::size_t slash = std::min(piece.find('/'), piece.size());
  const std::string_view host = piece.substr(0, slash);
  const bool host_like = host.find_first_of(".:") != host.npos && !host.starts_with('.');
  if (host_like && piece.find("/t/") != piece.npos) {
    out += host;
    append_tail(out, piece.substr(slash), true);
    return;
  }
  const std::size_t at = piece.rfind('@');
  const std::size_t colon = piece.find(':');
  const bool has_password = at != piece.npos && colon > 0 && colon < slash && colon + 1 < at && piece[colon + 1] != ':';
  if (has_password && at + 1 < piece.size() && (is_word(piece[at + 1]) || piece[at + 1] == '[')) {
    out += piece.substr(0, colon + 1);
    out += mask;
    out += piece.substr(at);
    return;
  }
  out += piece;
}

/// Masks the values of credential headers, up to the end of the line.
std::string redact_headers(std::string_view text) {
  static constexpr std::string_view header = "authorization:";
  const std::string lower = to_lower(text);
  std::string out;
  std::size_t done = 0;
  for (std::size_t found = lower.find(header); found != std::string::npos; found = lower.find(header, done)) {
    const std::size_t value = found + header.size();
    const std::size_t end = std::min(lower.find_first_of("\r\n", value), lower.size());
    out += text.substr(done, value - done);
    if (!strip(text.substr(value, end - value)).empty()) {
      out += ' ';
      out += mask;
    }
    done = end;
  }
  out += text.substr(done);
  return out;
}

}  // namespace

std::string redact(std::string_view text) {
  // Most texts have nothing to hide.
  if (text.find("://") == text.npos && text.find('@') == text.npos && text.find("/t/") == text.npos &&
      to_lower(text).find("authorization:") == std::string::npos) {
    return std::string(text);
  }
  const std::string source = redact_headers(text);
  std::string_view rest = source;
  std::string out;
  out.reserve(source.size());
  while (!rest.empty()) {
    if (ends_url(rest[0])) {
      out += rest[0];
      rest.remove_prefix(1);
      continue;
    }
    std::size_t end = 0;
    while (end < rest.size() && !ends_url(rest[end])) ++end;
    const std::string_view piece = rest.substr(0, end);
    rest.remove_prefix(end);

    if (piece.find("://") == std::string_view::npos) {
      append_plain(out, piece);
    } else {
      append_urls(out, piece);
    }
  }
  return out;
}

bool names_a_secret(std::string_view variable) {
  const std::string lower = to_lower(variable);
  for (const std::string_view part : {"token", "secret", "passw", "passphrase", "credential", "apikey", "privatekey"})
    if (lower.find(part) != std::string::npos) return true;
  // Whole words only: `PWD`, `MONKEY` and `AUTHOR` are harmless.
  for (const std::string_view word : {"key", "auth", "pass", "pwd", "pat", "cookie"}) {
    const std::string with_prefix = "_" + std::string(word);
    if (lower.ends_with(with_prefix) || lower.find(with_prefix + "_") != std::string::npos) return true;
  }
  return lower == "key" || lower == "auth" || lower == "pass" || lower == "cookie";
}

}  // namespace envtool
