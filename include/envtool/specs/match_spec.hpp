#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/base/digest.hpp"
#include "envtool/specs/string_matcher.hpp"
#include "envtool/specs/version_spec.hpp"

namespace envtool {

struct ChannelConfig;

/// The fields of a record that a `MatchSpec` can look at; views into the caller's record.
struct MatchTarget {
  std::string_view name;
  const Version* version = nullptr;
  std::string_view build;
  std::uint64_t build_number = 0;
  /// Full channel URL without subdir, and its short name.
  std::string_view channel_url;
  std::string_view channel_name;
  std::string_view subdir;
  std::string_view md5, sha256, url, fn, license, license_family, features;
  const std::vector<std::string>* track_features = nullptr;
  const std::vector<std::string>* flags = nullptr;
  std::uint64_t size = 0;
  std::uint64_t timestamp = 0;
};

/// A query over package records (CEP 29; `extras` CEP 44, `flags` CEP 45, `when` CEP 43).
/// A value; unknown bracket keys are errors, never dropped. String fields are compared as CEP 29
/// says: case-insensitive, with globs and `^...$` regular expressions.
class MatchSpec {
 public:
  /// Parses the full grammar, including URLs and file paths of packages (`https://.../x-1-0.conda#md5`,
  /// `./x-1-0.conda`, `channel::x-1-0.conda`). Throws `Error` (invalid_input) that quotes the text and
  /// says which part is wrong. Everything from ` #` on is a comment.
  static MatchSpec parse(std::string_view text);
  /// A spec of only a name.
  static MatchSpec from_name(std::string_view name);

  /// True when every field agrees. Only the fields that the spec names are looked at.
  bool matches(const MatchTarget& target) const;

  /// Resolves `channel` once into `channel_urls` (CEP 29: names are promoted to URLs before they are
  /// compared; a multichannel such as `defaults` stands for several). Does nothing for globs.
  void promote_channel(const ChannelConfig& config);

  /// Canonical form (CEP 29 appendix A); parses back to an equal value. Credentials in URLs are left out.
  std::string str() const;
  /// `name version build` positional form as used in `depends`.
  std::string dependency_str() const;
  /// The text after the name, as an environment.yml or lock file needs it (`>=1,<2 py*`), or empty.
  std::string constraint_str() const;
  /// Same query; credentials in `channel` and `url` do not count.
  bool operator==(const MatchSpec& other) const;

  /// Lower-case name; `*` matches any name; the pattern's text when `name_matcher` is set.
  std::string name = "*";
  /// Set when the name is a glob or regex.
  std::optional<StringMatcher> name_matcher;
  VersionSpec version;
  StringMatcher build;
  /// A version-like expression over the build number (`>=2`); any when absent.
  std::optional<VersionSpec> build_number;
  /// Channel as written without subdir: name, URL or path; empty when any. A URL may hold
  /// credentials: show `str()`, not this.
  std::string channel;
  /// What `channel` stands for, set by `promote_channel`; empty: compared by name and URL.
  std::vector<std::string> channel_urls;
  std::string subdir;
  std::optional<Md5> md5;
  std::optional<Sha256> sha256;
  /// URL of one archive (also from a URL or path given as spec; a path stays as written, for the
  /// caller to resolve). May hold credentials: show `str()`, not this.
  std::string url;
  std::string fn;
  std::optional<StringMatcher> license, license_family, features;
  /// Compared as a set: the record tracks exactly these. Sorted.
  std::vector<std::string> track_features;
  /// Expressions over these numbers of the record (`>=1024`).
  std::optional<VersionSpec> size, timestamp;
  /// Groups to add (CEP 44) and flags that the record must have, globs allowed (CEP 45). Sorted.
  std::vector<std::string> extras;
  std::vector<std::string> flags;
  /// CEP 43: the condition's text, checked for its grammar, or empty. Evaluated by the solver.
  std::string when;

  /// True when nothing but the name is said.
  bool is_name_only() const;
};

}  // namespace envtool
