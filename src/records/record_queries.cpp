#include "envtool/records/record_queries.hpp"

namespace envtool {

bool matches(const MatchSpec& spec, const RepoDataRecord& record, const Version& version, std::string_view channel_name) {
  MatchTarget target;
  target.name = record.name;
  target.version = &version;
  target.build = record.build;
  target.build_number = record.build_number;
  target.channel_url = record.channel;
  target.channel_name = channel_name;
  target.subdir = record.subdir;
  std::string md5, sha256;
  if (spec.md5 && record.md5) target.md5 = md5 = record.md5->hex();
  if (spec.sha256 && record.sha256) target.sha256 = sha256 = record.sha256->hex();
  target.url = record.url;
  target.fn = record.fn;
  target.license = record.license;
  target.license_family = record.license_family;
  target.features = record.features;
  target.track_features = &record.track_features;
  target.flags = &record.flags;
  target.size = record.size;
  target.timestamp = record.timestamp;
  return spec.matches(target);
}

std::uint64_t release_time(const PackageRecord& record) {
  return record.indexed_timestamp != 0 ? record.indexed_timestamp : record.timestamp;
}

}  // namespace envtool
