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
