#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "channeldata.hpp"
#include "indexed_package.hpp"
#include "json.hpp"

namespace envtool {

/// What the documents of a subdir say besides its packages.
struct SubdirTraits {
  std::string subdir;
  /// With subdir and a slash at the end, or empty (CEP 15).
  std::string base_url;
  /// CEP 42, or an empty object.
  Json channel_relations = Json::object();
  bool shards = true;
  std::size_t threads = 1;
};

/// The documents of a subdir, before they are written.
struct SubdirDocuments {
  std::string repodata;
  /// `repodata_from_packages.json`: with the packages that are withdrawn.
  std::string from_packages;
  std::string run_exports;
  struct Shard {
    std::string name;
    Sha256 digest;
    std::string bytes;
  };
  /// By name.
  std::vector<Shard> shards;
  /// Without the packages that are withdrawn.
  std::vector<ChanneldataItem> items;
  std::size_t packages = 0, revision3 = 0, removed = 0;
  /// The part of `info` that the index of shards has as well.
  Json info = Json::object();
};

using PackageMap = std::map<std::string, IndexedPackage>;

/// Makes them; `withdrawn` has file names. Where `stop` is requested, what comes back is of no use.
SubdirDocuments make_documents(const PackageMap& packages, const std::set<std::string>& withdrawn, const SubdirTraits& traits,
                               const std::stop_token& stop);

/// The content of `repodata_shards.msgpack.zst` (CEP 16), not compressed.
std::string make_shard_index(const SubdirDocuments& documents, const std::string& created_at);

}  // namespace envtool
