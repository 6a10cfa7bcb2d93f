#pragma once

#include <map>
#include <nlohmann/json.hpp>

#include "channel_fixture.hpp"
#include "envtool/base/digest.hpp"

namespace envtool::test {

using Json = nlohmann::ordered_json;

inline std::string msgpack(const Json& document) {
  const auto bytes = Json::to_msgpack(document);
  return {bytes.begin(), bytes.end()};
}

inline Json binary(const Sha256& digest) {
  return Json::binary({digest.bytes.begin(), digest.bytes.end()});
}

/// A record as a shard has it.
inline Json shard_record(const std::string& name, const std::string& version, std::vector<std::string> depends = {}) {
  return {{"name", name}, {"version", version}, {"build", "h0_0"}, {"build_number", 0}, {"depends", std::move(depends)},
          {"sha256", binary(sha256(name + version))}, {"size", 1}};
}

/// The shard of a name with one record.
inline Json shard_of(const std::string& name, const std::string& version, std::vector<std::string> depends = {}) {
  return {{"packages", Json::object()},
          {"packages.conda", {{name + "-" + version + "-h0_0.conda", shard_record(name, version, std::move(depends))}}},
          {"removed", Json::array()}};
}

/// Channels with shards below `www`.
struct ShardedChannelFixture : ServedChannelFixture {
  /// The served bytes of shards go to `place`, below the subdir; gives the path below `www`.
  std::string put_shard(const std::string& subdir, const std::string& served, const std::string& place = "shards") const {
    const std::string path = subdir + "/" + place + "/" + sha256(served).hex() + ".msgpack.zst";
    put(path, served);
    return path;
  }

  /// Writes the shards and their index; `served` holds shards as they are, `info` more keys of it.
  void put_shards(const std::string& subdir, const std::map<std::string, Json>& shards, const Json& info = Json::object()) const {
    Json digests = Json::object();
    for (const auto& [name, shard] : shards) {
      const std::string served = compress(msgpack(shard));
      put_shard(subdir, served);
      digests[name] = binary(sha256(served));
    }
    put_index(subdir, digests, info);
  }

  void put_index(const std::string& subdir, const Json& digests, const Json& info = Json::object()) const {
    Json said{{"subdir", subdir.substr(subdir.rfind('/') + 1)}, {"base_url", ""}, {"shards_base_url", "./shards/"}};
    for (const auto& [key, value] : info.items()) said[key] = value;
    put(subdir + "/repodata_shards.msgpack.zst", compress(msgpack({{"version", 1}, {"info", said}, {"shards", digests}})));
  }

  std::size_t count_requests(const std::string& part) const {
    std::size_t count = 0;
    for (const auto& line : server->requests()) count += line.find(part) != std::string::npos ? 1U : 0U;
    return count;
  }
  /// Requests for shards, not for their index.
  std::size_t shard_requests() const { return count_requests("/shards/"); }
};

}  // namespace envtool::test
