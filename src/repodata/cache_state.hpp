#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "byte_source.hpp"
#include "envtool/base/digest.hpp"
#include "envtool/repodata/repodata_gateway.hpp"

namespace envtool {

/// What is known of a cached index: `<key>.info.json` (CEP-less, after conda's file of that name). The
/// validators, size and digest are one with the copy; without a copy there may still be a memory of
/// what the server does not have. Times are nanoseconds since the epoch, 0 for never.
struct CacheState {
  std::string url;              ///< of the document, without credentials
  BodyForm form = BodyForm::json_zst;
  std::string etag, mod, cache_control;
  std::uint64_t size = 0;       ///< of the stored document
  std::optional<Sha256> sha256; ///< of the stored document; nothing: there is no copy
  std::int64_t refresh_ns = 0;  ///< when the server last said that this is current
  /// When the server turned out to have the document in no form.
  std::int64_t missing_ns = 0;
  /// Until when not to ask again for a form that the server does not have, or that was of no use.
  std::int64_t zst_missing_until_ns = 0, shards_missing_until_ns = 0;
  bool shards_failed = false;   ///< they are there, but of no use
};

/// The file that holds the state; nothing unless it is whole and about the URL.
std::optional<CacheState> read_cache_state(const std::string& path, const std::string& url_prefix);

/// Nothing for a text that cannot be trusted.
std::optional<CacheState> parse_cache_state(std::string_view text);
std::string to_json(const CacheState& state);

/// The freshness time that a Cache-Control header grants: its max-age, at most a day; 0 without one
/// and for `no-cache` and `no-store`.
std::chrono::seconds max_age(std::string_view cache_control);

/// Whether a copy that was last checked at a time may be used without asking. `started_ns`: what was
/// checked since then is current, whatever the options say. A time that is yet to come is none.
bool is_fresh(const CacheState& state, std::int64_t started_ns, const RepoDataOptions& options);
/// The same for the memory that the server has no such document.
bool is_known_missing(const CacheState& state, std::int64_t started_ns, const RepoDataOptions& options);

/// The time of an HTTP header (`Mon, 01 Jan 2024 00:00:00 GMT`) or of ISO 8601 (`2024-01-01T00:00:00Z`,
/// fractions and offsets are left out of account) in seconds; nothing for anything else.
std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace envtool
