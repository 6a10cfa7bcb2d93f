#include "envtool/specs/match_spec.hpp"

#include <algorithm>

#include "archive_name.hpp"
#include "characters.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/specs/channel.hpp"
#include "match_spec_parser.hpp"

namespace envtool {

bool is_pattern(std::string_view text) {
  return text.find('*') != std::string_view::npos || (text.size() >= 2 && text.front() == '^' && text.back() == '$');
}

std::string printable_location(std::string_view text) {
  if (!Url::looks_like_url(text)) {
    return std::string(text);
  }
  // A path may hold several pieces that look like a token (`/t/x/t/y/`); after one is gone the next
  // would be taken for one.
  Url url = Url::parse(text);
  while (url.has_credentials()) {
    url = Url::parse(url.str());
  }
  return url.str();
}

namespace {

/// CEP 29 string matching of a field that is kept as plain text; empty matches everything.
bool agrees(const std::string& wanted, std::string_view value) {
  if (wanted.empty() || equal_ignoring_case(wanted, value)) {
    return true;
  }
  return is_pattern(wanted) && StringMatcher::parse(wanted).matches(value);
}

bool agrees(const std::optional<StringMatcher>& wanted, std::string_view value) {
  return !wanted || wanted->matches(value);
}

bool agrees(const std::optional<VersionSpec>& wanted, std::uint64_t value) {
  return !wanted || wanted->matches(Version::parse(std::to_string(value)));
}

template <typename DigestType>
bool agrees(const std::optional<DigestType>& wanted, std::string_view hex) {
  return !wanted || DigestType::parse(hex) == wanted;
}

bool agrees_on_url(const std::string& wanted, std::string_view value) {
  if (wanted.empty()) {
    return true;
  }
  const std::string printable = printable_location(wanted);
  if (is_pattern(wanted)) {
    return agrees(printable, value);
  }
  // Paths of URLs are case-sensitive, whatever CEP 29 says of strings in general.
  return value == printable || (!Url::looks_like_url(wanted) && wanted.starts_with('/') &&
                                value == Url::from_path(wanted).str());
}

bool agrees_on_channel(const MatchSpec& spec, const MatchTarget& target) {
  if (spec.channel.empty()) {
    return true;
  }
  if (!spec.channel_urls.empty()) {
    return std::find(spec.channel_urls.begin(), spec.channel_urls.end(), target.channel_url) !=
           spec.channel_urls.end();
  }
  if (agrees(spec.channel, target.channel_name)) {
    return true;
  }
  if (is_pattern(spec.channel)) {
    return agrees(printable_location(spec.channel), target.channel_url);
  }
  if (Url::looks_like_url(spec.channel)) {
    return printable_location(spec.channel) == target.channel_url;
  }
  return spec.channel.starts_with('/') && Url::from_path(spec.channel).str() == target.channel_url;
}

bool has_exactly(const std::vector<std::string>& wanted, const std::vector<std::string>* given) {
  if (wanted.empty()) {
    return true;
  }
  if (given == nullptr) {
    return false;
  }
  const auto contains = [](const std::vector<std::string>& names, std::string_view name) {
    return std::any_of(names.begin(), names.end(),
                       [&](const std::string& other) { return equal_ignoring_case(name, other); });
  };
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& name) { return contains(*given, name); }) &&
         std::all_of(given->begin(), given->end(), [&](const std::string& name) { return contains(wanted, name); });
}

/// CEP 45: every pattern needs a flag that it matches.
bool has_flags(const std::vector<std::string>& wanted, const std::vector<std::string>* given) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const std::string& pattern) {
    return given != nullptr && std::any_of(given->begin(), given->end(), [&](const std::string& flag) {
             return matches_glob(pattern, flag);
           });
  });
}

}  // namespace

MatchSpec MatchSpec::from_name(std::string_view name) {
  MatchSpec spec;
  spec.name = to_lower(name);
  return spec;
}

bool MatchSpec::matches(const MatchTarget& target) const {
  if (name_matcher) {
    if (!name_matcher->matches(target.name)) {
      return false;
    }
  } else if (name != "*" && !equal_ignoring_case(name, target.name)) {
    return false;
  }
  if (!version.is_any() && (target.version == nullptr || !version.matches(*target.version))) {
    return false;
  }
  return build.matches(target.build) && agrees(build_number, target.build_number) && agrees(subdir, target.subdir) &&
         agrees_on_channel(*this, target) && agrees(md5, target.md5) && agrees(sha256, target.sha256) &&
         agrees_on_url(url, target.url) && agrees(fn, target.fn) && agrees(license, target.license) &&
         agrees(license_family, target.license_family) && agrees(features, target.features) &&
         has_exactly(track_features, target.track_features) && has_flags(flags, target.flags) &&
         agrees(size, target.size) && agrees(timestamp, target.timestamp);
}

void MatchSpec::promote_channel(const ChannelConfig& config) {
  channel_urls.clear();
  if (channel.empty() || is_pattern(channel)) {
    return;
  }
  for (const Channel& one : Channel::resolve(channel, config)) {
    channel_urls.push_back(one.base_url.str());
  }
}

bool MatchSpec::is_name_only() const {
  return version.is_any() && build.is_any() && !build_number && channel.empty() && subdir.empty() && !md5 && !sha256 &&
         url.empty() && fn.empty() && !license && !license_family && !features && track_features.empty() && !size &&
         !timestamp && extras.empty() && flags.empty() && when.empty();
}

bool MatchSpec::operator==(const MatchSpec& other) const {
  return name == other.name && version == other.version && build == other.build &&
         build_number == other.build_number && subdir == other.subdir && md5 == other.md5 && sha256 == other.sha256 &&
         fn == other.fn && license == other.license && license_family == other.license_family &&
         features == other.features && track_features == other.track_features && size == other.size &&
         timestamp == other.timestamp && extras == other.extras && flags == other.flags && when == other.when &&
         printable_location(channel) == printable_location(other.channel) &&
         printable_location(url) == printable_location(other.url);
}

}  // namespace envtool
