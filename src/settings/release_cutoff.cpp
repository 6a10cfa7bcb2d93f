#include "envtool/settings/release_cutoff.hpp"

#include <chrono>
#include <optional>
#include <string>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {

constexpr std::uint64_t second = 1000, minute = 60 * second, hour = 60 * minute, day = 24 * hour, week = 7 * day;
/// Longer ages are taken for mistakes (a date without dashes, a moment in seconds).
constexpr std::uint64_t longest_age = 50 * 365 * day;

[[noreturn]] void refuse(std::string_view text, std::string why) {
  throw Error("cannot understand `" + escape_control(text) + "` as a date or an age", ErrorKind::invalid_input)
      .because(std::move(why))
      .hint("write an age such as `7d`, `36h`, `P7D`, a day such as `2026-04-01`, or a moment such as `2026-04-01T12:00:00Z`");
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Reads from the front of a text.
class Cursor {
 public:
  explicit Cursor(std::string_view text) : rest_(text) {}
  bool at_end() const { return rest_.empty(); }
  char peek() const { return rest_.empty() ? '\0' : rest_.front(); }
  bool take(char c) {
    if (peek() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  std::optional<std::uint64_t> number() {
    std::size_t length = 0;
    while (length < rest_.size() && is_digit(rest_[length])) ++length;
    const auto value = parse_unsigned(rest_.substr(0, length));
    if (value) rest_.remove_prefix(length);
    return value;
  }
  /// A number of exactly so many digits.
  std::optional<unsigned> digits(std::size_t count) {
    if (rest_.size() < count) return std::nullopt;
    for (std::size_t i = 0; i < count; ++i)
      if (!is_digit(rest_[i])) return std::nullopt;
    const auto value = parse_unsigned(rest_.substr(0, count));
    rest_.remove_prefix(count);
    return static_cast<unsigned>(*value);
  }
  /// Digits behind a decimal point, as milliseconds.
  std::optional<unsigned> fraction() {
    unsigned value = 0, scale = 100;
    if (!is_digit(peek())) return std::nullopt;
    for (; is_digit(peek()); rest_.remove_prefix(1), scale /= 10) value += static_cast<unsigned>(peek() - '0') * scale;
    return value;
  }

 private:
  std::string_view rest_;
};

std::uint64_t unit_of(char c, bool is_time) {
  switch (c) {
    case 'w': case 'W': return is_time ? 0 : week;
    case 'd': case 'D': return is_time ? 0 : day;
    case 'h': case 'H': return hour;
    case 'm': case 'M': return minute;
    case 's': case 'S': return second;
    default: return 0;
  }
}

/// `3d12h`, or what stands behind the `P` of `P3DT12H`.
ReleaseCutoff parse_age(std::string_view text, std::string_view parts, bool iso) {
  Cursor cursor(parts);
  std::uint64_t total = 0, last_unit = ~std::uint64_t{0};
  bool is_time = false, any = false;
  while (!cursor.at_end()) {
    if (iso && !is_time && cursor.take('T')) {
      is_time = true;
      continue;
    }
    const auto number = cursor.number();
    if (!number) refuse(text, "a number is expected in front of each unit");
    const char letter = cursor.peek();
    if (iso && !is_time && (letter == 'M' || letter == 'm' || letter == 'Y' || letter == 'y'))
      refuse(text, "months and years differ in length; say days");
    const std::uint64_t unit = unit_of(letter, is_time);
    if (unit == 0 || (iso && !is_time && unit < day))
      refuse(text, letter == '\0' ? std::string("a unit is missing at the end") : "`" + escape_control(std::string(1, letter)) + "` is no unit here (w, d, h, m, s)");
    if (unit >= last_unit) refuse(text, "units go from the largest to the smallest, each once");
    cursor.take(letter);
    last_unit = unit;
    if (*number > longest_age / unit) refuse(text, "that is longer than there are packages");
    total += *number * unit;
    any = true;
  }
  if (!any) refuse(text, "there is no number");
  if (total > longest_age) refuse(text, "that is longer than there are packages");
  if (total == 0) return {};
  return {ReleaseCutoff::Kind::age, total};
}

ReleaseCutoff parse_moment(std::string_view text) {
  Cursor cursor(text);
  const auto year = cursor.digits(4);
  const bool dash = cursor.take('-');
  const auto month = cursor.digits(2);
  const bool second_dash = cursor.take('-');
  const auto day_of_month = cursor.digits(2);
  if (!year || !dash || !month || !second_dash || !day_of_month) refuse(text, "a day is written as YYYY-MM-DD");
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(*year)), std::chrono::month(*month),
                                         std::chrono::day(*day_of_month)};
  if (!date.ok()) refuse(text, "there is no such day");
  const auto days = std::chrono::sys_days(date);
  std::int64_t milliseconds = 0;
  if (cursor.at_end()) {
    milliseconds = static_cast<std::int64_t>(day) - 1;
  } else {
    if (!cursor.take('T') && !cursor.take('t') && !cursor.take(' ')) refuse(text, "behind the day a `T` and the time are expected");
    const auto hours = cursor.digits(2);
    const bool colon = cursor.take(':');
    const auto minutes = cursor.digits(2);
    if (!hours || !colon || !minutes || *hours > 23 || *minutes > 59) refuse(text, "a time is written as HH:MM:SS");
    milliseconds = static_cast<std::int64_t>(*hours * hour + *minutes * minute);
    if (cursor.take(':')) {
      const auto seconds = cursor.digits(2);
      if (!seconds || *seconds > 60) refuse(text, "a time is written as HH:MM:SS");
      milliseconds += static_cast<std::int64_t>(*seconds * second);
      if (cursor.take('.')) {
        const auto fraction = cursor.fraction();
        if (!fraction) refuse(text, "digits are expected behind the point");
        milliseconds += *fraction;
      }
    }
    if (!cursor.take('Z') && !cursor.take('z') && !cursor.at_end()) {
      const bool west = cursor.peek() == '-';
      if (!cursor.take('+') && !cursor.take('-')) refuse(text, "the zone is `Z` or an offset such as `+02:00`");
      const auto zone_hours = cursor.digits(2);
      cursor.take(':');
      const auto zone_minutes = cursor.at_end() ? std::optional<unsigned>(0) : cursor.digits(2);
      if (!zone_hours || !zone_minutes || *zone_hours > 23 || *zone_minutes > 59) refuse(text, "the zone is `Z` or an offset such as `+02:00`");
      const auto offset = static_cast<std::int64_t>(*zone_hours * hour + *zone_minutes * minute);
      milliseconds += west ? offset : -offset;
    }
    if (!cursor.at_end()) refuse(text, "there is something behind the time");
  }
  milliseconds += std::chrono::duration_cast<std::chrono::milliseconds>(days.time_since_epoch()).count();
  if (milliseconds <= 0) refuse(text, "there were no packages before 1970");
  return {ReleaseCutoff::Kind::moment, static_cast<std::uint64_t>(milliseconds)};
}

}  // namespace

std::uint64_t ReleaseCutoff::resolve(std::uint64_t now_milliseconds) const {
  if (kind == Kind::none) return 0;
  if (kind == Kind::moment) return milliseconds;
  // 0 would be no limit.
  return now_milliseconds > milliseconds ? now_milliseconds - milliseconds : 1;
}

ReleaseCutoff parse_release_cutoff(std::string_view written) {
  const std::string_view text = strip(written);
  if (text.empty()) refuse(text, "there is nothing");
  const std::string word = to_lower(text);
  if (word == "false" || word == "none") return {};
  if (text.front() == 'P' || text.front() == 'p') {
    if (text.back() == 'T' || text.back() == 't') refuse(text, "behind the `T` a time is expected");
    return parse_age(text, text.substr(1), true);
  }
  if (const auto seconds = parse_unsigned(text)) {
    if (text.size() == 8 && std::chrono::year_month_day{std::chrono::year(static_cast<int>(*seconds / 10000)),
                                                        std::chrono::month(static_cast<unsigned>(*seconds / 100 % 100)),
                                                        std::chrono::day(static_cast<unsigned>(*seconds % 100))}.ok())
      refuse(text, "this is a day without dashes, or else seconds: `" + std::string(text) + "s`");
    return parse_age(text, std::string(text) + "s", false);
  }
  if (text.find('-') != std::string_view::npos && text.front() != '-') return parse_moment(text);
  return parse_age(text, text, false);
}

}  // namespace envtool
