#include "channel_data.hpp"

#include <zstd.h>

#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <stdexcept>

namespace envtool::test {
namespace {

std::string read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

std::string decompress(const std::string& packed) {
  std::string text;
  std::string buffer(ZSTD_DStreamOutSize(), '\0');
  ZSTD_DCtx* context = ZSTD_createDCtx();
  ZSTD_inBuffer in{packed.data(), packed.size(), 0};
  while (in.pos < in.size) {
    ZSTD_outBuffer out{buffer.data(), buffer.size(), 0};
    const std::size_t code = ZSTD_decompressStream(context, &out, &in);
    if (ZSTD_isError(code)) throw std::runtime_error(ZSTD_getErrorName(code));
    text.append(buffer, 0, out.pos);
  }
  ZSTD_freeDCtx(context);
  return text;
}

RepoDataRecord to_record(const std::string& channel, const std::string& subdir, const std::string& fn,
                         const nlohmann::json& json) {
  RepoDataRecord record;
  record.name = json.at("name");
  record.version = json.at("version");
  record.build = json.at("build");
  record.build_number = json.value("build_number", std::uint64_t{0});
  record.depends = json.value("depends", std::vector<std::string>{});
  record.constrains = json.value("constrains", std::vector<std::string>{});
  if (json.contains("track_features")) {
    const auto& features = json["track_features"];
    if (features.is_string()) {
      if (!features.get<std::string>().empty()) record.track_features = {features.get<std::string>()};
    } else if (features.is_array()) {
      record.track_features = features.get<std::vector<std::string>>();
    }
  }
  record.timestamp = json.value("timestamp", std::uint64_t{0});
  record.subdir = subdir;
  if (json.contains("noarch") && json["noarch"] == "python") record.noarch = NoarchType::python;
  if (json.contains("noarch") && json["noarch"] == "generic") record.noarch = NoarchType::generic;
  if (json.contains("sha256")) record.sha256 = Sha256::parse(json["sha256"].get<std::string>());
  record.fn = fn;
  record.channel = "https://conda.anaconda.org/" + channel;
  record.url = record.channel + "/" + subdir + "/" + fn;
  return record;
}

}  // namespace

bool ChannelData::available() const { return std::ifstream(folder_ + "/environments.json").good(); }

std::vector<LockedEnvironment> ChannelData::environments() const {
  std::vector<LockedEnvironment> result;
  for (const auto& json : nlohmann::json::parse(read(folder_ + "/environments.json"))) {
    LockedEnvironment environment;
    environment.id = json.at("id");
    environment.platform = json.at("platform");
    environment.channels = json.at("channels").get<std::vector<std::string>>();
    environment.roots = json.at("roots").get<std::vector<std::string>>();
    environment.solution = json.at("solution").get<std::vector<std::string>>();
    result.push_back(std::move(environment));
  }
  return result;
}

const std::deque<RepoDataRecord>& ChannelData::records(const std::string& channel, const std::string& subdir) {
  const std::string place = channel + "/" + subdir;
  const auto [found, added] = records_.try_emplace(place);
  if (!added) return found->second;
  const std::string packed = read(folder_ + "/channels/" + place + "/repodata.json.zst");
  if (packed.empty()) return found->second;
  const auto json = nlohmann::json::parse(decompress(packed));
  for (const char* group : {"packages", "packages.conda"})
    for (const auto& [fn, record] : json.at(group).items()) {
      found->second.push_back(to_record(channel, subdir, fn, record));
      by_path_[place + "/" + fn] = &found->second.back();
    }
  return found->second;
}

CandidateIndex ChannelData::index(const std::vector<std::string>& channels, const std::string& platform) {
  CandidateIndex index;
  for (const auto& channel : channels) {
    const auto number = index.add_channel(channel);
    for (const std::string& subdir : {platform, std::string("noarch")})
      for (const auto& record : records(channel, subdir)) index.add(record, number);
  }
  return index;
}

const RepoDataRecord* ChannelData::find(const std::string& path) {
  records(path.substr(0, path.find('/')), path.substr(path.find('/') + 1, path.rfind('/') - path.find('/') - 1));
  const auto found = by_path_.find(path);
  return found == by_path_.end() ? nullptr : found->second;
}

std::vector<PackageRecord> usual_virtual_packages(const std::string& platform, bool cuda) {
  std::vector<PackageRecord> result;
  const auto add = [&](std::string name, std::string version, std::string build = "0") {
    PackageRecord& record = result.emplace_back();
    record.name = std::move(name);
    record.version = std::move(version);
    record.build = std::move(build);
  };
  if (platform.starts_with("linux")) {
    add("__unix", "0");
    add("__linux", "5.10");
    add("__glibc", "2.36");
  } else if (platform.starts_with("osx")) {
    add("__unix", "0");
    add("__osx", "14.0");
  } else {
    add("__win", "10.0.19045");
  }
  add("__archspec", "1", platform.ends_with("-64") ? "x86_64" : platform.substr(platform.find('-') + 1));
  if (cuda) add("__cuda", "13.0");
  return result;
}

bool needs_cuda(ChannelData& data, const LockedEnvironment& environment) {
  for (const auto& path : environment.solution)
    if (const auto* record = data.find(path))
      for (const auto& dependency : record->depends)
        if (dependency == "__cuda" || dependency.starts_with("__cuda ")) return true;
  return false;
}

SolveRequest request_for(ChannelData& data, const LockedEnvironment& environment, const CandidateIndex& index) {
  SolveRequest request;
  request.candidates = &index;
  request.virtual_packages = usual_virtual_packages(environment.platform, needs_cuda(data, environment));
  for (const auto& root : environment.roots) request.specs.push_back(MatchSpec::from_name(root));
  return request;
}

}  // namespace envtool::test
