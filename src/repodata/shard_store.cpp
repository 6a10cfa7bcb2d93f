#include "shard_store.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <vector>

#include "envtool/base/error.hpp"
#include "envtool/os/clock.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/log.hpp"
#include "index_format.hpp"

namespace envtool {

namespace {

constexpr std::array<char, 8> magic{'e', 'n', 'v', 't', 's', 'h', 'd', '\n'};
constexpr std::uint32_t version = 1;
// How stale the time of last use may be: not each use needs to be written down.
constexpr std::int64_t use_precision = 24 * 60 * 60;
constexpr std::int64_t leftover_age = 60 * 60;

struct ShardHeader {
  std::array<char, 8> magic = envtool::magic;
  std::uint32_t version = envtool::version;
  std::uint32_t record_count = 0;
  std::array<std::uint8_t, 32> digest{};  // of the shard as it was served
  std::uint32_t name_size = 0;
  std::uint32_t block_size = 0;
  std::uint64_t checksum = 0;  // of name and block
  std::uint64_t header_checksum = 0;
};
static_assert(sizeof(ShardHeader) == 72);

std::int64_t seconds_now() {
  return std::chrono::duration_cast<std::chrono::seconds>(now().time_since_epoch()).count();
}

}  // namespace

ShardStore::ShardStore(std::string folder) : ShardStore(std::move(folder), Limits()) {}
ShardStore::ShardStore(std::string folder, Limits limits) : folder_(std::move(folder)), limits_(limits) {}

std::string ShardStore::path(const Sha256& digest) const {
  const std::string hex = digest.hex();
  return folder_ + "/" + hex.substr(0, 2) + "/" + hex + ".rec";
}

std::optional<IndexBuilder::Block> ShardStore::read(const Sha256& digest, std::string_view name) const {
  const FileDescriptor file(open(path(digest).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  struct stat status{};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return {};
  std::string bytes(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t size = 0;
  while (size < bytes.size()) {
    const ssize_t count = ::read(file.get(), bytes.data() + size, bytes.size() - size);
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return {};
    size += static_cast<std::size_t>(count);
  }
  ShardHeader header;
  if (bytes.size() < sizeof header) return {};
  std::memcpy(&header, bytes.data(), sizeof header);
  const std::string_view content = std::string_view(bytes).substr(sizeof header);
  if (header.magic != magic || header.version != version || header.digest != digest.bytes ||
      header.header_checksum != index_checksum(&header, sizeof header - sizeof header.header_checksum) ||
      std::uint64_t{header.name_size} + header.block_size != content.size() ||
      header.checksum != index_checksum(content.data(), content.size()) || content.substr(0, header.name_size) != name) {
    return {};
  }
  if (seconds_now() - status.st_mtime > use_precision) {
    const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, timespec{0, UTIME_NOW}};
    futimens(file.get(), times.data());  // someone else's file: its owner looks after it
  }
  bytes.erase(0, sizeof header + header.name_size);
  return IndexBuilder::Block{std::move(bytes), header.record_count};
}

void ShardStore::write(const Sha256& digest, std::string_view name, const IndexBuilder::Block& block) {
  ShardHeader header;
  std::string bytes(sizeof header, '\0');
  bytes.append(name).append(block.bytes);
  header.record_count = block.record_count;
  header.digest = digest.bytes;
  header.name_size = static_cast<std::uint32_t>(name.size());
  header.block_size = static_cast<std::uint32_t>(block.bytes.size());
  header.checksum = index_checksum(bytes.data() + sizeof header, bytes.size() - sizeof header);
  header.header_checksum = index_checksum(&header, sizeof header - sizeof header.header_checksum);
  std::memcpy(bytes.data(), &header, sizeof header);
  const std::string target = path(digest);
  if (block.bytes.size() > UINT32_MAX) return;
  make_directories(target.substr(0, target.rfind('/')));
  write_atomically(target, bytes);
}

std::optional<FileLock> ShardStore::lock(const FileLock::Options& options) {
  try {
    is_new_ = is_new_ || !is_directory(folder_);
    make_directories(folder_);
    return FileLock::acquire(folder_ + "/.lock", FileLock::Mode::exclusive, options);
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::interrupted) throw;
    log_warning(std::string("shards are fetched without a lock: ") + error.what());
    return {};
  }
}

void ShardStore::tidy() {
  const std::string mark = folder_ + "/.tidied";
  const std::int64_t time = seconds_now();
  struct stat status{};
  const std::int64_t interval = std::chrono::duration_cast<std::chrono::seconds>(limits_.interval).count();
  // A mark of the future is as good as none.
  if (stat(mark.c_str(), &status) == 0 && time - status.st_mtime < interval && status.st_mtime <= time) return;
  try {
    if (!is_directory(folder_)) return;
    write_atomically(mark, "");
    if (!is_new_) sweep(time);
  } catch (const Error& error) {
    log_warning(std::string("the cache of shards was not tidied: ") + error.what());
  }
}

void ShardStore::sweep(std::int64_t time) {
  struct Entry {
    std::string path;
    std::int64_t used;
    std::uint64_t size;
  };
  std::vector<Entry> entries;
  std::uint64_t total = 0;
  const std::int64_t oldest = time - std::chrono::duration_cast<std::chrono::seconds>(limits_.age).count();
  for (const std::string& group : list_directory(folder_)) {
    if (group.size() != 2) continue;
    for (const std::string& name : list_directory(folder_ + "/" + group)) {
      std::string file = folder_ + "/" + group + "/" + name;
      struct stat status{};
      if (lstat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
      // What a killed process left while it was writing.
      const bool leftover = !name.ends_with(".rec") && status.st_mtime < time - leftover_age;
      if (leftover || status.st_mtime < oldest) {
        unlink(file.c_str());
        continue;
      }
      total += static_cast<std::uint64_t>(status.st_size);
      entries.push_back({std::move(file), status.st_mtime, static_cast<std::uint64_t>(status.st_size)});
    }
  }
  if (total <= limits_.bytes) return;
  std::sort(entries.begin(), entries.end(), [](const Entry& a, const Entry& b) { return a.used < b.used; });
  // Some room, so that not every day begins at the limit.
  for (const Entry& entry : entries) {
    if (total <= limits_.bytes / 4 * 3) break;
    if (unlink(entry.path.c_str()) == 0) total -= entry.size;
  }
}

}  // namespace envtool
