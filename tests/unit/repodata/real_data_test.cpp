#include <map>

#include "channel_fixture.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

std::string channels_folder() { return std::string(ENVTOOL_SHARED_DATA) + "/channels"; }

bool have_data() {
  if (is_directory(channels_folder())) return true;
  WARN("skipped: no real channel data at " << channels_folder());
  return false;
}

}  // namespace

TEST_CASE_METHOD(ChannelFixture, "Real channels are read without a loss") {
  if (!have_data()) return;
  for (const auto& name : list_directory(channels_folder())) {
    Channel channel{name, Url::from_path(channels_folder() + "/" + name)};
    for (const auto& subdir : list_directory(channels_folder() + "/" + name)) {
      CAPTURE(name, subdir);
      reporter.warnings.clear();
      Fetcher fetcher(fetch_options);
      RepoDataGateway gateway({channel}, {subdir}, options, fetcher, &reporter);
      CHECK(gateway.record_count() > 0);
      CHECK(reporter.warnings.empty());
      std::uint64_t count = 0;
      for (const auto& package : gateway.all_names()) {
        const auto found = gateway.records_for(std::vector<std::string>{package});
        for (const auto& list : found.at(package)) {
          count += list.records.size();
          for (const auto& record : list.records) {
            REQUIRE(record.name == package);
            REQUIRE_FALSE(record.build.empty());
          }
        }
      }
      CHECK(count == gateway.record_count());
    }
  }
}

TEST_CASE_METHOD(ChannelFixture, "The closure of python is complete") {
  if (!have_data()) return;
  const auto found = reachable({{"conda-forge", Url::from_path(channels_folder() + "/conda-forge")}}, {"python"});
  CHECK(found.contains("python"));
  CHECK(found.contains("openssl"));
  CHECK_FALSE(found.contains("pytorch"));
  for (const auto& [name, lists] : found) {
    for (const auto& list : lists) {
      for (const auto& record : list.records) {
        for (const auto& spec : record.depends) {
          const std::string needed = dependency_name(spec);
          CAPTURE(record.fn, spec);
          if (!needed.starts_with("__") && !found.contains(needed)) {
            // The sample is not the whole channel: then no subdir may have it.
            CHECK(records({{"conda-forge", Url::from_path(channels_folder() + "/conda-forge")}}, {needed}).empty());
          }
        }
      }
    }
  }
}
