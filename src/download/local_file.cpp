#include "local_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <vector>

#include "envtool/os/files.hpp"
#include "part_file.hpp"
#include "verify.hpp"

namespace envtool {

namespace {

Failure local_failure(const FetchRequest& request, const std::string& path, std::string why) {
  Error error("cannot read " + describe(request), ErrorKind::network);
  error.at(path).because(std::move(why));
  return {Remedy::next_url, std::move(error)};
}

Failure local_failure(const FetchRequest& request, const std::string& path, int error_number) {
  return local_failure(request, path, system_error("", error_number).why());
}

std::string local_etag(const struct stat& status) {
  return "\"" + std::to_string(status.st_size) + "-" + std::to_string(status.st_mtim.tv_sec) + "." +
         std::to_string(status.st_mtim.tv_nsec) + "-" + std::to_string(status.st_ino) + "\"";
}

}  // namespace

std::variant<FetchResult, Failure> fetch_local(const FetchRequest& request, const Url& url, std::stop_token stop) {
  std::string path;
  try {
    path = url.to_path();
  } catch (const Error& error) {
    return Failure{Remedy::next_url, error};
  }
  // O_NONBLOCK: opening a FIFO must not wait for a writer.
  FileDescriptor source(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  FetchResult result;
  result.final_url = url;
  if (!source) {
    if (request.missing_is_ok && (errno == ENOENT || errno == ENOTDIR)) {
      result.outcome = FetchResult::Outcome::missing;
      return result;
    }
    return local_failure(request, path, errno);
  }
  struct stat status{};
  if (fstat(source.get(), &status) != 0) return local_failure(request, path, errno);
  if (!S_ISREG(status.st_mode)) return local_failure(request, path, "it is not a regular file");
  result.etag = local_etag(status);
  if (!request.if_none_match.empty() && request.if_none_match == result.etag) {
    result.outcome = FetchResult::Outcome::not_modified;
    return result;
  }

  const std::uint64_t limit = body_limit(request);
  std::optional<PartFile> part;
  if (!request.target_path.empty()) {
    part.emplace(request.target_path, false, digests_to_check(request));
    part->restart();
  }
  std::vector<char> buffer(1 << 18);
  for (;;) {
    if (stop.stop_requested()) throw Error("interrupted", ErrorKind::interrupted);
    const ssize_t count = read(source.get(), buffer.data(), buffer.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return local_failure(request, path, errno);
    if (count == 0) break;
    const auto size = static_cast<std::size_t>(count);
    if (result.bytes + size > limit) {
      if (part) part->discard();
      return too_long(request, url);
    }
    if (part) part->append(buffer.data(), size);
    else result.body.append(buffer.data(), size);
    result.bytes += size;
  }
  auto failure = part ? verify_part(request, url, *part) : verify_body(request, url, result.body);
  if (failure) {
    if (part) part->discard();
    failure->remedy = Remedy::next_url;
    return std::move(*failure);
  }
  if (part) part->commit();
  return result;
}

}  // namespace envtool
