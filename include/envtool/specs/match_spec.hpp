#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/base/digest.hpp"
#include "envtool/specs/version_spec.hpp"

namespace envtool {

/// A matcher of string fields (CEP 29 string matching): exact (case-insensitive), glob, or regex.
class StringMatcher {
 public:
  StringMatcher() = default;
  /// Throws `Error` for a bad regular expression.
  static StringMatcher parse(std::string_view text);
  bool matches(std::string_view value) const;
  bool is_any() const { return text_.empty() || text_ == "*"; }
  /// The text when it is neither glob nor regex.
  std::optional<std::string> exact() const;
  const std::string& str() const { return text_; }
  bool operator==(const StringMatcher& other) const { return text_ == other.text_; }

 private:
  struct Compiled;
  std::string text_;
  std::shared_ptr<const Compiled> compiled_;
};

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
/// A value; unknown bracket keys are errors, never dropped.
class MatchSpec {
 public:
  /// Parses the full grammar, including URLs and file paths of packages (`https://.../x-1-0.conda#md5`).
  /// Throws `Error` (invalid_input) that quotes the text and says which part is wrong.
  static MatchSpec parse(std::string_view text);
  /// A spec of only a name.
  static MatchSpec from_name(std::string_view name);

  /// True when every field agrees. Only the fields that the spec names are looked at.
  bool matches(const MatchTarget& target) const;

  /// Canonical form (CEP 29 appendix A); parses back to an equal value.
  std::string str() const;
  /// `name version build` positional form as used in `depends`.
  std::string dependency_str() const;
  /// The text after the name, as an environment.yml or lock file needs it (`>=1,<2 py*`), or empty.
  std::string constraint_str() const;
  bool operator==(const MatchSpec& other) const;

  /// Lower-case name; `*` matches any name.
  std::string name = "*";
  /// Set when the name is a glob or regex.
  std::optional<StringMatcher> name_matcher;
  VersionSpec version;
  StringMatcher build;
  /// A version-like expression over the build number (`>=2`); any when absent.
  std::optional<VersionSpec> build_number;
  /// Channel as written: name, URL or path; empty when any.
  std::string channel;
  std::string subdir;
  std::optional<Md5> md5;
  std::optional<Sha256> sha256;
  /// URL of one archive (also from a URL or path given as spec).
  std::string url;
  std::string fn;
  std::optional<StringMatcher> license, license_family, features;
  std::vector<std::string> track_features;
  /// CEP 44, CEP 45.
  std::vector<std::string> extras;
  std::vector<std::string> flags;
  /// CEP 43: the condition's text, or empty. Evaluated by the solver.
  std::string when;

  /// True when nothing but the name is said.
  bool is_name_only() const;
};

}  // namespace envtool
