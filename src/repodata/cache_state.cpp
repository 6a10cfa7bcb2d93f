#include "cache_state.hpp"

#include <simdjson.h>

#include <algorithm>

#include "envtool/base/text.hpp"
#include "json_scanner.hpp"

namespace envtool {

namespace {

constexpr std::int64_t state_version = 1;

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
  state.zst_missing_ns = number_field(object, "zst_missing_ns");
  const std::string form = text_field(object, "form");
  const auto digest = Sha256::parse(text_field(object, "sha256"));
  const std::int64_t size = number_field(object, "size");
  if (state.url.empty() || !digest || size < 0 || (form != "json" && form != "json.zst")) return {};
  state.form = form == "json" ? BodyForm::json : BodyForm::json_zst;
  state.sha256 = *digest;
  state.size = static_cast<std::uint64_t>(size);
  return state;
}

std::string to_json(const CacheState& state) {
  std::string text = "{\n";
  const auto add = [&text](std::string_view key, const std::string& value) {
    text += "  " + quote_json(key) + ": " + value + ",\n";
  };
  add("url", quote_json(state.url));
  add("form", state.form == BodyForm::json ? "\"json\"" : "\"json.zst\"");
  add("etag", quote_json(state.etag));
  add("mod", quote_json(state.mod));
  add("cache_control", quote_json(state.cache_control));
  add("size", std::to_string(state.size));
  add("sha256", quote_json(state.sha256.hex()));
  add("refresh_ns", std::to_string(state.refresh_ns));
  add("zst_missing_ns", std::to_string(state.zst_missing_ns));
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

}  // namespace envtool
