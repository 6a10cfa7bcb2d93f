#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "byte_source.hpp"
#include "envtool/base/digest.hpp"

namespace envtool {

/// What is known of a cached index: `<key>.info.json` (CEP-less, after conda's file of that name).
struct CacheState {
  std::string url;              ///< of the document, without credentials
  BodyForm form = BodyForm::json_zst;
  std::string etag, mod, cache_control;
  std::uint64_t size = 0;       ///< of the stored document
  Sha256 sha256;                ///< of the stored document
  std::int64_t refresh_ns = 0;  ///< when the server last said that this is current
  /// When the server turned out to have no `.zst`; 0: it has, or was not asked.
  std::int64_t zst_missing_ns = 0;
};

/// Nothing for a text that cannot be trusted.
std::optional<CacheState> parse_cache_state(std::string_view text);
std::string to_json(const CacheState& state);

/// The freshness time that a Cache-Control header grants: its max-age, at most a day; 0 without one
/// and for `no-cache` and `no-store`.
std::chrono::seconds max_age(std::string_view cache_control);

}  // namespace envtool
