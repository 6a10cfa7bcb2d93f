#include "envtool/base/url.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {
namespace {

constexpr std::string_view hex_digits = "0123456789ABCDEF";

bool is_alpha(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_control(char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; }
bool contains(std::string_view set, char c) { return set.find(c) != std::string_view::npos; }
bool is_unreserved(char c) { return is_alpha(c) || is_digit(c) || contains("-._~", c); }

int hex_value(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The byte of a `%XX` at this place, or -1.
int escape_at(std::string_view text, std::size_t i) {
  if (i + 2 >= text.size() || text[i] != '%') return -1;
  const int high = hex_value(text[i + 1]);
  const int low = hex_value(text[i + 2]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void append_escape(std::string& out, char c) {
  const auto byte = static_cast<unsigned char>(c);
  out += '%';
  out += hex_digits[byte >> 4];
  out += hex_digits[byte & 15];
}

/// Encodes only what may not stand in a URL at all; good escapes and `keep` stay.
std::string encode_illegal(std::string_view text, std::string_view keep) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_unreserved(c) || contains("!$&'()*+,;=:@", c) || contains(keep, c) || escape_at(text, i) >= 0) {
      out += c;
    } else {
      append_escape(out, c);
    }
  }
  return out;
}

/// Length of `scheme` in `scheme:...`, or 0.
std::size_t scheme_length(std::string_view text) {
  if (text.empty() || !is_alpha(text[0])) return 0;
  std::size_t i = 1;
  while (i < text.size() && (is_alpha(text[i]) || is_digit(text[i]) || contains("+-.", text[i]))) ++i;
  return i < text.size() && text[i] == ':' ? i : 0;
}

std::string_view default_port(std::string_view scheme) {
  if (scheme == "http") return "80";
  if (scheme == "https") return "443";
  if (scheme == "ftp") return "21";
  return {};
}

/// 1 for `.`, 2 for `..`, encoded ones included (servers and libcurl see through them), else 0.
int dots(std::string_view segment) {
  int count = 0;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    if (escape_at(segment, i) == '.') {
      i += 2;
    } else if (segment[i] != '.') {
      return 0;
    }
    if (++count > 2) return 0;
  }
  return count;
}

/// RFC 3986 5.2.4 for a path that is empty or starts with a slash.
std::string remove_dot_segments(std::string_view path) {
  if (path.empty()) return {};
  std::vector<std::string_view> kept;
  const std::vector<std::string_view> segments = split(path.substr(1), '/');
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const int count = dots(segments[i]);
    if (count == 2 && !kept.empty()) kept.pop_back();
    if (count == 0) {
      kept.push_back(segments[i]);
    } else if (i + 1 == segments.size()) {
      kept.emplace_back();  // `a/..` names a folder: its slash stays
    }
  }
  std::string out;
  for (const std::string_view segment : kept) {
    out += '/';
    out += segment;
  }
  return out.empty() ? "/" : out;
}

/// What may be shown of a text that is no URL: where the credentials end is not known in it, so
/// all up to the last `@` goes.
std::string quotable(std::string_view text) {
  const std::size_t at = text.rfind('@');
  if (at == std::string_view::npos) return escape_control(redact(text));
  const std::size_t slashes = text.find("://");
  std::string shown(slashes < at ? text.substr(0, slashes + 3) : std::string_view{});
  shown += "***";
  shown += text.substr(at);
  return escape_control(redact(shown));
}

Error bad_url(std::string_view text, std::string why) {
  return Error("`" + quotable(text) + "` is not a usable URL", ErrorKind::invalid_input).because(std::move(why));
}

void refuse_control(std::string_view text) {
  for (const char c : text) {
    if (is_control(c)) throw bad_url(text, "it contains a control character");
  }
}

std::string checked_port(std::string_view port, std::string_view whole) {
  const auto number = parse_unsigned(port);
  if (!port.empty() && (!number || *number > 65535)) {
    throw bad_url(whole, "the port is not a number up to 65535");
  }
  return number ? std::to_string(*number) : std::string();
}

std::string checked_host(std::string_view host, std::string_view whole) {
  if (host.starts_with('[')) {
    const std::string_view inside = host.substr(1, host.size() - 2);
    bool good = contains(inside, ':');
    for (const char c : inside) good = good && (hex_value(c) >= 0 || contains(":.", c));
    if (!good) throw bad_url(whole, "the text in brackets is not an IPv6 address");
    return to_lower(host);
  }
  for (const char c : host) {
    // `%` and `\` are read differently by different programs, so the host would be in doubt.
    if (contains(" \"#%/<>?@[\\]^`{|}:", c)) throw bad_url(whole, "the host has a character that no host name has");
  }
  return to_lower(host);
}

}  // namespace

bool Url::looks_like_url(std::string_view text) {
  const std::size_t length = scheme_length(text);
  return length > 0 && text.substr(length).starts_with("://");
}

Url Url::parse(std::string_view text) {
  refuse_control(text);
  if (!looks_like_url(text)) throw bad_url(text, "it does not start with `scheme://`");
  Url url;
  const std::size_t length = scheme_length(text);
  url.scheme_ = to_lower(text.substr(0, length));
  std::string_view rest = text.substr(length + 3);
  const std::size_t authority_end = rest.find_first_of("/?#");
  url.parse_authority(rest.substr(0, authority_end), text);
  rest = authority_end == std::string_view::npos ? std::string_view{} : rest.substr(authority_end);

  const std::size_t hash = rest.find('#');
  if (hash != std::string_view::npos) {
    url.fragment_ = "#" + encode_illegal(rest.substr(hash + 1), "/?");
    rest = rest.substr(0, hash);
  }
  const std::size_t question = rest.find('?');
  if (question != std::string_view::npos) {
    url.query_ = "?" + encode_illegal(rest.substr(question + 1), "/?");
    rest = rest.substr(0, question);
  }
  url.set_path(rest);
  return url;
}

void Url::parse_authority(std::string_view authority, std::string_view whole) {
  const std::size_t at = authority.rfind('@');
  if (at != std::string_view::npos) {
    user_info_ = Secret(encode_illegal(replace_all(authority.substr(0, at), "@", "%40"), ""));
    authority = authority.substr(at + 1);
  }
  std::size_t host_end = authority.find(':');
  if (authority.starts_with('[')) {
    host_end = authority.find(']');
    if (host_end == std::string_view::npos) throw bad_url(whole, "the bracket of its host is not closed");
    ++host_end;
    if (host_end < authority.size() && authority[host_end] != ':') {
      throw bad_url(whole, "something other than a port follows the address in brackets");
    }
  }
  if (host_end < authority.size()) port_ = checked_port(authority.substr(host_end + 1), whole);
  host_ = checked_host(authority.substr(0, host_end), whole);
  if (host_.empty() && (scheme_ != "file" || at != std::string_view::npos || !port_.empty())) {
    throw bad_url(whole, "it has no host");
  }
}

void Url::set_path(std::string_view raw) {
  path_ = remove_dot_segments(encode_illegal(raw, "/"));
  token_ = Secret();
  token_position_ = 0;
  if (scheme_ == "file") return;
  for (std::size_t found = path_.find("/t/"); found != std::string::npos; found = path_.find("/t/", found + 1)) {
    const std::size_t begin = found + 3;
    const std::size_t end = std::min(path_.find('/', begin), path_.size());
    if (end == begin) continue;
    token_ = Secret(path_.substr(begin, end - begin));
    token_position_ = found;
    path_.erase(found, end - found);
    return;
  }
}

Url Url::from_path(std::string_view absolute_path) {
  if (!absolute_path.starts_with('/')) {
    throw Error("cannot make a URL of a relative path", ErrorKind::internal).at(std::string(absolute_path));
  }
  Url url;
  url.scheme_ = "file";
  url.path_ = remove_dot_segments(percent_encode(absolute_path));
  return url;
}

std::string Url::origin() const {
  std::string out = scheme_ + "://" + host_;
  if (!port_.empty() && port_ != default_port(scheme_)) out += ":" + port_;
  return out;
}

std::string Url::compose(bool credentials) const {
  if (empty()) return {};
  std::string out = scheme_ + "://";
  if (credentials && !user_info_.empty()) out += user_info_.reveal() + "@";
  out += host_;
  if (!port_.empty()) out += ":" + port_;
  if (credentials && !token_.empty()) {
    out += path_.substr(0, token_position_) + "/t/" + token_.reveal() + path_.substr(token_position_);
  } else {
    out += path_;
  }
  return out + query_;
}

std::string Url::str() const { return compose(false); }

Secret Url::with_credentials() const { return Secret(compose(true)); }

Url Url::with_token(Secret token) const {
  Url url = *this;
  refuse_control(token.reveal());
  if (token.empty()) url.token_position_ = 0;
  url.token_ = Secret(encode_illegal(token.reveal(), ""));
  return url;
}

Url Url::with_user_info(Secret user_info) const {
  Url url = *this;
  refuse_control(user_info.reveal());
  url.user_info_ = Secret(encode_illegal(replace_all(user_info.reveal(), "@", "%40"), ""));
  return url;
}

Url Url::without_fragment() const {
  Url url = *this;
  url.fragment_.clear();
  return url;
}

Url Url::operator/(std::string_view relative) const {
  const auto refuse = [&](std::string why) {
    return Error("`" + quotable(relative) + "` is not a path below a URL", ErrorKind::invalid_input)
        .at(str())
        .because(std::move(why));
  };
  if (looks_like_url(relative)) throw refuse("it is a URL itself");
  Url url = *this;
  url.query_.clear();
  url.fragment_.clear();
  while (url.path_.ends_with('/') && url.path_.size() > url.token_position_) url.path_.pop_back();
  for (const char c : relative) {
    if (is_control(c)) throw refuse("it contains a control character");
  }
  while (relative.starts_with('/')) relative.remove_prefix(1);
  std::string joined;
  for (const std::string_view segment : split(relative, '/')) {
    const int count = dots(segment);
    if (count == 2) throw refuse("it leaves the folder with `..`");
    if (count == 1) continue;
    joined += '/';
    joined += segment;
  }
  url.path_ += encode_illegal(joined, "/");
  return url;
}

Url Url::resolve(std::string_view reference) const {
  refuse_control(reference);
  const auto same_origin_keeps_user = [this](Url url) {
    if (url.user_info_.empty() && url.origin() == origin()) url.user_info_ = user_info_;
    return url;
  };
  if (scheme_length(reference) > 0) return same_origin_keeps_user(parse(reference));
  if (reference.starts_with("//")) return same_origin_keeps_user(parse(scheme_ + ":" + std::string(reference)));

  Url url = *this;
  std::string_view rest = reference;
  const std::size_t hash = rest.find('#');
  url.fragment_ = hash == std::string_view::npos ? "" : "#" + encode_illegal(rest.substr(hash + 1), "/?");
  rest = rest.substr(0, hash);
  const std::size_t question = rest.find('?');
  const std::string_view path = rest.substr(0, question);
  if (question != std::string_view::npos) {
    url.query_ = "?" + encode_illegal(rest.substr(question + 1), "/?");
  } else if (!path.empty()) {
    url.query_.clear();
  }
  if (path.empty()) return url;
  if (path.starts_with('/')) {
    url.set_path(path);
    return url;
  }
  // Merged on the path as shown, so `..` cannot reach out of the token's place.
  const std::size_t slash = path_.rfind('/');
  const std::string folder = slash == std::string::npos ? "/" : path_.substr(0, slash + 1);
  url.set_path(folder + std::string(path));
  const std::string_view before_token = std::string_view(path_).substr(0, token_position_);
  if (url.token_.empty() && !token_.empty() && url.path_.starts_with(before_token)) {
    url.token_ = token_;
    url.token_position_ = token_position_;
  }
  return url;
}

std::string Url::file_name() const {
  std::string_view path = path_;
  while (path.ends_with('/')) path.remove_suffix(1);
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view segment = path.substr(slash + 1);
  std::string name;
  for (std::size_t i = 0; i < segment.size(); ++i) {
    const int byte = escape_at(segment, i);
    if (byte > 0 && byte != '/') {
      name += static_cast<char>(byte);
      i += 2;
    } else {
      name += segment[i];
    }
  }
  return name;
}

Url Url::parent() const {
  Url url = *this;
  url.query_.clear();
  url.fragment_.clear();
  while (url.path_.ends_with('/')) url.path_.pop_back();
  const std::size_t slash = url.path_.rfind('/');
  url.path_.resize(slash == std::string::npos ? 0 : slash);
  url.token_position_ = std::min(url.token_position_, url.path_.size());
  return url;
}

std::string Url::to_path() const {
  const auto refuse = [this](std::string why) {
    return Error("the URL does not name a local file", ErrorKind::invalid_input).at(str()).because(std::move(why));
  };
  if (scheme_ != "file") throw refuse("its scheme is not `file`");
  if (!host_.empty() && host_ != "localhost") throw refuse("its host is another machine");
  std::string path = percent_decode(path_);
  if (path.empty()) path = "/";
  if (contains(path, '\0')) throw refuse("its path contains a NUL");
  return path;
}

std::string percent_encode(std::string_view text, std::string_view keep) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (is_unreserved(c) || contains(keep, c)) {
      out += c;
    } else {
      append_escape(out, c);
    }
  }
  return out;
}

std::string percent_decode(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const int byte = escape_at(text, i);
    if (byte >= 0) {
      out += static_cast<char>(byte);
      i += 2;
    } else {
      out += text[i];
    }
  }
  return out;
}

}  // namespace envtool
