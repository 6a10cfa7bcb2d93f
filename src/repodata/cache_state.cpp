#include "cache_state.hpp"

#include <simdjson.h>

#include <algorithm>
#include <array>
#include <utility>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/log.hpp"
#include "cache_files.hpp"
#include "json_scanner.hpp"

namespace envtool {

namespace {

constexpr std::int64_t state_version = 2;

// How long it is remembered that a channel has no such subdir.
constexpr std::chrono::hours missing_lifetime{1};

constexpr std::array<std::pair<BodyForm, std::string_view>, 3> forms{{
    {BodyForm::json, "json"}, {BodyForm::json_zst, "json.zst"}, {BodyForm::msgpack_zst, "msgpack.zst"}}};

std::string text_field(const simdjson::dom::object& object, std::string_view key) {
  std::string_view text;
  return object[key].get_string().get(text) == simdjson::SUCCESS ? std::string(text) : std::string();
}

std::int64_t number_field(const simdjson::dom::object& object, std::string_view key) {
  std::int64_t number = 0;
  return object[key].get_int64().get(number) == simdjson::SUCCESS ? number : 0;
}

}  // namespace

std::optional<CacheState> parse_cache_state(std::string_view text) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(text.data(), text.size()).get_object().get(object) != simdjson::SUCCESS) return {};
  if (number_field(object, "version") != state_version) return {};
  CacheState state;
  state.url = text_field(object, "url");
  state.etag = text_field(object, "etag");
  state.mod = text_field(object, "mod");
  state.cache_control = text_field(object, "cache_control");
  state.refresh_ns = number_field(object, "refresh_ns");
  state.missing_ns = number_field(object, "missing_ns");
  state.zst_missing_until_ns = number_field(object, "zst_missing_until_ns");
  state.shards_missing_until_ns = number_field(object, "shards_missing_until_ns");
  state.shards_failed = number_field(object, "shards_failed") != 0;
  const std::string form = text_field(object, "form"), digest = text_field(object, "sha256");
  const auto known = std::find_if(forms.begin(), forms.end(), [&](const auto& entry) { return entry.second == form; });
  const std::int64_t size = number_field(object, "size");
  if (state.url.empty() || size < 0 || known == forms.end()) return {};
  state.form = known->first;
  if (!digest.empty()) {
    state.sha256 = Sha256::parse(digest);
    if (!state.sha256) return {};
  }
  state.size = static_cast<std::uint64_t>(size);
  return state;
}

std::optional<CacheState> read_cache_state(const std::string& path, const std::string& url_prefix) {
  std::optional<std::string> text;
  try {
    text = read_file_if_exists(path, 1 << 20);
  } catch (const Error& error) {
    // Whatever is there is not ours; it is replaced, or writing tells what is wrong.
    log_warning("`" + path + "` is of no use: " + error.message() + " (" + error.why() + ")");
  }
  if (!text) return std::nullopt;
  std::optional<CacheState> state = parse_cache_state(*text);
  // File names are a digest's beginning: make sure that the entry is ours.
  const bool ours = state && state->url.compare(0, url_prefix.size(), url_prefix) == 0;
  if (!ours) return std::nullopt;
  return state;
}

std::string to_json(const CacheState& state) {
  std::string text = "{\n";
  const auto add = [&text](std::string_view key, const std::string& value) {
    text += "  " + quote_json(key) + ": " + value + ",\n";
  };
  add("url", quote_json(state.url));
  for (const auto& [form, name] : forms) {
    if (form == state.form) add("form", quote_json(name));
  }
  add("etag", quote_json(state.etag));
  add("mod", quote_json(state.mod));
  add("cache_control", quote_json(state.cache_control));
  add("size", std::to_string(state.size));
  add("sha256", quote_json(state.sha256 ? state.sha256->hex() : std::string()));
  add("refresh_ns", std::to_string(state.refresh_ns));
  add("missing_ns", std::to_string(state.missing_ns));
  add("zst_missing_until_ns", std::to_string(state.zst_missing_until_ns));
  add("shards_missing_until_ns", std::to_string(state.shards_missing_until_ns));
  add("shards_failed", state.shards_failed ? "1" : "0");
  return text + "  \"version\": " + std::to_string(state_version) + "\n}\n";
}

std::chrono::seconds max_age(std::string_view cache_control) {
  constexpr std::uint64_t longest = 24 * 60 * 60;
  std::uint64_t age = 0;
  for (const auto piece : split(cache_control, ',')) {
    const std::string directive = to_lower(strip(piece));
    if (directive == "no-cache" || directive == "no-store") return std::chrono::seconds(0);
    if (directive.starts_with("max-age=")) {
      age = parse_unsigned(strip(std::string_view(directive).substr(8))).value_or(0);
    }
  }
  return std::chrono::seconds(static_cast<std::int64_t>(std::min(age, longest)));
}

namespace {

bool within(std::int64_t checked_ns, std::int64_t started_ns, const RepoDataOptions& options, std::chrono::nanoseconds lifetime) {
  if (checked_ns > now_ns()) return options.cache_use == RepoDataCacheUse::only_cached;  // the clock was put back
  if (checked_ns >= started_ns) return true;
  switch (options.cache_use) {
    case RepoDataCacheUse::refresh: return false;
    case RepoDataCacheUse::prefer_cached:
    case RepoDataCacheUse::only_cached: return true;
    case RepoDataCacheUse::by_age: break;
  }
  return std::chrono::nanoseconds(started_ns - checked_ns) < lifetime;
}

}  // namespace

bool is_fresh(const CacheState& state, std::int64_t started_ns, const RepoDataOptions& options) {
  if (!state.sha256) return false;
  const std::chrono::nanoseconds lifetime = options.time_to_live ? *options.time_to_live : max_age(state.cache_control);
  return within(state.refresh_ns, started_ns, options, lifetime);
}

bool is_known_missing(const CacheState& state, std::int64_t started_ns, const RepoDataOptions& options) {
  if (state.missing_ns == 0) return false;
  return within(state.missing_ns, started_ns, options, options.time_to_live.value_or(missing_lifetime));
}

std::optional<std::int64_t> parse_time(std::string_view text) {
  static constexpr std::array<std::string_view, 12> months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                                           "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto number = [&](std::size_t from, std::size_t size) -> std::int64_t {
    const auto value = from + size <= text.size() ? parse_unsigned(text.substr(from, size)) : std::nullopt;
    return value ? static_cast<std::int64_t>(*value) : -1;
  };
  std::int64_t year = -1, month = -1, day = -1;
  std::size_t clock = 0;
  if (text.size() == 29 && text.substr(25) == " GMT") {
    const auto found = std::find(months.begin(), months.end(), text.substr(8, 3));
    if (found == months.end()) return {};
    day = number(5, 2);
    month = found - months.begin() + 1;
    year = number(12, 4);
    clock = 17;
  } else if (text.size() >= 19 && text[4] == '-' && text[7] == '-' && (text[10] == 'T' || text[10] == ' ')) {
    year = number(0, 4);
    month = number(5, 2);
    day = number(8, 2);
    clock = 11;
  } else {
    return {};
  }
  const std::int64_t hours = number(clock, 2), minutes = number(clock + 3, 2), seconds = number(clock + 6, 2);
  if (hours < 0 || hours > 23 || minutes < 0 || minutes > 59 || seconds < 0 || seconds > 60) return {};
  const std::chrono::year_month_day date{std::chrono::year(static_cast<int>(year)), std::chrono::month(static_cast<unsigned>(month)),
                                         std::chrono::day(static_cast<unsigned>(day))};
  if (year < 1970 || month < 1 || day < 1 || !date.ok()) return {};
  return std::chrono::sys_days(date).time_since_epoch().count() * std::int64_t{86400} + hours * 3600 + minutes * 60 + seconds;
}

}  // namespace envtool
