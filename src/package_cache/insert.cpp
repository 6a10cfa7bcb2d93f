#include "insert.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>

#include "archives.hpp"
#include "content.hpp"
#include "envtool/archive/extract.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/log.hpp"
#include "envtool/os/process.hpp"
#include "envtool/records/record_json.hpp"
#include "identity.hpp"

namespace envtool {
namespace {

/// Throws unless info/index.json is that of the record.
RepoDataRecord check_index(const OpenPackage& package, const RepoDataRecord& record) {
  const std::string& archive_path = package.origin;
  constexpr std::uint64_t most_index_bytes = std::uint64_t{16} << 20;
  const auto text = read_beneath(package, "info/index.json", most_index_bytes);
  if (!text) throw Error("the package has no `info/index.json`", ErrorKind::corrupt).at(archive_path);
  RepoDataRecord index;
  static_cast<PackageRecord&>(index) = parse_index_json(*text, archive_path + ": info/index.json");
  const std::array<std::array<const std::string*, 2>, 3> pairs{{{&index.name, &record.name},
                                                                {&index.version, &record.version},
                                                                {&index.build, &record.build}}};
  for (const auto& [inside, outside] : pairs)
    if (*inside != *outside)
      throw Error("the package is another one than the channel says", ErrorKind::corrupt)
          .at(archive_path)
          .because("inside it calls itself `" + escape_control(index.dist()) + "`, the channel calls it `" +
                   escape_control(record.dist()) + "`")
          .hint("report it to the owner of the channel");
  return index;
}

void check_content(const std::vector<ExtractedEntry>& entries, const PackageInfo& info, const std::string& archive_path) {
  const std::vector<std::string> differences = content_differences(entries, info);
  if (differences.empty()) return;
  throw Error("the package's files are not those that it lists", ErrorKind::corrupt)
      .at(archive_path)
      .because(join(differences, "; "))
      .hint("report it to the owner of the channel");
}

/// Puts the finished folder where a damaged one lies, in one step where the file system can do that: no
/// process sees a moment without the package. What was there lies at `finished` afterwards.
bool replace(const CacheFolder& folder, const std::string& finished, const std::string& place) {
  if (::renameat2(AT_FDCWD, finished.c_str(), AT_FDCWD, place.c_str(), RENAME_EXCHANGE) == 0) return true;
  folder.discard(place);
  return rename_no_replace(finished, place);
}

/// Brings the finished folder to its place, or finds that another process has.
CachedPackage put_in_place(const CacheFolder& folder, const std::string& finished, CachedPackage package,
                           const std::stop_token& stop) {
  for (int attempt = 0; attempt < 8; ++attempt)
    for (const std::string& name : entry_names(package.record)) {
      const std::string place = folder.entry(name);
      bool ours = rename_no_replace(finished, place);
      if (!ours) {
        EntryCheck check = check_entry(folder, name, package.record, stop);
        if (check.state == EntryCheck::State::good) {
          check.package.archive_path = package.archive_path;
          return std::move(check.package);
        }
        // Nobody but envtool makes names with a distinction, and never without a record.
        const bool abandoned = check.state == EntryCheck::State::unknown && name != package.record.dist();
        if (check.state == EntryCheck::State::damaged || abandoned) {
          log_info("replacing the damaged package `" + place + "`: " + check.why);
          ours = replace(folder, finished, place);
        }
      }
      if (ours) {
        package.extracted_directory = place;
        return package;
      }
    }
  throw Error("cannot put a package into the cache", ErrorKind::locked)
      .at(folder.entry(package.record.dist()))
      .because("other processes keep changing it");
}

}  // namespace

CachedPackage insert_package(const CacheFolder& folder, const std::string& archive_path, const RepoDataRecord& record,
                             const CacheOptions& options, const std::stop_token& stop) {
  // The outer folder is private while foreign data is unpacked; the inner one gets the usual mode.
  const TemporaryDirectory outer(folder.temporary(), record.dist() + ".");
  const std::string inner = outer.path() + "/package";
  make_directories(inner);
  const std::vector<ExtractedEntry> entries = extract_package(archive_path, inner, options.limits, stop);
  const FileDescriptor fd(::open(inner.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) throw system_error("cannot open an extracted package", errno).at(inner);

  const OpenPackage open{fd, archive_path};
  RepoDataRecord index = check_index(open, record);
  PackageInfo info = read_package_info_files(open);
  check_content(entries, info, archive_path);
  if (info.legacy) complete_legacy_paths(info.paths, entries);

  CachedPackage package;
  index.channel = record.channel;
  // The size in the index, if any, is not the archive's.
  index.size = 0;
  index.sha256.reset();
  index.md5.reset();
  package.record = completed(record, index);
  if (!package.record.sha256) package.record.sha256 = file_sha256(archive_path, stop);
  package.archive_path = archive_path;
  package.link = info.link;

  // Last, so that nothing from the archive can take their place.
  write_atomically(inner + "/info/repodata_record.json", to_json(package.record));
  const StatCheck stat = stat_files(fd, info.paths);
  if (!stat.problem.empty())
    throw Error("the package changed while it was put into the cache", ErrorKind::corrupt).at(archive_path).because(stat.problem);
  write_manifest(inner, {boot_id(), false, info.paths_digest, stat.digest, content_digest(fd, info.paths, entries)});
  package.paths = std::move(info.paths);
  return put_in_place(folder, inner, std::move(package), stop);
}

}  // namespace envtool
