#include <zstd.h>

#include "compression.hpp"
#include "envtool/base/digest.hpp"
#include "made_packages.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

std::string unpacked(const std::string& bytes) {
  std::string result(static_cast<std::size_t>(ZSTD_getFrameContentSize(bytes.data(), bytes.size())), '\0');
  REQUIRE(ZSTD_decompress(result.data(), result.size(), bytes.data(), bytes.size()) == result.size());
  return result;
}
TestJson msgpack_file(const std::string& path) { return TestJson::from_msgpack(unpacked(read_file(path))); }

std::string hex(const TestJson& binary) {
  Sha256 digest;
  REQUIRE(binary.get_binary().size() == digest.bytes.size());
  std::copy(binary.get_binary().begin(), binary.get_binary().end(), digest.bytes.begin());
  return digest.hex();
}

}  // namespace

TEST_CASE("shards have what repodata.json has") {
  MadeChannel channel;
  channel.add("a", "1.0");
  channel.add("a", "2.0", {}, {}, ".tar.bz2");
  channel.add("a", "3.0", {{"flags", {"cuda"}}});
  channel.add("b", "1.0");
  channel.put("noarch/withdrawn.txt", "# not any more\nb-1.0-0.conda\n\n a-0.1-0.conda \n");
  channel.index();
  const TestJson repodata = channel.document("noarch/repodata.json");
  const TestJson index = msgpack_file(channel.path("noarch/repodata_shards.msgpack.zst"));
  CHECK(index["version"] == 1);
  CHECK(index["info"]["subdir"] == "noarch");
  CHECK(index["info"]["base_url"] == "./");
  CHECK(index["info"]["shards_base_url"] == "./shards/");
  CHECK(index["info"]["created_at"] == "2023-11-14T22:13:20Z");
  CHECK(index["info"]["repodata_revisions"] == repodata["info"]["repodata_revisions"]);
  REQUIRE(index["shards"].size() == 2);

  TestJson merged{{"packages", TestJson::object()}, {"packages.conda", TestJson::object()}, {"removed", TestJson::array()}};
  for (const auto& [name, digest] : index["shards"].items()) {
    REQUIRE(digest.is_binary());
    const std::string path = channel.path("noarch/shards/" + hex(digest) + ".msgpack.zst");
    CHECK(sha256(read_file(path)).hex() == hex(digest));
    TestJson shard = msgpack_file(path);
    for (const char* section : {"packages", "packages.conda"})
      for (auto& [file_name, record] : shard[section].items()) {
        CHECK(record["name"] == name);
        CHECK(record["sha256"].get_binary().size() == 32);
        CHECK(record["md5"].get_binary().size() == 16);
        record["sha256"] = repodata[section][file_name]["sha256"];
        record["md5"] = repodata[section][file_name]["md5"];
        merged[section][file_name] = record;
      }
    for (const TestJson& removed : shard["removed"]) merged["removed"].push_back(removed);
    if (name == "a") {
      CHECK(shard["v3"]["conda"].size() == 1);
      CHECK(shard["v3"]["conda"]["a-3.0-0"]["flags"] == TestJson{"cuda"});
    }
  }
  for (const char* section : {"packages", "packages.conda", "removed"}) CHECK(merged[section] == repodata[section]);
  CHECK(repodata["removed"] == TestJson{"a-0.1-0.conda", "b-1.0-0.conda"});
}

TEST_CASE("compressed copies") {
  MadeChannel channel;
  channel.add("a", "1.0");
  channel.index();
  for (const std::string name : {"noarch/repodata.json", "noarch/run_exports.json"})
    CHECK(unpacked(read_file(channel.path(name + ".zst"))) == read_file(channel.path(name)));
}

TEST_CASE("long content gives the same bytes with any number of threads") {
  std::string content;
  for (int i = 0; content.size() < (std::size_t{20} << 20); ++i) content += std::to_string(i * 7919) + ",";
  const std::string one = compress_zstd(content, 1, 1);
  CHECK(one == compress_zstd(content, 1, 3));
  CHECK(unpacked(one) == content);
}

TEST_CASE("channeldata has the newest of each name") {
  MadeChannel channel;
  const auto about = [](const std::string& text) { return file("info/about.json", text); };
  channel.add("a", "1.9", {{"license", "MIT"}, {"timestamp", 1'500'000'000'000}},
              {about(R"({"summary": "old", "home": "https://a"})"), file("info/run_exports.json", R"({"weak": ["a >=1"], "x": 1})"),
               file("info/paths.json", R"({"paths": [{"_path": "etc/conda/activate.d/a.sh"}]})")});
  channel.add("a", "1.10", {{"timestamp", 1'400'000'000}},
              {about(R"({"summary": "new", "home": "", "tags": ["t"], "description": 3})"), file("info/run_exports.json", R"(["a >=1.10"])")}, ".tar.bz2");
  channel.add("a", "1.10", {{"subdir", "linux-64"}, {"noarch", nullptr}, {"timestamp", 1'300'000'000'000}}, {about(R"({"summary": "other"})")});
  const auto result = channel.index();
  CHECK(result.broken.empty());
  const TestJson data = channel.document("channeldata.json");
  CHECK(data["channeldata_version"] == 1);
  CHECK(data["subdirs"] == TestJson{"linux-64", "noarch"});
  CHECK(data["packages"].size() == 1);
  const TestJson expected = TestJson::parse(R"({"activate.d": true, "binary_prefix": false, "deactivate.d": false, "home": "https://a",
    "license": "MIT", "post_link": false, "pre_link": false, "pre_unlink": false, "subdirs": ["linux-64", "noarch"], "summary": "new",
    "tags": ["t"], "text_prefix": false, "timestamp": 1500000000, "version": "1.10",
    "run_exports": {"1.10": {"weak": ["a >=1.10"]}, "1.9": {"weak": ["a >=1"]}}})");
  CHECK(data["packages"]["a"] == expected);
  const TestJson exports = channel.document("noarch/run_exports.json");
  CHECK(exports["packages"]["a-1.10-0.tar.bz2"] == TestJson{{"run_exports", {{"weak", {"a >=1.10"}}}}});
  CHECK(exports["packages.conda"]["a-1.9-0.conda"] == TestJson{{"run_exports", {{"weak", {"a >=1"}}}}});
  CHECK(channel.document("linux-64/run_exports.json")["packages.conda"]["a-1.10-0.conda"] == TestJson{{"run_exports", TestJson::object()}});
}

TEST_CASE("records for newer clients are apart") {
  MadeChannel channel;
  channel.add("a", "1.0");
  channel.add("a", "2.0", {{"depends", {"python >=3.8", "win[when=\"__win\"]"}}});
  channel.index(1'700'000'000'000);
  channel.add("b", "1.0", {{"extra-depends", {{"test", {"pytest >7"}}}}}, {}, ".tar.bz2");
  const auto result = channel.index(1'700'000'001'000);
  CHECK(result.subdirs.at("noarch").packages == 3);
  CHECK(result.subdirs.at("noarch").revision3 == 2);
  const TestJson repodata = channel.document("noarch/repodata.json");
  CHECK(repodata["repodata_version"] == 1);
  CHECK(repodata["packages"].empty());
  CHECK(repodata["packages.conda"].size() == 1);
  CHECK(repodata["v3"]["conda"]["a-2.0-0"]["depends"] == TestJson{"python[version=\">=3.8\"]", "win[when=\"__win\"]"});
  CHECK(repodata["v3"]["tar.bz2"]["b-1.0-0"]["extra_depends"] == TestJson{{"test", {"pytest[version=\">7\"]"}}});
  CHECK_FALSE(repodata["v3"]["tar.bz2"]["b-1.0-0"].contains("extra-depends"));
  CHECK(repodata["info"]["repodata_revisions"]["v3"] ==
        TestJson{{"n_packages", 2}, {"oldest", 1'700'000'000'000}, {"newest", 1'700'000'001'000}});
}
