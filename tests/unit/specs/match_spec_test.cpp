#include "envtool/specs/match_spec.hpp"

#include <catch2/catch.hpp>
#include <map>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/specs/channel.hpp"
#include "table.hpp"

using namespace envtool;
using envtool::testing::read_lines;
using envtool::testing::read_table;
using envtool::testing::TableReport;

namespace {

/// A record made from `name-version-build;key=value;...`.
struct Record {
  explicit Record(const std::string& text) {
    std::vector<std::string_view> pieces = split(text, ';');
    const std::string_view dist = pieces.front();
    const std::size_t build = dist.rfind('-');
    const std::size_t version_begin = dist.rfind('-', build - 1);
    name = std::string(dist.substr(0, version_begin));
    version = Version::parse(dist.substr(version_begin + 1, build - version_begin - 1));
    build_string = std::string(dist.substr(build + 1));
    for (std::size_t i = 1; i < pieces.size(); ++i) {
      const std::size_t equals = pieces[i].find('=');
      fields[std::string(pieces[i].substr(0, equals))] = std::string(pieces[i].substr(equals + 1));
    }
    for (std::string_view word : split_whitespace(fields["track_features"])) {
      track_features.emplace_back(word);
    }
    for (std::string_view word : split_whitespace(fields["flags"])) {
      flags.emplace_back(word);
    }
  }

  MatchTarget target() {
    MatchTarget out;
    out.name = name;
    out.version = &version;
    out.build = build_string;
    out.build_number = parse_unsigned(fields["build_number"]).value_or(0);
    out.channel_url = fields["channel_url"];
    out.channel_name = fields["channel"];
    out.subdir = fields["subdir"];
    out.md5 = fields["md5"];
    out.sha256 = fields["sha256"];
    out.url = fields["url"];
    out.fn = fields["fn"];
    out.license = fields["license"];
    out.license_family = fields["license_family"];
    out.features = fields["features"];
    out.track_features = &track_features;
    out.flags = &flags;
    out.size = parse_unsigned(fields["size"]).value_or(0);
    out.timestamp = parse_unsigned(fields["timestamp"]).value_or(0);
    return out;
  }

  std::string name, build_string;
  Version version;
  std::map<std::string, std::string> fields;
  std::vector<std::string> track_features, flags;
};

/// Faithful or loud: every way of printing a spec is read back as the same spec.
void check_round_trip(const MatchSpec& spec) {
  INFO("canonical " << spec.str() << ", as dependency " << spec.dependency_str());
  CHECK(MatchSpec::parse(spec.str()) == spec);
  CHECK(MatchSpec::parse(spec.str()).str() == spec.str());
  CHECK(MatchSpec::parse(spec.dependency_str()) == spec);
}

}  // namespace

TEST_CASE("match specs print their canonical form", "[match_spec]") {
  TableReport report("match_spec_canonical.tsv");
  for (const auto& row : read_table("match_spec_canonical.tsv")) {
    INFO("`" << row[0] << "` (" << row[2] << ") " << row[4]);
    const std::string expected = report.expected(row[1], row[3], row[4]);
    const MatchSpec spec = MatchSpec::parse(row[0]);
    CHECK(spec.str() == expected);
    report.check(spec.str() == expected);
    check_round_trip(spec);
  }
}

TEST_CASE("match specs match as the table says", "[match_spec]") {
  TableReport report("match_spec_match.tsv");
  for (const auto& row : read_table("match_spec_match.tsv")) {
    INFO("`" << row[0] << "` and " << row[1] << " (" << row[3] << ") " << row[5]);
    const std::string expected = report.expected(row[2], row[4], row[5]);
    Record record(row[1]);
    const MatchSpec spec = MatchSpec::parse(row[0]);
    const std::string actual = spec.matches(record.target()) ? "yes" : "no";
    CHECK(actual == expected);
    report.check(actual == expected);
    check_round_trip(spec);
    CHECK(MatchSpec::parse(spec.str()).matches(record.target()) == spec.matches(record.target()));
  }
}

TEST_CASE("texts that are not match specs", "[match_spec]") {
  TableReport report("match_spec_errors.tsv");
  for (const auto& row : read_table("match_spec_errors.tsv")) {
    INFO("`" << row[0] << "` (" << row[1] << ") " << row[4]);
    report.expected("error", row[3], row[4]);
    std::string message = "no error";
    try {
      MatchSpec::parse(row[0]);
    } catch (const Error& error) {
      message = error.what();
      CHECK(error.kind() == ErrorKind::invalid_input);
      // The text is quoted, but for credentials.
      CHECK(error.message() == "invalid match spec `" + redact(row[0]) + "`");
    }
    CHECK_THAT(message, Catch::Contains(row[2]));
    report.check(message.find(row[2]) != std::string::npos);
  }
}

TEST_CASE("specs of the peers' tests are read", "[match_spec]") {
  for (const std::string& line : read_lines("match_spec_corpus.txt")) {
    INFO(line);
    check_round_trip(MatchSpec::parse(line));
  }
}

TEST_CASE("forms for depends and environment files", "[match_spec]") {
  const auto dependency = [](std::string_view text) { return MatchSpec::parse(text).dependency_str(); };
  const auto constraint = [](std::string_view text) { return MatchSpec::parse(text).constraint_str(); };
  CHECK(dependency("python") == "python");
  CHECK(dependency("python=3.11") == "python 3.11.*");
  CHECK(dependency("python==3.11=b") == "python ==3.11 b");
  CHECK(dependency("numpy >=1,<2") == "numpy >=1,<2");
  CHECK(dependency("blas=*=mkl") == "blas * mkl");
  CHECK(dependency("conda-forge::python") == "conda-forge::python");
  CHECK(dependency("a[build_number='>2']") == "a[build_number='>2']");
  CHECK(dependency("a >1[build_number='>2']") == "a >1 [build_number='>2']");
  CHECK(constraint("python") == "");
  CHECK(constraint("numpy >=1,<2 py*") == ">=1,<2 py*");
  CHECK(constraint("conda-forge::python=3") == "3.*");
  CHECK(constraint("a[md5=7dbaa197d7ba6032caf7ae7f32c1efa0]") == "[md5='7dbaa197d7ba6032caf7ae7f32c1efa0']");
}

TEST_CASE("fields of a spec", "[match_spec]") {
  const MatchSpec spec = MatchSpec::parse(
      "conda-forge/linux-64::FOO==1.2=py_0[build_number='>1', license=MIT, track_features='b a', extras=[y,x]]");
  CHECK(spec.name == "foo");
  CHECK(!spec.name_matcher);
  CHECK(spec.channel == "conda-forge");
  CHECK(spec.subdir == "linux-64");
  CHECK(spec.version.exact()->str() == "1.2");
  CHECK(spec.build.exact() == "py_0");
  CHECK(spec.build_number->str() == ">1");
  CHECK(spec.license->str() == "mit");
  CHECK(spec.track_features == std::vector<std::string>{"a", "b"});
  CHECK(spec.extras == std::vector<std::string>{"x", "y"});
  CHECK(!spec.is_name_only());
  CHECK(MatchSpec::parse("foo").is_name_only());
  CHECK(MatchSpec::from_name("Foo") == MatchSpec::parse("foo"));
  CHECK(MatchSpec::parse("foo*").name_matcher.has_value());
  CHECK(MatchSpec::parse("foo*").name == "foo*");
  CHECK(!MatchSpec::parse("*").name_matcher);
  CHECK(MatchSpec::parse("* [build='*']").is_name_only());
}

TEST_CASE("URLs and paths of packages", "[match_spec]") {
  const MatchSpec spec = MatchSpec::parse(
      "https://conda.anaconda.org/conda-forge/linux-64/ncurses-6.4-h59595ed_2.conda#7dbaa197d7ba6032caf7ae7f32c1efa0");
  CHECK(spec.name == "ncurses");
  CHECK(spec.version.exact()->str() == "6.4");
  CHECK(spec.build.exact() == "h59595ed_2");
  CHECK(spec.channel == "https://conda.anaconda.org/conda-forge");
  CHECK(spec.subdir == "linux-64");
  CHECK(spec.fn == "ncurses-6.4-h59595ed_2.conda");
  CHECK(spec.url == "https://conda.anaconda.org/conda-forge/linux-64/ncurses-6.4-h59595ed_2.conda");
  CHECK(spec.md5->hex() == "7dbaa197d7ba6032caf7ae7f32c1efa0");
  const MatchSpec path = MatchSpec::parse("./my folder/foo-bar-1.0-0.tar.bz2");
  CHECK(path.name == "foo-bar");
  CHECK(path.url == "./my folder/foo-bar-1.0-0.tar.bz2");
  CHECK(path.channel.empty());
  const MatchSpec encoded = MatchSpec::parse("https://a.org/c/linux-64/x264-1%21164.3095-h166bdaf_2.tar.bz2");
  CHECK(encoded.version.exact()->str() == "1!164.3095");
  CHECK(MatchSpec::parse("https://a.org/x-1-0.conda").channel.empty());
  const MatchSpec distribution = MatchSpec::parse("conda-forge/noarch::python-3.6.6-0.conda");
  CHECK(distribution.name == "python");
  CHECK(distribution.url.empty());
  CHECK(distribution.fn == "python-3.6.6-0.conda");
}

TEST_CASE("credentials are never printed", "[match_spec]") {
  for (const char* text : {"https://me:hush@host.org/t/tk-hush/chan::foo", "https://host.org/t/tk-hush/chan/linux-64::foo",
                           "foo[channel='https://me:hush@host.org/chan']",
                           "https://me:hush@host.org/t/tk-hush/chan/linux-64/foo-1-0.conda",
                           "foo[url='https://host.org/t/tk-hush/chan/linux-64/foo-1-0.conda']"}) {
    INFO(text);
    const MatchSpec spec = MatchSpec::parse(text);
    CHECK_THAT(spec.str(), !Catch::Contains("hush"));
    CHECK_THAT(spec.dependency_str(), !Catch::Contains("hush"));
    CHECK_THAT(spec.constraint_str(), !Catch::Contains("hush"));
    CHECK(MatchSpec::parse(spec.str()) == spec);
    try {
      MatchSpec::parse(std::string(text) + "[nonsense=1]");
      FAIL("no error");
    } catch (const Error& error) {
      CHECK_THAT(std::string(error.what()), !Catch::Contains("hush"));
    }
  }
}

TEST_CASE("a channel's name is promoted to its URLs", "[match_spec]") {
  ChannelConfig config;
  MatchSpec spec = MatchSpec::parse("defaults::numpy");
  spec.promote_channel(config);
  CHECK(spec.channel_urls ==
        std::vector<std::string>{"https://repo.anaconda.com/pkgs/main", "https://repo.anaconda.com/pkgs/r"});
  Record main("numpy-1-0;channel_url=https://repo.anaconda.com/pkgs/main;channel=https://repo.anaconda.com/pkgs/main");
  Record other("numpy-1-0;channel_url=https://conda.anaconda.org/defaults;channel=defaults");
  CHECK(spec.matches(main.target()));
  CHECK_FALSE(spec.matches(other.target()));
  MatchSpec glob = MatchSpec::parse("conda-*::numpy");
  glob.promote_channel(config);
  CHECK(glob.channel_urls.empty());
}

TEST_CASE("hostile match specs end in errors", "[match_spec]") {
  CHECK_THROWS_AS(MatchSpec::parse(std::string(1000000, 'a')), Error);
  CHECK_THROWS_AS(MatchSpec::parse(std::string(129, 'a')), Error);
  CHECK_THROWS_AS(MatchSpec::parse("a" + std::string(5000, '[')), Error);
  CHECK_THROWS_AS(MatchSpec::parse("a[when='" + std::string(5000, '(') + "']"), Error);
  std::string nested = "a";
  for (int i = 0; i < 900; ++i) {
    nested += "[when=a";
  }
  CHECK_THROWS_AS(MatchSpec::parse(nested + std::string(900, ']')), Error);
  std::string fields = "a[build=b";
  for (int i = 0; i < 900; ++i) {
    fields += ",k" + std::to_string(i) + "=1";
  }
  CHECK_THROWS_AS(MatchSpec::parse(fields + "]"), Error);
  CHECK_THROWS_AS(MatchSpec::parse(std::string(200000, '^')), Error);
  CHECK_THROWS_AS(MatchSpec::parse("a ^" + std::string(200000, '$') + "x"), Error);
  CHECK_THROWS_AS(MatchSpec::parse("a[license='" + std::string(5000, '\'') + "']"), Error);
  CHECK_THROWS_AS(MatchSpec::parse("https://h.org/" + std::string(5000, 'a') + "-1-0.conda"), Error);
  CHECK_THROWS_AS(MatchSpec::parse(std::string("a\0b", 3)), Error);
  CHECK_THROWS_AS(MatchSpec::parse("a\xff"), Error);
  try {
    MatchSpec::parse(std::string(8000, 'x') + "\x1b[2J");
    FAIL("no error");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).size() < 2000);
    CHECK(std::string(error.what()).find('\x1b') == std::string::npos);
  }
}
