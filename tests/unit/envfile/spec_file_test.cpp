#include "envtool/envfile/spec_file.hpp"

#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

using namespace envtool;

namespace {

std::string error_of(const std::string& text) {
  try {
    parse_spec_file(text, "f.txt");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    return std::string(error.what());
  }
  return "no error";
}

const std::string md5_text = "1bbc659ca658bfd49a481b5ef7a0f40f";
const std::string sha_text = "72d143408507043628b32bed089730b6d5f5445eccc44b59911ec9f262e365e7";

}  // namespace

TEST_CASE("a list of specs") {
  const auto parsed = parse_spec_file(
      "# a comment\n# platform: osx-arm64\n\n  \npython\r\nscipy=1.13.1  # why\nsetuptools>=69.5.1\ntk[build=h5083fa2_1]\n"
      "conda-forge::numpy\n",
      "f.txt");
  const SpecList& list = std::get<SpecList>(parsed);
  CHECK(list.platform == "osx-arm64");
  REQUIRE(list.specs.size() == 5);
  CHECK(list.specs[0].spec.name == "python");
  CHECK(list.specs[1].text == "scipy=1.13.1");
  CHECK(list.specs[1].where == "f.txt:6:1");
  CHECK(list.specs[4].spec.channel == "conda-forge");
  CHECK(std::get<SpecList>(parse_spec_file("", "f.txt")).specs.empty());
}

TEST_CASE("an explicit file") {
  const std::string base = "https://conda.anaconda.org/conda-forge/";
  const auto parsed = parse_spec_file("# platform: linux-64\n  @EXPLICIT  \n" + base + "linux-64/bzip2-1.0.8-h9_5.conda#" + md5_text +
                                          "\n" + base + "noarch/setuptools-69.5.1-p_0.conda#sha256:" + sha_text + "\n" + base +
                                          "noarch/tzdata-2024a-h_0.tar.bz2#" + sha_text + "\n# note\n" + base +
                                          "noarch/wheel-0.43.0-p_1.conda\n/opt/my pkgs/x-1-0.conda\nfile:///opt/y-1-0.conda\n",
                                      "f.txt");
  const ExplicitSpec& spec = std::get<ExplicitSpec>(parsed);
  CHECK(spec.platform == "linux-64");
  REQUIRE(spec.packages.size() == 6);
  CHECK(spec.packages[0].url.str() == base + "linux-64/bzip2-1.0.8-h9_5.conda");
  CHECK(spec.packages[0].md5->hex() == md5_text);
  CHECK(spec.packages[0].where == "f.txt:3:1");
  CHECK(spec.packages[1].sha256->hex() == sha_text);
  CHECK(spec.packages[2].sha256->hex() == sha_text);
  CHECK_FALSE(spec.packages[2].md5);
  CHECK_FALSE(spec.packages[3].sha256);
  CHECK(spec.packages[4].url.to_path() == "/opt/my pkgs/x-1-0.conda");
  CHECK(spec.packages[5].url.to_path() == "/opt/y-1-0.conda");
}

TEST_CASE("paths and variables of an explicit file are expanded by the caller") {
  const PathExpander expand = [](std::string_view text) {
    return text.starts_with("https:") ? replace_all(text, "$HOST", "example.org") : "/work/" + std::string(text);
  };
  const auto parsed = parse_spec_file("@EXPLICIT\nx-1-0.conda\nhttps://$HOST/noarch/y-1-0.conda\n", "f.txt", expand);
  const ExplicitSpec& spec = std::get<ExplicitSpec>(parsed);
  CHECK(spec.packages[0].url.to_path() == "/work/x-1-0.conda");
  CHECK(spec.packages[1].url.host() == "example.org");
  CHECK(error_of("@EXPLICIT\n./x-1-0.conda\n").find("the path is not absolute") != std::string::npos);
}

TEST_CASE("wrong lines say where") {
  CHECK(error_of("python\n  numpy >=>1\n").find("f.txt:2:3") != std::string::npos);
  CHECK(error_of("-r other.txt\n").find("requirements") != std::string::npos);
  CHECK(error_of("--index-url x\n").find("f.txt:1:1") != std::string::npos);
  CHECK(error_of("@EXPLICIT\nnumpy\n").find("not a package archive") != std::string::npos);
  CHECK(error_of("@EXPLICIT\nhttps://h/x-1-0.conda#abc\n").find("digest") != std::string::npos);
  CHECK(error_of("@EXPLICIT\nhttps://h/x-1-0.conda#sha256:" + md5_text + "\n").find("digest") != std::string::npos);
  CHECK(error_of("@EXPLICIT\nhttps://h/x-1-0.zip#" + md5_text + "\n").find("not a package archive") != std::string::npos);
  CHECK(error_of("@EXPLICIT\nftp://h/x-1-0.conda\n").find("`ftp`") != std::string::npos);
  CHECK(error_of("python\xff\n").find("UTF-8") != std::string::npos);
  CHECK(error_of("@EXPLICIT\nhttps://user:canary@/x-1-0.conda\n").find("canary") == std::string::npos);
}

TEST_CASE("explicit files are written and read back") {
  ExplicitSpec spec;
  spec.platform = "linux-64";
  spec.packages = {{Url::parse("https://user:canary@h/c/linux-64/a-1-0.conda"), Md5::parse(md5_text), Sha256::parse(sha_text), ""},
                   {Url::parse("https://h/t/canary-token/c/noarch/b-1-0.conda"), std::nullopt, Sha256::parse(sha_text), ""},
                   {Url::parse("file:///opt/c%20d/c-1-0.tar.bz2"), Md5::parse(md5_text), std::nullopt, ""}};
  CHECK(to_explicit(spec) ==
        "# This file may be used to create an environment using:\n# $ envtool create --name <env> --file <this file>\n"
        "# platform: linux-64\n@EXPLICIT\nhttps://h/c/linux-64/a-1-0.conda#" +
            md5_text + "\nhttps://h/c/noarch/b-1-0.conda#sha256:" + sha_text + "\nfile:///opt/c%20d/c-1-0.tar.bz2#" + md5_text + "\n");
  CHECK(to_explicit(spec, ExplicitDigest::none).find(md5_text) == std::string::npos);
  const std::string text = to_explicit(spec, ExplicitDigest::sha256);
  CHECK(text.find("canary") == std::string::npos);
  const auto parsed = parse_spec_file(text, "f.txt");
  const ExplicitSpec& again = std::get<ExplicitSpec>(parsed);
  CHECK(again.packages[0].sha256 == spec.packages[0].sha256);
  CHECK(again.packages[2].md5 == spec.packages[2].md5);
  CHECK(to_explicit(again, ExplicitDigest::sha256) == text);
}

TEST_CASE("what a file is") {
  CHECK(detect_file_kind("environment.yml", "name: x\ndependencies: []\n") == FileKind::environment_yml);
  CHECK(detect_file_kind("x.yaml", "") == FileKind::environment_yml);
  CHECK(detect_file_kind("conda-lock.yml", "") == FileKind::conda_lock);
  CHECK(detect_file_kind("x.yml", "version: 1\nmetadata:\npackage:\n") == FileKind::conda_lock);
  CHECK(detect_file_kind("pixi.lock", "version: 6\n") == FileKind::pixi_lock);
  CHECK(detect_file_kind("x.yml", "version: 6\nenvironments:\npackages:\n") == FileKind::pixi_lock);
  CHECK(detect_file_kind("spec.txt", "# c\n @EXPLICIT \nhttps://h/x.conda\n") == FileKind::explicit_list);
  CHECK(detect_file_kind("specs.txt", "numpy\n") == FileKind::spec_list);
  CHECK(detect_file_kind("requirements.txt", "numpy\n") == FileKind::spec_list);
  CHECK(detect_file_kind("requirements.txt", "-r x.txt\n") == FileKind::requirements);
  CHECK(detect_file_kind("r.txt", "a==1; python_version < '3'\n") == FileKind::requirements);
  CHECK(detect_file_kind("env", "dependencies:\n - a\n") == FileKind::environment_yml);
}
