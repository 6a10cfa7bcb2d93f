#include "envtool/lockfile/conda_lock.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

using namespace envtool;

namespace {

const std::filesystem::path data = std::filesystem::path(ENVTOOL_TEST_DATA) / "lockfile";

std::string read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string error_of(const std::string& text, LockDigests digests = LockDigests::require_sha256) {
  try {
    parse_conda_lock(text, "conda-lock.yml", digests);
  } catch (const Error& error) {
    return error.where() + " " + error.message() + " | " + error.why();
  }
  return "no error";
}

const std::string head =
    "version: 1\nmetadata:\n  content_hash: {}\n  channels: []\n  platforms: [linux-64]\n  sources: []\npackage:\n";
const std::string package =
    "- name: numpy\n  version: 1.26.4\n  manager: conda\n  platform: linux-64\n  dependencies:\n    python: '>=3'\n"
    "  url: https://h/c/linux-64/numpy-1.26.4-py311_0.conda\n  hash:\n    md5: f9e5fbc24009179e8b0409624691758a\n"
    "    sha256: 3b5ad78b8bb61b6cdc0978a6a99f8dfb2cc789a451378d054698441005ecbdb6\n  category: main\n  optional: false\n";

// The error of a lock with one package in which a text was replaced.
std::string error_with(const std::string& from, const std::string& to) {
  REQUIRE(package.find(from) != std::string::npos);
  return error_of(head + replace_all(package, from, to));
}

}  // namespace

TEST_CASE("the example of CEP 37") {
  const Lockfile lock = parse_conda_lock(read_file(data / "ca-certificates.conda-lock.yml"), "conda-lock.yml");
  CHECK(lock.platforms.size() == 4);
  CHECK(lock.channels == std::vector<LockedChannel>{{"conda-forge", {}}});
  CHECK(lock.sources == std::vector<std::string>{"environment.yml"});
  CHECK(lock.content_hash.at("osx-64") == "a2df6aa6d2047b27fae27db33b1a91895832d43ff9f36c6975d416fe8ca75ac3");
  REQUIRE(lock.packages.size() == 4);
  CHECK(lock.packages[3].build == "h4c7d964_0");
  CHECK(lock.packages[3].version == "2025.10.5");
  CHECK(lock.packages[3].dependencies.at("__win").empty());
  CHECK(lock.warnings.empty());
}

TEST_CASE("everything that a lock can say") {
  const Lockfile lock = parse_conda_lock(read_file(data / "full.conda-lock.yml"), "conda-lock.yml");
  REQUIRE(lock.packages.size() == 3);
  CHECK(lock.packages[2].manager == PackageManager::pip);
  CHECK(lock.packages[2].dependencies.at("urllib3") == "<3,>=1.21.1");
  CHECK(lock.packages[1].category == "dev");
  CHECK(lock.packages[1].optional);
  CHECK(lock.created_at == "2024-05-01T12:00:00Z");
  CHECK(lock.git_sha == "0123456789abcdef0123456789abcdef01234567");
  CHECK(lock.inputs.at("environment.yml").sha256.has_value());
  CHECK_FALSE(lock.inputs.at("environment.yml").md5.has_value());
  CHECK(lock.custom_metadata.at("team") == "data: science");
  CHECK(lock.channels[1].used_env_vars == std::vector<std::string>{"TOKEN"});
  CHECK(lock.warnings == std::vector<std::string>{"conda-lock.yml:35:3: the key `package.novelty` is not known and is ignored"});
}

TEST_CASE("a lock is written as the golden file says and reads back the same") {
  const Lockfile lock = parse_conda_lock(read_file(data / "full.conda-lock.yml"), "conda-lock.yml");
  const std::string text = to_conda_lock(lock);
  const std::filesystem::path golden = data / "full.written.yml";
  if (std::getenv("ENVTOOL_ACCEPT") != nullptr) std::ofstream(golden, std::ios::binary) << text;
  CHECK(text == read_file(golden));
  const Lockfile again = parse_conda_lock(text, "again.yml");
  CHECK(to_conda_lock(again) == text);
  CHECK(again.warnings.empty());
  CHECK(again.packages.size() == lock.packages.size());
  Lockfile shuffled = lock;
  std::reverse(shuffled.packages.begin(), shuffled.packages.end());
  std::reverse(shuffled.platforms.begin(), shuffled.platforms.end());
  CHECK(to_conda_lock(shuffled) == text);
}

TEST_CASE("credentials are not written") {
  Lockfile lock = parse_conda_lock(head + package, "conda-lock.yml");
  lock.packages[0].url = Url::parse("https://user:canary@h/t/canary/c/linux-64/numpy-1.26.4-py311_0.conda");
  lock.packages[0].source_url = "https://user:canary@h/numpy.conda";
  lock.channels = {{"https://user:canary@h/t/canary/c", {}}};
  CHECK(to_conda_lock(lock).find("canary") == std::string::npos);
}

TEST_CASE("hostile and broken locks are refused with their place") {
  CHECK(error_of(head + package) == "no error");
  CHECK(error_of("") == "conda-lock.yml:1:1 this is not a conda-lock.yml | ");
  CHECK(error_of(replace_all(head, "version: 1", "version: 2")).find("version `2`") != std::string::npos);
  CHECK(error_of("metadata: {}\npackage: []\n").find("`platforms` is missing") != std::string::npos);
  CHECK(error_of("metadata: {platforms: []}\n").find("`package` is missing") != std::string::npos);
  CHECK(error_of(replace_all(head, "[linux-64]", "[noarch]")).starts_with("conda-lock.yml:5:15"));
  CHECK(error_of(head + package + package) ==
        "conda-lock.yml:20:3 `numpy` is there twice for `linux-64` | the first is in line 8");

  CHECK(error_with("name: numpy", "name: ../../numpy").starts_with("conda-lock.yml:8:9"));
  CHECK(error_with("name: numpy", "name: Numpy").find("cannot be the name") != std::string::npos);
  CHECK(error_with("name: numpy", "name: [a]").starts_with("conda-lock.yml:8:9"));
  CHECK(error_with("version: 1.26.4", "version: 1/../2").find("cannot be a version") != std::string::npos);
  CHECK(error_with("manager: conda", "manager: npm").find("`npm` is not known") != std::string::npos);
  CHECK(error_with("platform: linux-64", "platform: osx-64").find("not among those") != std::string::npos);
  CHECK(error_with("https://h", "ftp://h").find("`ftp` URLs") != std::string::npos);
  CHECK(error_with("https://h", "javascript:h").find("cannot be understood") != std::string::npos);
  CHECK(error_with("numpy-1.26.4-py311_0.conda", "evil-1.26.4-py311_0.conda").find("another package") != std::string::npos);
  CHECK(error_with("numpy-1.26.4-py311_0.conda", "numpy-1.0-py311_0.conda").find("another package") != std::string::npos);
  CHECK(error_with("numpy-1.26.4-py311_0.conda", "..%2f..%2fx-1-0.conda").find("not the file name") != std::string::npos);
  CHECK(error_with("numpy-1.26.4-py311_0.conda", "numpy-1.26.4-py311_0.zip").find("not the file name") != std::string::npos);
  CHECK(error_with("/linux-64/", "/osx-64/").find("lies in `osx-64`") != std::string::npos);
  CHECK(error_with("category: main", "build: other\n  category: main").find("another build") != std::string::npos);
  CHECK(error_with("category: main", "category: ''").find("is empty") != std::string::npos);
  CHECK(error_with("optional: false", "optional: maybe").find("`optional`") != std::string::npos);
  CHECK(error_with("f9e5fbc", "f9e5fb").find("32 hexadecimal digits") != std::string::npos);
  CHECK(error_with("3b5ad78b", "zb5ad78b").find("64 hexadecimal digits") != std::string::npos);
  CHECK(error_with("md5:", "sha1:").find("`sha1` is not known") != std::string::npos);
  CHECK(error_with("python:", "'../python':").find("cannot be the name") != std::string::npos);
  CHECK(error_with("'>=3'", "\"a\\nb\"").find("control character") != std::string::npos);
  CHECK(error_with("'>=3'", "[a]").find("has to be a text") != std::string::npos);
}

TEST_CASE("a missing SHA-256 is refused unless MD5 is allowed") {
  const std::string sha = "    sha256: 3b5ad78b8bb61b6cdc0978a6a99f8dfb2cc789a451378d054698441005ecbdb6\n";
  const std::string text = head + replace_all(package, sha, "");
  CHECK(error_of(text).find("has no SHA-256 digest") != std::string::npos);
  CHECK(error_of(text, LockDigests::allow_md5) == "no error");
  const std::string none = replace_all(text, "  hash:\n    md5: f9e5fbc24009179e8b0409624691758a\n", "  hash: {}\n");
  CHECK(error_of(none, LockDigests::allow_md5).find("has no SHA-256 digest") != std::string::npos);
}

TEST_CASE("a large lock is read and written within seconds") {
  Lockfile lock = parse_conda_lock(head + package, "conda-lock.yml");
  const LockedPackage one = lock.packages[0];
  lock.packages.clear();
  for (int i = 0; i < 5000; ++i) {
    LockedPackage next = one;
    next.name = "p" + std::to_string(i);
    next.url = Url::parse("https://h/c/linux-64/" + next.name + "-1.26.4-py311_0.conda");
    for (int d = 0; d < 8; ++d) next.dependencies["p" + std::to_string(d)] = ">=1,<2";
    lock.packages.push_back(next);
  }
  const auto begin = std::chrono::steady_clock::now();
  const std::string text = to_conda_lock(lock);
  CHECK(parse_conda_lock(text, "conda-lock.yml").packages.size() == 5000);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(120));
}

TEST_CASE("random bytes end in a value or an error, never worse") {
  const std::string base = read_file(data / "full.conda-lock.yml");
  std::mt19937 random(5);
  for (int round = 0; round < 4000; ++round) {
    std::string text = base;
    for (std::size_t n = 1 + random() % 4; n > 0; --n) {
      const std::size_t at = random() % text.size();
      switch (random() % 4) {
        case 0: text[at] = static_cast<char>(random()); break;
        case 1: text.erase(at, random() % 30); break;
        case 2: text.insert(at, 1, "[]{}:,#&*!|>'\"%@`-? \n\t"[random() % 22]); break;
        default: text.insert(at, text.substr(random() % text.size(), random() % 40));
      }
      if (text.empty()) text = "x";
    }
    try {
      to_conda_lock(parse_conda_lock(text, "conda-lock.yml"));
    } catch (const Error& error) {
      REQUIRE(error.where().starts_with("conda-lock.yml"));
    }
  }
}
