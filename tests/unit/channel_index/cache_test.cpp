#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "index_cache.hpp"

using namespace envtool;

namespace {
IndexCache full_cache() {
  IndexCache cache;
  IndexedPackage package;
  package.file_name = "a-1-0.conda";
  package.stamp = {10, -5, 1'700'000'000'123'456'789, 77};
  package.sha256 = sha256("a");
  package.indexed_timestamp = 1'700'000'000'000;
  package.is_revision3 = true;
  package.record = R"({"name":"a","summary":"tab\tline\n"})";
  package.details = R"({"about":{}})";
  package.run_exports = "{}";
  cache.packages.emplace(package.file_name, package);
  cache.gone["b-1-0.tar.bz2"] = {sha256("b"), 5};
  cache.unused_shards[sha256("c")] = 6;
  cache.shard_index = sha256("d");
  cache.shard_index_created = "2026-01-01T00:00:00Z";
  cache.compressed["noarch/repodata.json.zst"] = {sha256("e"), sha256("f")};
  return cache;
}
}  // namespace

TEST_CASE("a cache comes back as it was") {
  const std::string text = to_text(full_cache());
  const auto read = parse_index_cache(text);
  REQUIRE(read);
  CHECK(to_text(*read) == text);
  const IndexedPackage& package = read->packages.at("a-1-0.conda");
  CHECK(package.stamp == FileStamp{10, -5, 1'700'000'000'123'456'789, 77});
  CHECK(package.is_revision3);
  CHECK(package.record == full_cache().packages.at("a-1-0.conda").record);
  CHECK(read->gone.at("b-1-0.tar.bz2").indexed_timestamp == 5);
  CHECK(read->shard_index_created == "2026-01-01T00:00:00Z");
  const auto empty = parse_index_cache(to_text({}));
  REQUIRE(empty);
  CHECK(empty->packages.empty());
}

TEST_CASE("a damaged cache is none") {
  const std::string text = to_text(full_cache());
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string damaged = text;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    INFO(i);
    CHECK_FALSE(parse_index_cache(damaged));
    CHECK_FALSE(parse_index_cache(std::string_view(text).substr(0, i)));
  }
  CHECK_FALSE(parse_index_cache(text + "\n"));
  CHECK_FALSE(parse_index_cache(text + text));
}

TEST_CASE("a cache whose digest is right, but not its lines") {
  const auto sealed = [](const std::string& lines) {
    const std::string text = "envtool channel index 1\n" + lines;
    return text + "end\t" + sha256(text).hex() + "\n";
  };
  CHECK(parse_index_cache(sealed("")));
  CHECK(parse_index_cache(sealed("gone\ta-1-0.conda\t" + sha256("").hex() + "\t3\n")));
  for (const std::string& line : std::vector<std::string>{"gone\t../a-1-0.conda\t" + sha256("").hex() + "\t3\n", "gone\ta-1-0.conda\tabc\t3\n",
                                 "gone\ta-1-0.conda\t" + sha256("").hex() + "\t-3\n", "gone\ta-1-0.conda\t" + sha256("").hex() + "\n",
                                 "gone\ta-1-0.conda\t" + sha256("").hex() + "\t3\t4\n", "unknown\n", "\n"}) {
    INFO(line);
    CHECK_FALSE(parse_index_cache(sealed(line)));
  }
}

TEST_CASE("times of a published index") {
  const std::string digest = sha256("x").hex();
  const std::string text = R"({"packages": {"a-1-0.tar.bz2": {"sha256": ")" + digest + R"(", "indexed_timestamp": 7}, "b-1-0.tar.bz2": {}, "c": 3},
    "packages.conda": {"d-1-0.conda": {"sha256": ")" + digest + R"(", "indexed_timestamp": "soon"}},
    "v3": {"conda": {"e-1-0": {"sha256": ")" + digest + R"(", "indexed_timestamp": 9}}, "tar.bz2": 4}})";
  const auto published = read_published(text, "x");
  CHECK(published.size() == 3);
  CHECK(published.at("a-1-0.tar.bz2").indexed_timestamp == 7);
  CHECK(published.at("d-1-0.conda").indexed_timestamp == 0);
  CHECK(published.at("e-1-0.conda").indexed_timestamp == 9);
  CHECK(read_published("{}", "x").empty());
  CHECK(read_published("[]", "x").empty());
  CHECK_THROWS_AS(read_published("{", "x"), Error);
}
