#include "spec_texts.hpp"

#include <algorithm>
#include <ctime>
#include <optional>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"

namespace envtool::solving {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Numbers inside texts by value: `3.9` before `3.10`.
bool natural_less(std::string_view a, std::string_view b) {
  std::size_t i = 0, k = 0;
  while (i < a.size() && k < b.size()) {
    if (is_digit(a[i]) && is_digit(b[k])) {
      std::size_t i_end = i, k_end = k;
      while (i_end < a.size() && is_digit(a[i_end])) ++i_end;
      while (k_end < b.size() && is_digit(b[k_end])) ++k_end;
      if (i_end - i != k_end - k) return i_end - i < k_end - k;
      const int order = a.substr(i, i_end - i).compare(b.substr(k, k_end - k));
      if (order != 0) return order < 0;
      i = i_end;
      k = k_end;
    } else {
      if (a[i] != b[k]) return a[i] < b[k];
      ++i;
      ++k;
    }
  }
  return a.size() - i < b.size() - k;
}

std::string listed(std::vector<std::string> texts, const char* conjunction) {
  std::sort(texts.begin(), texts.end(), natural_less);
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  constexpr std::size_t shown = 4;
  std::string result;
  for (std::size_t i = 0; i < texts.size(); ++i) {
    const bool last = i + 1 == texts.size();
    if (texts.size() > shown && i >= 2 && !last) {
      if (i == 2) result += ", ...";
      continue;
    }
    if (i > 0) result += last ? conjunction : ", ";
    result += "`" + texts[i] + "`";
  }
  return result;
}

/// `>=low,<high`; either may be absent.
struct Range {
  std::optional<Version> low, high;
};

/// The bound as people say it: `3.10.0a0` below is `3.10`.
std::string plain_bound(std::string text) {
  if (text.ends_with("a0")) text.resize(text.size() - 2);
  while (text.ends_with(".0") && text.find('.') != text.rfind('.')) text.resize(text.size() - 2);
  while (text.ends_with('.')) text.pop_back();
  return text;
}

std::optional<Range> parse_range(std::string_view text) {
  Range range;
  try {
    for (const auto clause : split(text, ',')) {
      if (clause.starts_with(">=") && !range.low) range.low = Version::parse(clause.substr(2));
      else if (clause.starts_with("<") && !clause.starts_with("<=") && !range.high)
        range.high = Version::parse(plain_bound(std::string(clause.substr(1))));
      else return std::nullopt;
    }
  } catch (const Error&) {
    return std::nullopt;
  }
  return range;
}

std::string range_text(const Range& range) {
  std::string text;
  if (range.low) text += ">=" + range.low->str();
  if (range.high) text += (text.empty() ? "<" : ",<") + range.high->str();
  return text;
}

}  // namespace

std::string spec_text(const MatchSpec& spec) {
  if (!spec.url.empty()) return redact(spec.url);
  MatchSpec plain = MatchSpec::from_name(spec.name);
  plain.version = spec.version;
  plain.build = spec.build;
  const std::string positional = plain.dependency_str();
  if (plain == spec) return positional;
  plain.channel = spec.channel;
  if (plain == spec && spec.channel.find("://") == std::string::npos) {
    const std::string text = spec.channel + "::" + positional;
    try {
      if (MatchSpec::parse(text) == spec) return text;
    } catch (const Error&) {
      // Only the bracket form says it.
    }
  }
  return spec.str();
}

std::string either_of(std::vector<std::string> texts) { return listed(std::move(texts), " or "); }
std::string all_of(std::vector<std::string> texts) { return listed(std::move(texts), " and "); }

namespace {

/// The ranges when every text is `name range`, all of one name; else none.
std::vector<Range> parse_ranges(const std::vector<std::string>& texts, std::string& name) {
  std::vector<Range> ranges;
  for (const auto& text : texts) {
    const auto space = text.find(' ');
    if (space == std::string::npos || text.find(' ', space + 1) != std::string::npos) return {};
    if (name.empty()) name = text.substr(0, space);
    auto range = parse_range(std::string_view(text).substr(space + 1));
    if (!range || text.substr(0, space) != name) return {};
    ranges.push_back(std::move(*range));
  }
  return ranges;
}

/// Many exact builds: their versions tell enough.
std::vector<std::string> without_builds(std::vector<std::string> texts) {
  constexpr std::size_t few = 4;
  if (texts.size() <= few) return texts;
  std::vector<std::string> shorter;
  for (const auto& text : texts) {
    const auto build = text.rfind(' ');
    if (build == text.find(' ')) return texts;
    std::string version = text.substr(0, build);
    if (std::find(shorter.begin(), shorter.end(), version) == shorter.end()) shorter.push_back(std::move(version));
  }
  return shorter;
}

}  // namespace

std::vector<std::string> intersected_ranges(std::vector<std::string> texts) {
  if (texts.size() < 2) return texts;
  std::string name;
  const std::vector<Range> ranges = parse_ranges(texts, name);
  if (ranges.empty()) return texts;
  Range all;
  for (const auto& range : ranges) {
    if (range.low && (!all.low || *all.low < *range.low)) all.low = range.low;
    if (range.high && (!all.high || *range.high < *all.high)) all.high = range.high;
  }
  if (all.low && all.high && !(*all.low < *all.high)) return texts;
  return {name + " " + range_text(all)};
}

std::vector<std::string> merged_ranges(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end());
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  if (texts.size() < 2) return texts;
  std::string name;
  std::vector<Range> ranges = parse_ranges(texts, name);
  if (ranges.empty()) return without_builds(std::move(texts));
  // No lower bound is the lowest.
  std::sort(ranges.begin(), ranges.end(), [](const Range& a, const Range& b) {
    if (!a.low || !b.low) return !a.low && b.low;
    return *a.low < *b.low;
  });
  std::vector<Range> merged;
  for (auto& range : ranges) {
    if (!merged.empty() && (!merged.back().high || !range.low || *range.low <= *merged.back().high)) {
      if (merged.back().high && (!range.high || *merged.back().high < *range.high)) merged.back().high = range.high;
    } else {
      merged.push_back(std::move(range));
    }
  }
  texts.clear();
  for (const auto& range : merged) {
    const std::string text = range_text(range);
    texts.push_back(text.empty() ? name : name + " " + text);
  }
  return texts;
}

std::string day(std::uint64_t milliseconds) {
  const std::time_t seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm parts{};
  char text[32];
  if (gmtime_r(&seconds, &parts) == nullptr || std::strftime(text, sizeof text, "%Y-%m-%d", &parts) == 0) return {};
  return text;
}

}  // namespace envtool::solving
