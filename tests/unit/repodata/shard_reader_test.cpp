#include "shard_reader.hpp"

#include "record_block.hpp"
#include "shard_fixture.hpp"
#include "shard_index.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

ShardIndexContent index_from(const Json& document) { return read_shard_index(msgpack(document), "index"); }

struct ReadShard {
  ReadSummary summary;
  std::vector<RepoDataRecord> records;
};

ReadShard shard_from(const std::string& bytes, const std::string& name) {
  ReadShard result;
  IndexBuilder builder("noarch");
  result.summary = read_shard(bytes, "shard", name, builder);
  const auto block = builder.take_block(name);
  if (block.record_count > 0) result.records = RecordBlock(block.bytes, block.record_count, name, {"c", "u/", "noarch"}).records();
  return result;
}

Json index_document(const Json& shards) { return {{"version", 1}, {"info", {{"subdir", "noarch"}}}, {"shards", shards}}; }

// `depth` arrays in each other.
std::string nested(std::size_t depth) { return std::string(depth, '\x91') + '\xc0'; }

}  // namespace

TEST_CASE("An index of shards is read and found by name") {
  const Sha256 one = sha256("one"), two = sha256("two");
  const auto content = index_from({{"version", 1}, {"unknown", {1, 2, {{"x", 3}}}},
                                   {"info", {{"base_url", "../pool/"}, {"shards_base_url", "./shards/"}, {"created_at", "2024-01-01T00:00:00Z"},
                                             {"more", {{"x", {1}}}}, {"channel_relations", {{"base", "../b"}, {"overrides", "../o"}, {"new", 1}}}}},
                                   {"shards", {{"python", binary(one)}, {"numpy", two.hex()}, {"gone", nullptr}, {"../../x", binary(one)}}}});
  REQUIRE(content.shards.size() == 2);
  const ShardIndex index(ShardIndex::encode(content, sha256("document")));
  CHECK(index.size() == 2);
  CHECK(index.name(0) == "numpy");
  CHECK(index.name(1) == "python");
  CHECK(index.find("python") == one);
  CHECK(index.find("numpy") == two);
  for (const char* absent : {"", "a", "numpz", "z", "gone"}) CHECK_FALSE(index.find(absent));
  CHECK(index.source() == sha256("document"));
  CHECK(index.base_url() == "../pool/");
  CHECK(index.shards_base_url() == "./shards/");
  CHECK(index.relation_base() == "../b");
  CHECK(index.relation_overrides() == "../o");
  CHECK(index.created_at() == "2024-01-01T00:00:00Z");
}

TEST_CASE("A name that comes twice in the index counts the last time") {
  const auto digest = [](const char* text) { return "\xc4\x20" + std::string(32, *text); };
  const std::string document = "\x81\xa6shards\x84\xa1z" + digest("1") + "\xa1" "a" + digest("2") + "\xa1" "a" + digest("3") + "\xa1" "b" + digest("4");
  const auto content = read_shard_index(document, "index");
  REQUIRE(content.shards.size() == 3);
  CHECK(content.shards[0].first == "a");
  CHECK(content.shards[0].second.bytes[0] == '3');
  CHECK(content.shards[2].first == "z");
}

TEST_CASE("An index of fifty thousand names is found whole") {
  Json shards = Json::object();
  for (int i = 0; i < 50000; ++i) shards["package-" + std::to_string(i)] = binary(sha256(std::to_string(i)));
  const ShardIndex index(ShardIndex::encode(index_from(index_document(shards)), {}));
  CHECK(index.size() == 50000);
  for (int i = 0; i < 50000; i += 777) CHECK(index.find("package-" + std::to_string(i)) == sha256(std::to_string(i)));
}

TEST_CASE("What is no index of shards is refused with its place") {
  const Json good = index_document({{"a", binary(sha256("a"))}});
  const auto without = [&](const char* key) { Json changed = good; changed.erase(key); return changed; };
  const auto with = [&](const char* key, const Json& value) { Json changed = good; changed[key] = value; return changed; };
  for (const Json& bad : {Json(nullptr), Json(3), Json("text"), Json::array({1}), without("shards"), with("shards", 1), with("shards", Json::array()),
                          with("shards", nullptr), with("version", "x"), with("version", 2), with("info", 5), with("info", {{"base_url", 5}}),
                          with("info", {{"shards_base_url", Json::array()}}), with("info", {{"channel_relations", 1}}),
                          with("shards", {{"a", 1}}), with("shards", {{"a", "xyz"}}), with("shards", {{"a", Json::binary({1, 2})}}),
                          with("shards", {{"a", {{"b", 1}}}})}) {
    CAPTURE(bad.dump());
    const Error error = error_of([&] { index_from(bad); });
    CHECK(error.where() == "index");
    CHECK_FALSE(error.why().empty());
    CHECK((error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::invalid_input));
  }
  CHECK_NOTHROW(index_from(without("info")));
  CHECK_NOTHROW(index_from(without("version")));
  CHECK_NOTHROW(index_from(with("info", nullptr)));
}

TEST_CASE("Cut, changed, nested and other bytes never pass for an index or crash") {
  const std::string good = msgpack(index_document({{"alpha", binary(sha256("a"))}, {"beta", binary(sha256("b"))}}));
  for (std::size_t size = 0; size < good.size(); ++size) CHECK_THROWS_AS(read_shard_index(good.substr(0, size), "index"), Error);
  CHECK_THROWS_AS(read_shard_index(good + "\xc0", "index"), Error);
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (const char flip : {'\x01', '\x20', '\x80'}) {
      std::string changed = good;
      changed[i] = static_cast<char>(changed[i] ^ flip);
      try {
        read_shard_index(changed, "index");
      } catch (const Error& error) {
        CHECK(error.where() == "index");
      }
    }
  }
  for (const std::string& bad : {nested(100), nested(1000000), "\x81\xa6shards" + nested(100), "\x81\xa7unknown" + nested(1000000),
                                 std::string("\xdf\xff\xff\xff\xff", 5), std::string("\xdd\xff\xff\xff\xff\xc0", 6),
                                 std::string("\xdb\xff\xff\xff\xff" "abc", 8), std::string("\xc6\xff\xff\xff\xff" "abc", 8),
                                 std::string("\x81\xa6shards\xdf\xff\xff\xff\xff", 13), std::string("\xc1", 1), std::string("\x81\x01\x01", 3),
                                 std::string("<html><body>"), std::string("{\"shards\": {}}")}) {
    const Error error = error_of([&] { read_shard_index(bad, "index"); });
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK(error.where() == "index");
  }
}

TEST_CASE("Texts of an index must be UTF-8, digests need not") {
  const std::string digest = "\xc4\x20" + std::string(32, '\xff');
  CHECK(read_shard_index("\x81\xa6shards\x81\xa1" "a" + digest, "index").shards.size() == 1);
  CHECK_THROWS_AS(read_shard_index("\x81\xa6shards\x81\xa2" "a\xff" + digest, "index"), Error);
  CHECK_THROWS_AS(read_shard_index("\x82\xa6shards\x80\xa4info\x81\xa8" "base_url\xa2\xff\xff", "index"), Error);
  // Two halves of a character do not make a whole one.
  CHECK_THROWS_AS(read_shard_index("\x82\xa6shards\x80\xa4info\x81\xa2x\xc3\xa2\xa9y", "index"), Error);
}

TEST_CASE("A damaged cached index of shards is seen wherever the damage is") {
  const std::string good = ShardIndex::encode(index_from(index_document({{"a", binary(sha256("a"))}, {"b", binary(sha256("b"))}})), sha256("x"));
  for (std::size_t i = 0; i < good.size(); ++i) {
    std::string changed = good;
    changed[i] = static_cast<char>(changed[i] ^ 0x04);
    CHECK_THROWS_AS(ShardIndex(changed), DamagedIndex);
    CHECK_THROWS_AS(ShardIndex(good.substr(0, i)), DamagedIndex);
  }
}

TEST_CASE("A shard gives the records that the same JSON gives") {
  const std::string sha(64, 'a'), hash(32, 'b');
  Json record{{"name", "p"}, {"version", "1.2"}, {"build", "py_3"}, {"build_number", 3}, {"depends", {"python >=3", "x[extras=[y]]"}},
              {"constrains", {"q <2"}}, {"track_features", "a b"}, {"features", "f"}, {"flags", {"cuda"}}, {"license", "MIT"},
              {"license_family", "MIT"}, {"timestamp", 1700000000}, {"indexed_timestamp", 1700000000123}, {"size", 99}, {"noarch", "python"},
              {"python_site_packages_path", "lib/x"}, {"arch", nullptr}, {"platform", "linux"}, {"subdir", "noarch"},
              {"extra_depends", {{"test", {"pytest"}}}}, {"unknown", {{"x", {1, 2.5, nullptr, true}}}}};
  Json as_json = record, as_shard = record;
  as_json["sha256"] = sha;
  as_json["md5"] = hash;
  as_shard["sha256"] = Json::binary(std::vector<std::uint8_t>(32, 0xaa));
  as_shard["md5"] = Json::binary(std::vector<std::uint8_t>(16, 0xbb));
  const auto document = [](const Json& entry) {
    return Json{{"packages", {{"p-1.2-py_3.tar.bz2", entry}, {"p-0.9-py_3.tar.bz2", Json{{"name", "p"}, {"version", "0.9"}, {"build", "py_3"}}}}},
                {"packages.conda", {{"p-1.2-py_3.conda", entry}, {"p-7-h_0.conda", Json{{"name", "p"}, {"version", "7"}, {"build", "h_0"}}}}},
                {"v3", {{"conda", {{"p-8-h_0", Json{{"name", "p"}, {"version", "8"}, {"build", "h_0"}}}}}, {"whl", {{"p-9", Json::object()}}}}},
                {"removed", {"p-7-h_0.conda"}}};
  };
  const auto from_shard = shard_from(msgpack(document(as_shard)), "p");
  const auto from_hex = shard_from(msgpack(document(as_json)), "p");

  TemporaryDirectory folder("/tmp", "envtool-shard-");
  write_atomically(folder.path() + "/j", document(as_json).dump());
  IndexBuilder builder("noarch");
  ByteSource source(FileDescriptor(open((folder.path() + "/j").c_str(), O_RDONLY)), BodyForm::json, "json", 1 << 20);
  read_repodata(source, builder, {});
  const auto block = builder.take_block("p");
  const auto expected = RecordBlock(block.bytes, block.record_count, "p", {"c", "u/", "noarch"}).records();

  REQUIRE(expected.size() == 3);
  CHECK(from_shard.summary.skipped == 0);
  for (const auto& got : {from_shard.records, from_hex.records}) {
    REQUIRE(got.size() == expected.size());
    for (std::size_t i = 0; i < got.size(); ++i) {
      const auto &a = got[i], &b = expected[i];
      CHECK(a.fn == b.fn);
      CHECK(std::tie(a.name, a.version, a.build, a.build_number, a.depends, a.constrains, a.extra_depends, a.track_features, a.features) ==
            std::tie(b.name, b.version, b.build, b.build_number, b.depends, b.constrains, b.extra_depends, b.track_features, b.features));
      CHECK(std::tie(a.flags, a.subdir, a.license, a.license_family, a.timestamp, a.indexed_timestamp, a.size, a.sha256, a.md5, a.url) ==
            std::tie(b.flags, b.subdir, b.license, b.license_family, b.timestamp, b.indexed_timestamp, b.size, b.sha256, b.md5, b.url));
      CHECK(a.noarch == b.noarch);
      CHECK(std::tie(a.python_site_packages_path, a.arch, a.platform) == std::tie(b.python_site_packages_path, b.arch, b.platform));
    }
  }
  CHECK(expected[1].fn == "p-1.2-py_3.conda");
  CHECK(expected[1].sha256->hex() == sha);
  CHECK(expected[1].timestamp == 1700000000000);
  CHECK(expected[2].fn == "p-8-h_0.conda");
}

TEST_CASE("Records without sense are left out of a shard, with a reason") {
  const auto one = [](const Json& entry, const std::string& file_name = "p-1-h_0.conda") {
    return shard_from(msgpack({{"packages.conda", {{file_name, entry}}}}), "p");
  };
  const Json good{{"name", "p"}, {"version", "1"}, {"build", "h_0"}};
  CHECK(one(good).records.size() == 1);
  const auto with = [&](const char* key, const Json& value) { Json changed = good; changed[key] = value; return changed; };
  for (const Json& bad : {Json(3), Json(nullptr), Json::array(), with("name", "q"), with("name", 1), with("name", "../x"), with("version", 1),
                          with("version", "a/b"), with("build", Json::object()), with("build_number", "x"), with("build_number", -1),
                          with("depends", "x"), with("depends", {1}), with("depends", {{"a", 1}}), with("constrains", Json::array({Json::array()})),
                          with("sha256", "zz"), with("sha256", Json::binary({1})), with("md5", 7), with("extra_depends", Json::array()),
                          with("extra_depends", {{"g", 1}}), with("track_features", 1.5)}) {
    CAPTURE(bad.dump());
    const auto read = one(bad);
    CHECK(read.records.empty());
    CHECK(read.summary.skipped == 1);
    CHECK(read.summary.first_problem.find("p-1-h_0.conda") != std::string::npos);
  }
  for (const char* file_name : {"../p-1-h_0.conda", "p-1-h_0.zip", "", "p-1-h_0.conda/"}) CHECK(one(good, file_name).records.empty());
  // Numbers of all sizes have a value.
  for (const Json& number : {Json(0), Json(255), Json(65536), Json(9007199254740993), Json(18446744073709551615U), Json(-1), Json(1e300), Json("5")}) {
    const auto read = one(with("size", number));
    REQUIRE(read.records.size() == 1);
    if (number.is_number_unsigned()) CHECK(read.records[0].size == number.get<std::uint64_t>());
    CHECK(one(with("timestamp", number)).records.size() == 1);
  }
}

TEST_CASE("A shard of another shape is refused as a whole") {
  for (const Json& bad : {Json(nullptr), Json::array(), Json{{"packages", 1}}, Json{{"packages.conda", Json::array()}}, Json{{"v3", 1}},
                          Json{{"v3", {{"conda", 1}}}}, Json{{"removed", Json::object()}}}) {
    CAPTURE(bad.dump());
    const Error error = error_of([&] { shard_from(msgpack(bad), "p"); });
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK(error.where() == "shard");
  }
  CHECK(shard_from(msgpack({{"packages", nullptr}, {"removed", nullptr}, {"v3", nullptr}}), "p").records.empty());
  CHECK(shard_from(msgpack(Json::object()), "p").records.empty());
  const std::string good = msgpack(shard_of("p", "1", {"q >=1"}));
  for (std::size_t size = 0; size < good.size(); ++size) CHECK_THROWS_AS(shard_from(good.substr(0, size), "p"), Error);
  // A value of millions of pieces is no record.
  CHECK_THROWS_AS(shard_from("\x81\xa8packages\x81\xa1x\xdd" + std::string("\x00\x60\x00\x00", 4) + std::string(0x600000, '\x01'), "p"), Error);
}

TEST_CASE("Decompression knows its limits") {
  const std::string text(100000, 'x'), packed = compress(text);
  CHECK(decompress_zstd(packed, "o", 100000) == text);
  CHECK(decompress_zstd(packed + packed, "o", 200000) == text + text);
  CHECK(decompress_zstd(compress(""), "o", 10).empty());
  for (const std::uint64_t limit : {0U, 1U, 4096U, 99999U}) {
    CHECK(error_of([&] { decompress_zstd(packed, "o", limit); }).kind() == ErrorKind::unsafe);
    CHECK(error_of([&] { decompress_zstd(packed + packed, "o", 100000 + limit); }).kind() == ErrorKind::unsafe);
  }
  for (std::size_t size = 0; size < packed.size(); ++size) {
    CHECK(error_of([&] { decompress_zstd(packed.substr(0, size), "o", 100000); }).kind() == ErrorKind::corrupt);
  }
  CHECK(error_of([&] { decompress_zstd("<html>", "o", 10000); }).kind() == ErrorKind::corrupt);
  CHECK(error_of([&] { decompress_zstd(packed + "<html>", "o", 100000); }).kind() == ErrorKind::corrupt);
  // Streams do not say how large they are: 1 GB out of 100 KB is stopped all the same.
  std::string bomb;
  const std::string piece = compress(std::string(16 << 20, '\0'));
  for (int i = 0; i < 64; ++i) bomb += piece;
  CHECK(error_of([&] { decompress_zstd(bomb, "o", 64 << 20); }).kind() == ErrorKind::unsafe);
}
