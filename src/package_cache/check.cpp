#include "check.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "content.hpp"
#include "envtool/base/error.hpp"
#include "envtool/os/log.hpp"
#include "envtool/os/process.hpp"
#include "envtool/records/record_json.hpp"
#include "identity.hpp"

namespace envtool {
namespace {

constexpr std::uint64_t most_record_bytes = std::uint64_t{16} << 20;
constexpr std::uint64_t most_manifest_bytes = 4096;

EntryCheck damaged(std::string why) {
  EntryCheck check;
  check.state = EntryCheck::State::damaged;
  check.why = std::move(why);
  return check;
}

EntryCheck of_state(EntryCheck::State state) {
  EntryCheck check;
  check.state = state;
  return check;
}

void try_write_manifest(const CacheFolder& folder, const std::string& directory, const Manifest& manifest) {
  if (!folder.is_writable()) return;
  try {
    write_manifest(directory, manifest);
  } catch (const Error& error) {
    // Somebody else's package in a shared cache, or a full disk: the check is repeated next time.
    log_debug(error.what());
  }
}

EntryCheck check_open_entry(const CacheFolder& folder, const std::string& directory, const FileDescriptor& fd,
                            const RepoDataRecord& wanted, const std::stop_token& stop) {
  const OpenPackage open{fd, directory};
  const auto record_text = read_beneath(open, "info/repodata_record.json", most_record_bytes);
  if (!record_text) return of_state(EntryCheck::State::unknown);
  const RepoDataRecord there = parse_repodata_record(*record_text, directory + "/info/repodata_record.json");
  if (!same_content(wanted, there)) return of_state(EntryCheck::State::other_content);

  PackageInfo info = read_package_info_files(open);
  const StatCheck stat = stat_files(fd, info.paths);
  if (!stat.problem.empty()) return damaged(stat.problem);

  const auto manifest_text = read_beneath(open, std::string(manifest_path), most_manifest_bytes);
  std::optional<Manifest> manifest = manifest_text ? parse_manifest(*manifest_text) : std::nullopt;
  const bool on_disk = manifest && (manifest->synced || manifest->boot_id == boot_id());
  if (!manifest_text) {
    // Extracted by another tool: sizes agree, more is not known. This boot's word is good for this boot.
    try_write_manifest(folder, directory, {boot_id(), false, info.paths_digest, stat.digest, std::nullopt});
  } else if (!manifest || !on_disk || manifest->paths != info.paths_digest || manifest->stat != stat.digest) {
    const ContentCheck content = read_files(fd, info.paths, stop);
    if (!content.problems.empty()) return damaged(content.problems.front());
    if (manifest && manifest->content && *manifest->content != content.digest)
      return damaged("its files are not those that were extracted");
    // What can be read after a restart is on the disk.
    const bool synced = manifest && (manifest->synced || manifest->boot_id != boot_id());
    try_write_manifest(folder, directory, {boot_id(), synced, info.paths_digest, stat.digest, content.digest});
  }

  EntryCheck check = of_state(EntryCheck::State::good);
  check.package.record = completed(wanted, there);
  check.package.extracted_directory = directory;
  check.package.archive_path = folder.entry(wanted.fn);
  check.package.paths = std::move(info.paths);
  check.package.link = std::move(info.link);
  return check;
}

}  // namespace

EntryCheck check_entry(const CacheFolder& folder, const std::string& name, const RepoDataRecord& wanted,
                       const std::stop_token& stop) {
  const std::string directory = folder.entry(name);
  const FileDescriptor fd(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
  if (!fd) {
    if (errno == ENOENT || errno == EACCES) return of_state(EntryCheck::State::absent);
    if (errno == ENOTDIR || errno == ELOOP) return damaged("it is not a folder");
    throw system_error("cannot read a package in the cache", errno).at(directory);
  }
  try {
    return check_open_entry(folder, directory, fd, wanted, stop);
  } catch (const Error& error) {
    switch (error.kind()) {
      case ErrorKind::interrupted:
      case ErrorKind::no_space:
      case ErrorKind::internal: throw;
      default: return damaged(error.message() + (error.why().empty() ? "" : ": " + error.why()));
    }
  }
}

std::vector<std::string> entry_names(const RepoDataRecord& record) {
  return {record.dist(), record.dist() + distinction(record)};
}

void write_manifest(const std::string& extracted_directory, const Manifest& manifest) {
  write_atomically(extracted_directory + "/" + std::string(manifest_path), to_text(manifest));
}

std::optional<Manifest> read_manifest(const std::string& extracted_directory) {
  const auto text = read_file_if_exists(extracted_directory + "/" + std::string(manifest_path), most_manifest_bytes);
  return text ? parse_manifest(*text) : std::nullopt;
}

}  // namespace envtool
