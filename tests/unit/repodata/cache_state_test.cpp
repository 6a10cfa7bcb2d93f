#include "cache_state.hpp"

#include <catch2/catch.hpp>

using namespace envtool;
using std::chrono::seconds;

TEST_CASE("A cache state comes back as it was written") {
  CacheState state;
  state.url = "https://host/channel/noarch/repodata.json.zst";
  state.etag = "W/\"a\\b\"";
  state.mod = "Mon, 01 Jan 2024 00:00:00 GMT";
  state.cache_control = "public, max-age=30";
  state.size = 12345678901;
  state.sha256 = sha256("text");
  state.refresh_ns = 1700000000123456789;
  state.missing_ns = 4;
  state.zst_missing_until_ns = 5;
  state.shards_missing_until_ns = 6;
  for (const BodyForm form : {BodyForm::json, BodyForm::json_zst, BodyForm::msgpack_zst}) {
    state.form = form;
    const auto read = parse_cache_state(to_json(state));
    REQUIRE(read);
    CHECK(read->url == state.url);
    CHECK(read->form == form);
    CHECK(read->etag == state.etag);
    CHECK(read->mod == state.mod);
    CHECK(read->cache_control == state.cache_control);
    CHECK(read->size == state.size);
    CHECK(read->sha256 == state.sha256);
    CHECK(read->refresh_ns == state.refresh_ns);
    CHECK(read->missing_ns == 4);
    CHECK(read->zst_missing_until_ns == 5);
    CHECK(read->shards_missing_until_ns == 6);
  }
}

TEST_CASE("A damaged cache state is none") {
  CacheState state;
  state.url = "https://host/x";
  const std::string good = to_json(state);
  REQUIRE(parse_cache_state(good));
  for (const std::string& bad : {std::string(), std::string("{}"), std::string("[]"), good.substr(0, good.size() / 2),
                                 std::string(good).replace(good.find("json.zst"), 4, "yaml"),
                                 std::string(good).replace(good.find("\"version\": 2"), 12, "\"version\": 9")}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_cache_state(bad));
  }
  // Cut anywhere, it never crashes and never passes as whole.
  for (std::size_t size = 0; size + 2 < good.size(); ++size) CHECK_FALSE(parse_cache_state(good.substr(0, size)));
}

TEST_CASE("Cache-Control grants at most a day") {
  CHECK(max_age("max-age=30") == seconds(30));
  CHECK(max_age("public, Max-Age = 30") == seconds(0));
  CHECK(max_age("public,MAX-AGE=1200 ,immutable") == seconds(1200));
  CHECK(max_age("max-age=99999999999") == seconds(86400));
  CHECK(max_age("max-age=99999999999999999999999") == seconds(0));
  CHECK(max_age("max-age=30, no-cache") == seconds(0));
  CHECK(max_age("no-store") == seconds(0));
  CHECK(max_age("") == seconds(0));
}

TEST_CASE("A copy is fresh for its time, and never out of the future") {
  using std::chrono::hours;
  const std::int64_t second = 1'000'000'000;
  const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  RepoDataOptions options;
  CacheState state;
  const auto fresh = [&](std::int64_t age) {
    state.refresh_ns = now - age * second;
    return is_fresh(state, now, options);
  };
  CHECK_FALSE(fresh(0));  // there is no copy
  state.sha256 = sha256("x");
  CHECK(fresh(0));
  CHECK_FALSE(fresh(1));
  state.cache_control = "max-age=100";
  CHECK(fresh(99));
  CHECK_FALSE(fresh(101));
  CHECK_FALSE(fresh(-1000));  // checked in the future: the clock was put back
  options.time_to_live = seconds(10);
  CHECK(fresh(9));
  CHECK_FALSE(fresh(11));
  options.time_to_live = seconds(0);
  CHECK_FALSE(fresh(1));
  options.cache_use = RepoDataCacheUse::refresh;
  CHECK_FALSE(fresh(1));
  CHECK(fresh(0));  // checked since this run began
  options.cache_use = RepoDataCacheUse::prefer_cached;
  CHECK(fresh(1000000));
  CHECK_FALSE(fresh(-1000));
  options.cache_use = RepoDataCacheUse::only_cached;
  CHECK(fresh(1000000));
  CHECK(fresh(-1000));
}

TEST_CASE("What a server lacks is remembered for an hour, or as long as the options say") {
  const std::int64_t second = 1'000'000'000;
  const std::int64_t now = std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::system_clock::now().time_since_epoch()).count();
  RepoDataOptions options;
  CacheState state;
  const auto missing = [&](std::int64_t age) {
    state.missing_ns = now - age * second;
    return is_known_missing(state, now, options);
  };
  CHECK_FALSE(is_known_missing(state, now, options));
  CHECK(missing(3500));
  CHECK_FALSE(missing(3700));
  CHECK_FALSE(missing(-3700));
  options.time_to_live = seconds(0);
  CHECK_FALSE(missing(1));
  options.cache_use = RepoDataCacheUse::only_cached;
  CHECK(missing(1000000));
}

TEST_CASE("Times of headers and indices") {
  CHECK(parse_time("Thu, 01 Jan 1970 00:00:01 GMT") == 1);
  CHECK(parse_time("Mon, 29 Feb 2024 12:34:56 GMT") == 1709210096);
  CHECK(parse_time("2024-02-29T12:34:56Z") == 1709210096);
  CHECK(parse_time("2024-02-29 12:34:56.123456+00:00") == 1709210096);
  for (const char* bad : {"", "x", "Mon, 30 Feb 2024 12:34:56 GMT", "Mon, 29 Feb 2024 25:34:56 GMT", "Mon, 29 Foo 2024 12:34:56 GMT",
                          "2024-13-01T00:00:00Z", "2024-02-30T00:00:00Z", "0000-01-01T00:00:00Z", "2024-02-29T1x:34:56Z"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_time(bad));
  }
}
