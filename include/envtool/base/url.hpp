#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "envtool/base/secret.hpp"

namespace envtool {

/// An absolute URL (`http`, `https`, `file`, others kept as they are), normalised: scheme and host
/// in lower case, no `.` and `..` segments, characters that a URL may not have percent-encoded.
/// Credentials (`user:password@`) and conda's `/t/<token>/` path segment are kept apart as secrets:
/// `str()` never shows them. A `file` URL has no token.
class Url {
 public:
  Url() = default;

  /// Parses an absolute URL. Throws `Error` (invalid_input) for a missing `scheme://`, a control
  /// character, a bad host or port, or an empty host where the scheme needs one. The error never
  /// quotes credentials.
  static Url parse(std::string_view text);

  /// True when the text starts with `scheme://` (so it is meant as a URL, not as a path or name).
  static bool looks_like_url(std::string_view text);

  /// The `file://` URL of an absolute path, percent-encoded.
  static Url from_path(std::string_view absolute_path);

  const std::string& scheme() const { return scheme_; }
  /// Host, lower case, IPv6 in brackets; empty for `file`.
  const std::string& host() const { return host_; }
  /// Explicit port or empty.
  const std::string& port() const { return port_; }
  /// Percent-encoded path with its leading slash, without the token segment.
  const std::string& path() const { return path_; }
  /// With the leading `?`, or empty.
  const std::string& query() const { return query_; }
  /// With the leading `#`, or empty.
  const std::string& fragment() const { return fragment_; }
  /// `scheme://host[:port]` with default ports dropped: what credentials belong to.
  std::string origin() const;

  const Secret& user_info() const { return user_info_; }
  const Secret& token() const { return token_; }
  bool has_credentials() const { return !user_info_.empty() || !token_.empty(); }

  /// The URL without credentials, token or fragment: safe to print and store.
  std::string str() const;
  /// The URL as sent over the wire (without its fragment). Never log it.
  Secret with_credentials() const;
  /// A copy with this token put in (empty removes it): where one was, else before the whole path.
  Url with_token(Secret token) const;
  /// A copy with this `user:password`, percent-encoded where a URL needs it (empty removes it).
  Url with_user_info(Secret user_info) const;
  Url without_fragment() const;

  /// This URL plus a relative path: `https://a/b` / `c/d` gives `https://a/b/c/d`. Credentials are
  /// kept, query and fragment are dropped; `?`, `#` and a stray `%` are encoded. Throws `Error`
  /// (invalid_input) for a `..` segment, a scheme or a control character.
  Url operator/(std::string_view relative) const;
  /// Resolves a reference (absolute, `//host/..`, `/path`, relative) as RFC 3986 5.2 says, strictly.
  /// The user information stays only when the origin is the same, the token only for a reference
  /// relative to this path (any other names its whole path itself). Throws like `parse()`.
  Url resolve(std::string_view reference) const;

  /// Last path segment (of a folder: its name), percent-decoded, except for an encoded slash or NUL:
  /// a file name has neither.
  std::string file_name() const;
  /// The URL without its last path segment.
  Url parent() const;
  /// The decoded path of a `file` URL. Throws for other schemes or hosts other than localhost.
  std::string to_path() const;

  bool empty() const { return scheme_.empty(); }
  bool operator==(const Url&) const = default;

 private:
  void parse_authority(std::string_view authority, std::string_view whole);
  void set_path(std::string_view raw);
  std::string compose(bool credentials) const;

  std::string scheme_, host_, port_, path_, query_, fragment_;
  Secret user_info_;
  Secret token_;
  /// Where in `path_` the `/t/<token>` segments belong.
  std::size_t token_position_ = 0;
};

/// RFC 3986 percent-encoding of everything but unreserved characters and those in `keep`.
std::string percent_encode(std::string_view text, std::string_view keep = "/");
/// The inverse; a malformed escape stays as it is.
std::string percent_decode(std::string_view text);

/// Replaces credentials in anything that looks like a URL inside a text (`user:pw@`, `/t/TOKEN/`,
/// `?token=`, signatures) and the values of `Authorization:` headers by `***`: for foreign text
/// (pip's output, server messages) that we show or store. Doubtful cases are replaced.
std::string redact(std::string_view text);
/// True when a variable of this name is likely to hold a secret (`API_TOKEN`, `DB_PASSWORD`, `AWS_SECRET_ACCESS_KEY`).
bool names_a_secret(std::string_view variable);

}  // namespace envtool
