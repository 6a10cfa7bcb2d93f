#include "archives.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <vector>

#include "check.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/url.hpp"
#include "identity.hpp"

namespace envtool {
namespace {

template <typename DigestType>
DigestType hash_file(const FileDescriptor& fd, const std::string& path, const std::stop_token& stop) {
  Hasher<DigestType> hasher;
  std::vector<char> buffer(std::size_t{256} << 10);
  while (true) {
    if (stop.stop_requested()) throw Error("reading a package was interrupted", ErrorKind::interrupted).at(path);
    const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error("cannot read a package archive", errno).at(path);
    if (got == 0) return hasher.finish();
    hasher.update(buffer.data(), static_cast<std::size_t>(got));
  }
}

bool has_digest(const std::string& path, const RepoDataRecord& record, const std::stop_token& stop) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!fd || ::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  if (record.size != 0 && record.size != static_cast<std::uint64_t>(status.st_size)) return false;
  if (record.sha256) return hash_file<Sha256>(fd, path, stop) == *record.sha256;
  return hash_file<Md5>(fd, path, stop) == *record.md5;
}

}  // namespace

Sha256 file_sha256(const std::string& path, const std::stop_token& stop) {
  const FileDescriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (!fd) throw system_error("cannot read a package archive", errno).at(path);
  return hash_file<Sha256>(fd, path, stop);
}

std::optional<std::string> find_archive(std::span<const std::string> directories, const RepoDataRecord& record,
                                        const std::stop_token& stop) {
  if (!record.sha256 && !record.md5) return std::nullopt;
  for (const std::string& directory : directories)
    for (const std::string& name : {record.fn, distinct_file_name(record)}) {
      const std::string path = directory + "/" + name;
      try {
        if (has_digest(path, record, stop)) return path;
      } catch (const Error& error) {
        // One that cannot be read is as good as none.
        if (error.kind() == ErrorKind::interrupted) throw;
      }
    }
  return std::nullopt;
}

std::string download_target(const CacheFolder& folder, const RepoDataRecord& record, const std::stop_token& stop) {
  const std::string plain = folder.entry(record.fn);
  if (!exists_no_follow(plain)) return plain;
  const bool taken = check_entry(folder, record.dist(), record, stop).state == EntryCheck::State::other_content;
  return taken ? folder.entry(distinct_file_name(record)) : plain;
}

void take_digest_from_local_file(RepoDataRecord& record, const std::stop_token& stop) {
  if (record.sha256 || record.md5 || !record.url.starts_with("file:")) return;
  try {
    record.sha256 = file_sha256(Url::parse(record.url).to_path(), stop);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw;
    // A missing file is told when it is fetched.
  }
}

}  // namespace envtool
