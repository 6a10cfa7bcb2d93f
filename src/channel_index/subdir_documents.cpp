#include "subdir_documents.hpp"

#include <algorithm>
#include <functional>
#include <optional>

#include "compression.hpp"
#include "envtool/base/error.hpp"
#include "envtool/records/package_record.hpp"
#include "parallel.hpp"

namespace envtool {
namespace {

constexpr int shard_level = 9;  // shards are small: more work gains next to nothing
constexpr const char* tar_bz2 = "tar.bz2";
constexpr const char* conda = "conda";

std::string quoted(std::string_view text) { return compact(Json(text)); }

/// The packages of one name, and what is made of them.
struct Group {
  std::string name;
  std::vector<const IndexedPackage*> packages;
  std::vector<std::string> withdrawn;
  /// The record of each package as it is published.
  std::vector<std::string> records;
  std::vector<ChanneldataItem> items;
  std::optional<SubdirDocuments::Shard> shard;
};

Json binary_digest(const Json& hex) {
  const auto bytes_of = [](const auto& digest) { return Json::binary({digest.bytes.begin(), digest.bytes.end()}); };
  const std::string& text = hex.get_ref<const std::string&>();
  if (const auto digest = Sha256::parse(text)) return bytes_of(*digest);
  if (const auto digest = Md5::parse(text)) return bytes_of(*digest);
  return hex;
}

std::string msgpack(const Json& value) {
  std::string bytes;
  Json::to_msgpack(value, bytes);
  return bytes;
}

std::uint64_t seconds_of(const Json& record) {
  const auto time = record.find("timestamp");
  if (time == record.end() || !time->is_number()) return 0;
  // Old records have seconds, not milliseconds; the limit is the year 9999.
  const auto value = time->get<double>();
  if (!(value > 0 && value < 1e18)) return 0;
  return static_cast<std::uint64_t>(value > 253'402'300'799.0 ? value / 1000 : value);
}

void fill(Group& group, const std::string& subdir, bool with_shard) {
  Json shard{{"packages", Json::object()}, {"packages.conda", Json::object()}, {"removed", group.withdrawn}};
  for (const IndexedPackage* package : group.packages) {
    Json record = parse_json(package->record, package->file_name);
    record["indexed_timestamp"] = package->indexed_timestamp;
    group.records.push_back(compact(record));
    if (std::binary_search(group.withdrawn.begin(), group.withdrawn.end(), package->file_name)) continue;
    group.items.push_back({group.name, record.value("version", "0"), subdir, package->file_name, seconds_of(record), package});
    if (!with_shard) continue;
    for (const char* key : {"sha256", "md5"}) record[key] = binary_digest(record[key]);
    if (package->is_revision3)
      shard["v3"][package->is_conda() ? conda : tar_bz2][std::string(package->stem())] = std::move(record);
    else
      shard[package->is_conda() ? "packages.conda" : "packages"][package->file_name] = std::move(record);
  }
  if (!with_shard) return;
  auto& made = group.shard.emplace();
  made.name = group.name;
  made.bytes = compress_zstd(msgpack(shard), shard_level);
  made.digest = sha256(made.bytes);
}

std::vector<Group> group_by_name(const PackageMap& packages, const std::set<std::string>& withdrawn) {
  std::map<std::string, Group> groups;
  const auto group_of = [&](const std::string& file_name) -> Group& {
    const auto name = parse_archive_name(file_name);
    if (!name) throw Error("a file name of the index is none", ErrorKind::internal).at(file_name);
    return groups[name->name];
  };
  for (const auto& [file_name, package] : packages) group_of(file_name).packages.push_back(&package);
  for (const std::string& file_name : withdrawn) group_of(file_name).withdrawn.push_back(file_name);
  std::vector<Group> result;
  for (auto& [name, group] : groups) {
    group.name = name;
    result.push_back(std::move(group));
  }
  return result;
}

/// Members of an object that is written piece by piece.
class ObjectText {
 public:
  void add(std::string_view key, std::string_view value) {
    text_ += text_.empty() ? "{" : ",";
    text_ += quoted(key);
    text_ += ':';
    text_ += value;
  }
  bool empty() const { return text_.empty(); }
  std::string str() const { return text_.empty() ? "{}" : text_ + "}"; }

 private:
  std::string text_;
};

/// One document of records: `repodata.json`, or `repodata_from_packages.json`.
class RepodataText {
 public:
  void add(const IndexedPackage& package, const std::string& record) {
    if (package.is_revision3) {
      (package.is_conda() ? v3_conda_ : v3_tar_bz2_).add(package.stem(), record);
      oldest_ = count_ == 0 ? package.indexed_timestamp : std::min(oldest_, package.indexed_timestamp);
      newest_ = std::max(newest_, package.indexed_timestamp);
      ++count_;
    } else {
      (package.is_conda() ? conda_ : tar_bz2_).add(package.file_name, record);
    }
  }
  std::size_t revision3_count() const { return count_; }
  /// `info` of the traits with what is known of `v3`.
  Json info(const SubdirTraits& traits) const {
    Json info{{"subdir", traits.subdir}};
    if (!traits.base_url.empty()) info["base_url"] = traits.base_url;
    if (!traits.channel_relations.empty()) info["channel_relations"] = traits.channel_relations;
    if (count_ > 0) info["repodata_revisions"]["v3"] = {{"n_packages", count_}, {"newest", newest_}, {"oldest", oldest_}};
    return info;
  }
  std::string str(const SubdirTraits& traits, const std::set<std::string>& removed) const {
    ObjectText document;
    document.add("info", compact(info(traits)));
    document.add("packages", tar_bz2_.str());
    document.add("packages.conda", conda_.str());
    document.add("removed", compact(Json(removed)));
    document.add("repodata_version", traits.base_url.empty() ? "1" : "2");
    if (count_ > 0) {
      ObjectText v3;
      v3.add(conda, v3_conda_.str());
      v3.add(tar_bz2, v3_tar_bz2_.str());
      document.add("v3", v3.str());
    }
    return document.str();
  }

 private:
  ObjectText tar_bz2_, conda_, v3_tar_bz2_, v3_conda_;
  std::size_t count_ = 0;
  std::uint64_t oldest_ = 0, newest_ = 0;
};

std::string run_exports_text(const PackageMap& packages, const std::string& subdir) {
  ObjectText by_kind[2];
  for (const auto& [file_name, package] : packages)
    by_kind[package.is_conda() ? 1 : 0].add(file_name, "{\"run_exports\":" + package.run_exports + "}");
  ObjectText document;
  document.add("info", compact(Json{{"subdir", subdir}, {"version", 1}}));
  document.add("packages", by_kind[0].str());
  document.add("packages.conda", by_kind[1].str());
  return document.str();
}

}  // namespace

SubdirDocuments make_documents(const PackageMap& packages, const std::set<std::string>& withdrawn, const SubdirTraits& traits,
                               const std::stop_token& stop) {
  std::vector<Group> groups = group_by_name(packages, withdrawn);
  for_each_parallel(traits.threads, groups.size(), stop, [&](std::size_t i) { fill(groups[i], traits.subdir, traits.shards); });

  SubdirDocuments documents;
  if (stop.stop_requested()) return documents;
  std::map<std::string_view, const std::string*> records;
  for (Group& group : groups) {
    for (std::size_t i = 0; i < group.packages.size(); ++i) records.emplace(group.packages[i]->file_name, &group.records[i]);
    std::move(group.items.begin(), group.items.end(), std::back_inserter(documents.items));
    if (group.shard) documents.shards.push_back(std::move(*group.shard));
  }
  RepodataText listed, all;
  for (const auto& [file_name, package] : packages) {
    const std::string& record = *records.at(file_name);
    all.add(package, record);
    if (withdrawn.count(file_name) == 0) {
      listed.add(package, record);
      ++documents.packages;
    }
  }
  documents.revision3 = listed.revision3_count();
  documents.removed = withdrawn.size();
  documents.info = listed.info(traits);
  documents.repodata = listed.str(traits, withdrawn);
  documents.from_packages = all.str(traits, {});
  documents.run_exports = run_exports_text(packages, traits.subdir);
  return documents;
}

std::string make_shard_index(const SubdirDocuments& documents, const std::string& created_at) {
  Json info = documents.info;
  // Both are wanted by clients; they are relative to the index.
  if (!info.contains("base_url")) info["base_url"] = "./";
  info["shards_base_url"] = "./shards/";
  if (!created_at.empty()) info["created_at"] = created_at;
  Json shards = Json::object();
  for (const SubdirDocuments::Shard& shard : documents.shards)
    shards[shard.name] = Json::binary({shard.digest.bytes.begin(), shard.digest.bytes.end()});
  return msgpack(Json{{"info", std::move(info)}, {"shards", std::move(shards)}, {"version", 1}});
}

}  // namespace envtool
