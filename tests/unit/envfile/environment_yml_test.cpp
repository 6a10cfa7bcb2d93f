#include <catch2/catch.hpp>

#include <random>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/envfile/environment_spec.hpp"

using namespace envtool;

namespace {

EnvironmentSpec parse(const std::string& text, const std::string& origin = "e.yml") {
  return parse_environment_yml(text, origin, Platform::parse("linux-64"));
}

std::string error_of(const std::string& text) {
  try {
    parse(text);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    return error.where() + " " + error.message() + " | " + error.why() + " | " + join(error.hints(), "; ");
  }
  return "no error";
}

}  // namespace

TEST_CASE("a full environment.yml") {
  const EnvironmentSpec spec = parse(R"(name: test
channels:
  - conda-forge
  - https://example.org/channel
  - nodefaults
  - ./local
dependencies:
  - python =3.11
  - conda-forge::numpy>=1.20,<2
  - "pytorch[build=*cuda*]"
  - pip
  - pip:
      - requests==2.0
      - -r more.txt
variables:
  A: text
  B: 1.10
  C: yes
  D: "two\nlines"
platforms: [linux-64, osx-arm64]
category: dev
prefix: /opt/envs/test
)");
  CHECK(spec.name == "test");
  CHECK(spec.name_where == "e.yml:1:7");
  CHECK(spec.channels == std::vector<std::string>{"conda-forge", "https://example.org/channel", "./local"});
  CHECK(spec.nodefaults);
  REQUIRE(spec.dependencies.size() == 4);
  CHECK(spec.dependencies[1].spec.name == "numpy");
  CHECK(spec.dependencies[1].spec.channel == "conda-forge");
  CHECK(spec.dependencies[1].text == "conda-forge::numpy>=1.20,<2");
  CHECK(spec.dependencies[1].where == "e.yml:9:5");
  CHECK(spec.dependencies[1].category == "dev");
  REQUIRE(spec.pip.size() == 2);
  CHECK(spec.pip[1].text == "-r more.txt");
  CHECK(spec.pip[1].where == "e.yml:14:9");
  CHECK(spec.variables == std::vector<std::pair<std::string, std::string>>{
                              {"A", "text"}, {"B", "1.10"}, {"C", "yes"}, {"D", "two\nlines"}});
  CHECK(spec.platforms == std::vector<Platform>{Platform::parse("linux-64"), Platform::parse("osx-arm64")});
  CHECK(spec.category == "dev");
  CHECK(spec.prefix == "/opt/envs/test");
  CHECK(spec.warnings.empty());
}

TEST_CASE("the smallest environment.yml and empty keys") {
  CHECK(parse("dependencies:\n  - numpy\n").dependencies.size() == 1);
  const EnvironmentSpec empty = parse("name:\nchannels:\ndependencies:\nvariables:\nplatforms:\ncategory:\nprefix:\n");
  CHECK(empty.name.empty());
  CHECK(empty.dependencies.empty());
  CHECK(empty.warnings.empty());
}

TEST_CASE("what the user is told but that does not stop") {
  const auto warnings = [](const std::string& text) { return join(parse(text).warnings, "\n"); };
  CHECK(warnings("dependencies: []\nchanels: [x]\nzzz: 1\n") ==
        "e.yml:2:1: the key `chanels` is not known and is ignored; did you mean `channels`?\n"
        "e.yml:3:1: the key `zzz` is not known and is ignored");
  CHECK(warnings("name: base\ndependencies: []\n").find("e.yml:1:7: the name `base` is reserved") == 0);
  CHECK(parse("name: base\ndependencies: []\n").name.empty());
  CHECK(warnings("prefix: /x/my env\ndependencies: []\n").find("e.yml:1:9: the prefix") == 0);
  CHECK(warnings("dependencies:\n  - pip:\n    - x\n").find("`pip` is not among the dependencies") != std::string::npos);
  CHECK(warnings("dependencies: []\nvariables: {A: }\n").find("has no value") != std::string::npos);
  CHECK(warnings("name: x\n") == "e.yml:1:1: the file has no `dependencies`");
}

TEST_CASE("what is wrong says where, why and what to do") {
  CHECK(error_of("") == "e.yml:1:1 this is not an environment.yml | the file is empty | the smallest one is "
                        "`dependencies:` with a list of packages below it");
  CHECK(error_of("- a\n").find("expected `key: value` lines") != std::string::npos);
  CHECK(error_of("dependancies:\n  - a\n") ==
        "e.yml:1:1 the file has no `dependencies` | the key there is `dependancies` | did you mean `dependencies`?");
  CHECK(error_of("dependencies: numpy\n").find("write it as a list") != std::string::npos);
  CHECK(error_of("dependencies:\n  - numpy >=>1\n").starts_with("e.yml:2:5 a dependency cannot be understood"));
  CHECK(error_of("dependencies:\n  -\n  - a\n").starts_with("e.yml:3:3 the entry of `dependencies` before this place is empty"));
  CHECK(error_of("dependencies:\n  - [a]\n").starts_with("e.yml:2:5"));
  CHECK(error_of("dependencies:\n  - pipp:\n    - x\n") ==
        "e.yml:2:5 the section `pipp` of the dependencies is not supported |  | did you mean `pip`?");
  CHECK(error_of("dependencies:\n  - numpy: 1.2\n").find("a package is written without the colon: `- numpy 1.2`") !=
        std::string::npos);
  CHECK(error_of("dependencies:\n  - pip: x\n").starts_with("e.yml:2:10 `pip` has to be a list"));
  CHECK(error_of("dependencies:\n  - pip:\n    - a: b\n").starts_with("e.yml:3:7"));
  CHECK(error_of("dependencies:\n  - pip:\n    - \"a\\n--index-url evil\"\n").find("control character") !=
        std::string::npos);
  CHECK(error_of("dependencies: []\nchannels: conda-forge\n").starts_with("e.yml:2:11 `channels` has to be a list"));
  CHECK(error_of("dependencies: []\nchannels: ['https://']\n").starts_with("e.yml:2:12 the URL of a channel"));
  CHECK(error_of("dependencies: []\nplatforms: [noarch]\n").starts_with("e.yml:2:13 `noarch` is not a platform"));
  CHECK(error_of("dependencies: []\nplatforms: [linux64]\n").starts_with("e.yml:2:13"));
  CHECK(error_of("dependencies: []\nname: ../../etc\n").starts_with("e.yml:2:7 the environment's name"));
  CHECK(error_of("dependencies: []\nname: [a]\n").starts_with("e.yml:2:7"));
  CHECK(error_of("dependencies: []\nvariables: {A-B: x}\n").starts_with("e.yml:2:13 `A-B` cannot be"));
  CHECK(error_of("dependencies: []\nvariables: {A: [x]}\n").starts_with("e.yml:2:16"));
  CHECK(error_of("dependencies: []\nvariables: {A: \"\\0\"}\n").find("NUL") != std::string::npos);
  CHECK(error_of("dependencies: []\nvariables: [A]\n").starts_with("e.yml:2:12"));
  CHECK(error_of("dependencies: [\"\\x1b[31m\"]\n").find("control character") != std::string::npos);
}

TEST_CASE("merging files") {
  const EnvironmentSpec main = parse(
      "name: x\nchannels: [a, b]\ndependencies: [python, numpy, pip, {pip: [p]}]\nvariables: {V: 1}\nplatforms: [linux-64]\n",
      "main.yml");
  const EnvironmentSpec dev = parse(
      "channels: [b, c, nodefaults]\ndependencies: [python, pytest, {pip: [p, q]}]\nvariables: {V: 1, W: 2}\n"
      "category: dev\nplatforms: [osx-64, linux-64]\n",
      "dev.yml");
  const EnvironmentSpec both = merge_environments({main, dev});
  CHECK(both.name == "x");
  CHECK(both.channels == std::vector<std::string>{"a", "b", "c"});
  CHECK(both.nodefaults);
  CHECK(both.dependencies.size() == 5);  // `python` of `main` and of `dev` are two wishes
  CHECK(both.dependencies.back().category == "dev");
  CHECK(both.pip.size() == 3);
  CHECK(both.variables.size() == 2);
  CHECK(both.platforms.size() == 2);
  CHECK(merge_environments({main, main}).dependencies.size() == main.dependencies.size());
  CHECK(merge_environments({}).dependencies.empty());

  const auto conflict = [&](const std::string& text) {
    try {
      merge_environments({main, parse(text, "other.yml")});
    } catch (const Error& error) {
      return error.where() + " " + error.why();
    }
    return std::string("no error");
  };
  CHECK(conflict("name: y\ndependencies: []\n") == "other.yml:1:7 `y` stands there, and `x` at main.yml:1:7");
  CHECK(conflict("dependencies: []\nvariables: {V: 2}\n") == "other.yml:2:13 another value stands at main.yml:4:13");
  CHECK(conflict("name: x\ndependencies: []\n") == "no error");
}

TEST_CASE("an environment.yml is written as it is read") {
  EnvironmentSpec spec = parse(
      "name: n\nchannels: [conda-forge, nodefaults]\nplatforms: [linux-64]\ncategory: dev\n"
      "dependencies: ['python=3.11', 'numpy[build=\"*x\"]', pip, {pip: ['a==1; python_version > \"3\"', '-e .']}]\n"
      "variables: {A: 'yes', B: \"x\\ny\", C: ''}\nprefix: /opt/n\n");
  const std::string text = to_environment_yml(spec);
  CHECK(text == R"(name: "n"
channels:
  - conda-forge
  - nodefaults
platforms:
  - linux-64
category: dev
dependencies:
  - python=3.11
  - "numpy[build=\"*x\"]"
  - pip
  - pip:
      - "a==1; python_version > \"3\""
      - "-e ."
variables:
  A: "yes"
  B: "x\ny"
  C: ""
prefix: /opt/n
)");
  const EnvironmentSpec again = parse(text);
  CHECK(to_environment_yml(again) == text);
  CHECK(again.variables == spec.variables);
  CHECK(again.dependencies[1].spec == spec.dependencies[1].spec);
  CHECK(to_environment_yml(EnvironmentSpec{}) == "dependencies: []\n");
}

TEST_CASE("credentials are not written") {
  EnvironmentSpec spec;
  spec.channels = {"https://user:canary@example.org/c", "https://example.org/t/ca-123-canary/c"};
  spec.dependencies = {{MatchSpec::parse("numpy"), "https://user:canary@example.org/c::numpy", "", ""}};
  spec.pip = {{"--extra-index-url https://user:canary@example.org/simple", "", ""}};
  const std::string text = to_environment_yml(spec);
  CHECK(text.find("canary") == std::string::npos);
  CHECK(text.find("- https://example.org/c\n") != std::string::npos);
}

TEST_CASE("random bytes end in a value or an error, never worse") {
  const std::string base =
      "name: x # [linux]\nchannels: &c [a]\ndependencies:\n  - a >=1,<2 # [win or (osx and not arm64)]\n"
      "  - pip:\n    - b\n  - sel(linux): c\nvariables: {A: *c, <<: {B: 1}}\n";
  std::mt19937 random(3);
  for (int round = 0; round < 20000; ++round) {
    std::string text = base;
    for (std::size_t n = 1 + random() % 6; n > 0; --n) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = static_cast<char>(random()); break;
        case 1: text.erase(at, random() % 10); break;
        case 2: text.insert(at, 1, "[]{}:,#&*!|>'\"%@`-? \n\t"[random() % 22]); break;
        default: text.insert(at, text.substr(random() % text.size(), random() % 20));
      }
      if (text.empty()) text = "x";
    }
    try {
      parse(text);
    } catch (const Error& error) {
      REQUIRE(error.kind() == ErrorKind::invalid_input);
      REQUIRE(error.where().starts_with("e.yml"));
    }
  }
}
