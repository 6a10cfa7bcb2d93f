#include "envtool/app/explicit_records.hpp"

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/specs/package_name.hpp"

namespace envtool {

namespace {

/// A record of what an archive's URL says. The rest is read from the archive (`needs_index`).
RepoDataRecord record_of_url(const Url& url, const Platform& platform, const std::string& where) {
  auto fail = [&](const std::string& why) {
    return Error("cannot tell a package from its URL", ErrorKind::invalid_input).at(where).because("`" + url.str() + "`: " + why);
  };
  RepoDataRecord record;
  record.needs_index = true;
  record.fn = url.file_name();
  const auto name = parse_archive_name(record.fn);
  if (!name) throw fail("the file name is not `<name>-<version>-<build>.conda` or `.tar.bz2`");
  record.name = name->name;
  record.version = name->version;
  record.build = name->build;
  record.url = url.str();
  const Url folder = url.parent();
  const std::string subdir = folder.file_name();
  if (is_valid_subdir(subdir)) {
    record.subdir = subdir;
    record.channel = folder.parent().str();
    while (record.channel.ends_with('/')) record.channel.pop_back();
    if (subdir != "noarch" && subdir != platform.str())
      throw fail("it is for " + subdir + ", the environment is for " + platform.str());
  } else {
    // An archive outside of any channel: conda calls its folder the channel.
    record.channel = folder.str();
  }
  return record;
}

}  // namespace

std::vector<RepoDataRecord> records_of(const ExplicitSpec& spec, const Platform& platform, const std::string& origin) {
  std::vector<RepoDataRecord> records;
  for (const ExplicitPackage& package : spec.packages) {
    RepoDataRecord record = record_of_url(package.url, platform, package.where.empty() ? origin : package.where);
    record.sha256 = package.sha256;
    record.md5 = package.md5;
    records.push_back(std::move(record));
  }
  return records;
}

RepoDataRecord record_of(const MatchSpec& spec, const Platform& platform, const EnvSnapshot& environment) {
  const Url url = Url::looks_like_url(spec.url) ? Url::parse(spec.url)
                                                : Url::from_path(absolute_path(spec.url, environment));
  RepoDataRecord record = record_of_url(url, platform, url.str());
  record.sha256 = spec.sha256;
  record.md5 = spec.md5;
  return record;
}

}  // namespace envtool
