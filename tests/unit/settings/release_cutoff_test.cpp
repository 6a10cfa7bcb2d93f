#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/settings/release_cutoff.hpp"

using namespace envtool;
using Kind = ReleaseCutoff::Kind;

namespace {
constexpr std::uint64_t day = 86'400'000;
}

TEST_CASE("ages", "[settings]") {
  const auto age = [](std::string_view text) {
    const ReleaseCutoff cutoff = parse_release_cutoff(text);
    return cutoff.kind == Kind::age ? cutoff.milliseconds : 0;
  };
  CHECK(age("7d") == 7 * day);
  CHECK(age(" 1w ") == 7 * day);
  CHECK(age("3d12h") == 3 * day + day / 2);
  CHECK(age("90m") == 5'400'000);
  CHECK(age("1w2d3h4m5s") == 9 * day + 3 * 3'600'000 + 4 * 60'000 + 5000);
  CHECK(age("P7D") == 7 * day);
  CHECK(age("P2W") == 14 * day);
  CHECK(age("P1DT12H") == day + day / 2);
  CHECK(age("PT30M") == 1'800'000);
  CHECK(age("86400") == day);
  for (const char* none : {"0", "0d", "P0D", "false", "None"}) CHECK(parse_release_cutoff(none).kind == Kind::none);
}

TEST_CASE("days and moments", "[settings]") {
  const auto moment = [](std::string_view text) {
    const ReleaseCutoff cutoff = parse_release_cutoff(text);
    return cutoff.kind == Kind::moment ? cutoff.milliseconds : 0;
  };
  // The whole day counts.
  CHECK(moment("2026-04-01") == 1'775'087'999'999);
  CHECK(moment("2024-02-29") == 1'709'251'199'999);
  CHECK(moment("2026-04-01T12:00:00Z") == 1'775'044'800'000);
  CHECK(moment("2026-04-01 12:00:00") == 1'775'044'800'000);
  CHECK(moment("2026-04-01T14:00:00+02:00") == 1'775'044'800'000);
  CHECK(moment("2026-04-01T07:30-0430") == 1'775'044'800'000);
  CHECK(moment("2026-04-01T12:00:00.25Z") == 1'775'044'800'250);
}

TEST_CASE("what is neither", "[settings]") {
  for (const char* text : {"", "yesterday", "7", "7x", "d7", "12h3d", "7d7d", "P", "PT", "P1M", "P1Y", "P1H", "PT1D", "P1D2", "-7d", "1.5d",
                           "2026-13-01", "2026-02-30", "2026-4-1", "2026-04-01T", "2026-04-01T25:00:00", "2026-04-01T12",
                           "2026-04-01T12:00:00+2", "2026-04-01T12:00:00Zulu", "1969-12-30", "20260401", "99999999999999999999d",
                           "1700000000", "7 d", "true"}) {
    INFO(text);
    if (std::string_view(text) == "7") CHECK(parse_release_cutoff(text).milliseconds == 7000);
    else CHECK_THROWS_AS(parse_release_cutoff(text), Error);
  }
}

TEST_CASE("an age becomes a moment", "[settings]") {
  CHECK(parse_release_cutoff("1d").resolve(10 * day) == 9 * day);
  CHECK(parse_release_cutoff("30d").resolve(10 * day) == 1);
  CHECK(parse_release_cutoff("1970-01-05").resolve(10 * day) == 5 * day - 1);
  CHECK(parse_release_cutoff("0").resolve(10 * day) == 0);
}
