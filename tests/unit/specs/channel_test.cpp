#include "envtool/specs/channel.hpp"

#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "table.hpp"

using namespace envtool;
using envtool::testing::read_table;
using envtool::testing::TableReport;

namespace {

ChannelConfig table_config() {
  ChannelConfig config;
  config.home = "/home/me";
  config.working_directory = "/work";
  config.custom_channels = {{"darwin", "https://some.url.somewhere/stuff"},
                            {"chuck", "http://user1:pass2@another.url:8080/t/tk-1234/with/path"}};
  config.custom_multichannels = {{"mine", {"conda-forge", "bioconda"}}, {"loop", {"loop"}}};
  return config;
}

}  // namespace

TEST_CASE("channels resolve as the table says", "[channel]") {
  TableReport report("channel.tsv");
  const ChannelConfig config = table_config();
  for (const auto& row : read_table("channel.tsv")) {
    INFO("`" << row[0] << "` (" << row[3] << ")");
    std::string names;
    std::string urls;
    try {
      for (const Channel& channel : Channel::resolve(row[0] == "<empty>" ? "" : row[0], config)) {
        names += (names.empty() ? "" : " ") + channel.name;
        urls += (urls.empty() ? "" : " ") + channel.base_url.str();
      }
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_input);
      names = urls = "error";
    }
    CHECK(names == row[1]);
    CHECK(urls == row[2]);
    report.check(names == row[1] && urls == row[2]);
  }
}

TEST_CASE("credentials of channels are kept, and kept secret", "[channel]") {
  const ChannelConfig config = table_config();
  const Channel token = Channel::resolve("https://host.org/t/tk-1/chan/linux-64", config).at(0);
  CHECK(token.name == "https://host.org/chan");
  CHECK(token.base_url.str() == "https://host.org/chan");
  CHECK(token.base_url.token().reveal() == "tk-1");
  const Channel custom = Channel::resolve("chuck/label/dev", config).at(0);
  CHECK(custom.name == "chuck/label/dev");
  CHECK(custom.base_url.str() == "http://another.url:8080/with/path/chuck/label/dev");
  CHECK(custom.base_url.user_info().reveal() == "user1:pass2");
  CHECK(custom.base_url.token().reveal() == "tk-1234");
  try {
    Channel::resolve("https://me:hush@host.org/x?y", config);
    FAIL("no error");
  } catch (const Error& error) {
    CHECK_THAT(std::string(error.what()), !Catch::Contains("hush"));
  }
}

TEST_CASE("names depend on the configuration", "[channel]") {
  ChannelConfig config;
  config.channel_alias = Url::parse("https://mirror.org/anaconda/");
  const Channel named = Channel::resolve("conda-forge", config).at(0);
  CHECK(named.base_url.str() == "https://mirror.org/anaconda/conda-forge");
  CHECK(Channel::resolve("https://mirror.org/anaconda/conda-forge/noarch", config).at(0) == named);
  CHECK(Channel::resolve("https://mirror.org/other", config).at(0).name == "https://mirror.org/other");
  CHECK(Channel::resolve("https://mirror.org/anacondas/x", config).at(0).name == "https://mirror.org/anacondas/x");
  config.default_channels = {"conda-forge", "https://x.org/y"};
  CHECK(Channel::resolve("defaults", config).size() == 2);
  config.custom_multichannels["defaults"] = {"bioconda"};
  CHECK(Channel::resolve("defaults", config).at(0).name == "bioconda");
  CHECK_THROWS_AS(Channel::resolve("~/x", config), Error);
  CHECK_THROWS_AS(Channel::resolve("./x", config), Error);
  CHECK_THROWS_AS(Channel::resolve(std::string(5000, 'a'), config), Error);
  CHECK_THROWS_AS(Channel::resolve(std::string(129, 'a'), config), Error);
}

TEST_CASE("file channels", "[channel]") {
  ChannelConfig config;
  config.home = "/home/me";
  config.working_directory = "/work";
  const Channel channel = Channel::resolve("/a folder/with %/ünï/linux-64/", config).at(0);
  CHECK(channel.base_url.to_path() == "/a folder/with %/ünï");
  CHECK(Channel::resolve("file:///a%20folder", config).at(0).base_url.to_path() == "/a folder");
  CHECK(Channel::resolve("./a/../b/./c", config).at(0).base_url.to_path() == "/work/b/c");
  CHECK(Channel::resolve("/../../x", config).at(0).base_url.to_path() == "/x");
}
