#include "channel_relations.hpp"

#include "channel_fixture.hpp"

using namespace envtool;
using namespace envtool::test;
using Kind = ChannelRelation::Kind;

namespace {

Channel named(const std::string& name) { return {name, Url::parse("https://conda.example/" + name)}; }

std::vector<std::string> order(const std::vector<std::string>& user, const std::vector<ChannelRelation>& relations) {
  std::vector<Channel> channels;
  for (const auto& name : user) channels.push_back(named(name));
  std::vector<std::string> names;
  for (const Channel& channel : order_channels(channels, relations)) names.push_back(channel.name);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("References lead to channels of the same server (CEP 42)") {
  CHECK(resolve_channel_reference(named("bioconda"), "../conda-forge") == named("conda-forge"));
  CHECK(resolve_channel_reference(named("conda-forge/label/rc"), "../..") == named("conda-forge"));
  CHECK(resolve_channel_reference(named("a/b"), "../c/d").base_url.str() == "https://conda.example/a/c/d");
  for (const char* bad : {"conda-forge", "/x", "https://evil.example/x", "../../../x", "../a?b", "../%2e%2e/x", "../a\\b", ""}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(resolve_channel_reference(named("a"), bad), Error);
  }
}

TEST_CASE("A related channel is reached with the same credentials") {
  const Channel channel{"a", Url::parse("https://user:pw@conda.example/t/secret/a")};
  const Channel related = resolve_channel_reference(channel, "../b");
  CHECK(related.base_url.str() == "https://conda.example/b");
  CHECK(related.base_url.with_credentials().reveal() == "https://user:pw@conda.example/t/secret/b");
}

TEST_CASE("Related channels find their place (the examples of CEP 42)") {
  const ChannelRelation bioconda{named("bioconda"), Kind::base, named("conda-forge")};
  CHECK(order({"bioconda"}, {bioconda}) == Names{"conda-forge", "bioconda"});
  CHECK(order({"conda-forge", "bioconda"}, {bioconda}) == Names{"conda-forge", "bioconda"});
  CHECK(order({"bioconda", "conda-forge"}, {bioconda}) == Names{"bioconda", "conda-forge"});
  CHECK(order({"rc"}, {{named("rc"), Kind::overrides, named("main")}}) == Names{"rc", "main"});
  CHECK(order({"my"}, {{named("my"), Kind::base, named("bioconda")}, bioconda}) == Names{"conda-forge", "bioconda", "my"});
  CHECK(order({"my"}, {{named("my"), Kind::base, named("conda-forge")}, {named("my"), Kind::overrides, named("fixes")}}) ==
        Names{"conda-forge", "my", "fixes"});
}

TEST_CASE("Without relations the user's order stays; related ones stand beside their channel") {
  CHECK(order({"c", "a", "b"}, {}) == Names{"c", "a", "b"});
  CHECK(order({"a", "b"}, {{named("b"), Kind::base, named("x")}}) == Names{"a", "x", "b"});
}

TEST_CASE("Circles are refused") {
  CHECK_THROWS_AS(order({"a"}, {{named("a"), Kind::base, named("x")}, {named("x"), Kind::base, named("a")}}), Error);
  CHECK_THROWS_AS(order({"a", "b"}, {{named("a"), Kind::overrides, named("x")}, {named("x"), Kind::overrides, named("y")},
                                     {named("y"), Kind::overrides, named("x")}}), Error);
}

TEST_CASE_METHOD(ChannelFixture, "A channel brings its relations along") {
  const auto with_info = [](const std::string& relations, const std::string& name) {
    return R"({"info": {"channel_relations": )" + relations + R"(}, "packages.conda": {)" + record(name, "1") + "}}";
  };
  put("bio/noarch/repodata.json", with_info(R"({"base": "../forge", "later": 1})", "b"));
  put("forge/noarch/repodata.json", with_info("{}", "f"));
  Fetcher fetcher(fetch_options);
  SECTION("followed") {
    RepoDataGateway gateway({local("bio")}, subdirs, options, fetcher, &reporter);
    CHECK(gateway.all_names() == Names{"b", "f"});
    REQUIRE(gateway.channels().size() == 2);
    CHECK(gateway.channels()[0].name == "forge");
    CHECK(reporter.related == Names{"forge"});
    CHECK(gateway.records_for(Names{"b"}).at("b").front().channel == 1);
  }
  SECTION("switched off") {
    options.channel_relations_max_depth = 0;
    CHECK(RepoDataGateway({local("bio")}, subdirs, options, fetcher).all_names() == Names{"b"});
  }
  SECTION("endless") {
    for (int i = 0; i < 12; ++i) {
      put("c" + std::to_string(i) + "/noarch/repodata.json",
          with_info(R"({"base": "../c)" + std::to_string(i + 1) + "\"}", "x"));
    }
    CHECK(error_of([&] { names({local("c0")}); }).why().find("10") != std::string::npos);
  }
  SECTION("of itself") {
    put("bad/noarch/repodata.json", with_info(R"({"base": "../forge", "overrides": "../forge"})", "b"));
    CHECK(error_of([&] { names({local("bad")}); }).kind() == ErrorKind::invalid_input);
  }
}
