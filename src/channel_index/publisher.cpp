#include "publisher.hpp"

#include <fcntl.h>
#include <sys/stat.h>

#include <array>
#include <chrono>
#include <optional>

#include "compression.hpp"
#include "envtool/base/error.hpp"
#include "envtool/os/clock.hpp"
#include "envtool/os/files.hpp"

namespace envtool {
namespace {

constexpr int document_level = 16, shard_index_level = 9;
constexpr std::string_view shard_extension = ".msgpack.zst";
/// How long a shard stays that no index names: clients may still have an index that does (CEP 16).
constexpr std::uint64_t shard_grace = std::uint64_t{7} * 24 * 3600 * 1000;

bool has_content(const std::string& path, std::string_view content) {
  try {
    const auto existing = read_file_if_exists(path, content.size());
    return existing && *existing == content;
  } catch (const Error&) {
    return false;  // longer, or not readable: writing it will tell
  }
}

std::optional<timespec> modification_time(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) return std::nullopt;
  return status.st_mtim;
}

/// Servers tell two states of a file apart by its size and the second of its time: a file that is replaced within
/// one second by another of the same length would be the old one to clients that ask.
void make_newer(const std::string& path, const timespec& before) {
  const std::optional<timespec> after = modification_time(path);
  if (!after || after->tv_sec > before.tv_sec) return;
  const std::array<timespec, 2> times{timespec{0, UTIME_OMIT}, timespec{before.tv_sec + 1, 0}};
  // Only a convenience for servers: where times cannot be set, nothing is lost but that.
  static_cast<void>(::utimensat(AT_FDCWD, path.c_str(), times.data(), 0));
}

std::string iso_time(std::uint64_t milliseconds) {
  return format_iso_time(std::chrono::system_clock::time_point(std::chrono::milliseconds(milliseconds)));
}

}  // namespace

void Publisher::write(const std::string& path, std::string_view content) {
  const std::string full = channel_ + "/" + path;
  if (has_content(full, content)) return;
  const std::optional<timespec> before = modification_time(full);
  write_atomically(full, content, 0644, Durability::full);
  if (before) make_newer(full, *before);
  written_.insert(path);
}

void Publisher::write_compressed(const std::string& path, std::string_view content, std::size_t threads, IndexCache& cache) {
  const std::string packed_path = path + ".zst";
  const Sha256 digest = sha256(content);
  if (const auto known = cache.compressed.find(packed_path); known != cache.compressed.end() && known->second.plain == digest)
    if (const auto existing = read_file_if_exists(channel_ + "/" + packed_path); existing && sha256(*existing) == known->second.packed) return;
  const std::string packed = compress_zstd(content, document_level, threads);
  write(packed_path, packed);
  cache.compressed[packed_path] = {digest, sha256(packed)};
}

void Publisher::remove(const std::string& path) {
  const std::string full = channel_ + "/" + path;
  if (!exists_no_follow(full)) return;
  remove_file(full);
  removed_.insert(path);
}

void Publisher::write_shards(const std::string& subdir, const SubdirDocuments& documents, std::uint64_t now, IndexCache& cache) {
  const std::string folder = channel_ + "/" + subdir + "/shards";
  make_directories(folder);
  std::set<Sha256> named;
  bool any_new = false;
  for (const SubdirDocuments::Shard& shard : documents.shards) {
    named.insert(shard.digest);
    const std::string file_name = shard.digest.hex() + std::string(shard_extension);
    if (has_content(folder + "/" + file_name, shard.bytes)) continue;
    write_atomically(folder + "/" + file_name, shard.bytes);
    written_.insert(subdir + "/shards/" + file_name);
    any_new = true;
  }
  // One flush for all of them: the index must not survive a power cut that a shard does not.
  if (any_new) sync_file_system(folder);

  // The time stays as it is while nothing else changes, so that the bytes do, too.
  const Sha256 content = sha256(make_shard_index(documents, ""));
  if (cache.shard_index != content || cache.shard_index_created.empty()) {
    cache.shard_index = content;
    cache.shard_index_created = iso_time(now);
  }
  write(subdir + "/repodata_shards.msgpack.zst", compress_zstd(make_shard_index(documents, cache.shard_index_created), shard_index_level));

  std::map<Sha256, std::uint64_t> unused;
  for (const std::string& file_name : list_directory(folder)) {
    if (!file_name.ends_with(shard_extension)) continue;
    const auto digest = Sha256::parse(std::string_view(file_name).substr(0, file_name.size() - shard_extension.size()));
    if (!digest || named.count(*digest) != 0) continue;
    const auto known = cache.unused_shards.find(*digest);
    const std::uint64_t since = known == cache.unused_shards.end() ? now : known->second;
    if (now > since && now - since > shard_grace) remove(subdir + "/shards/" + file_name);
    else unused.emplace(*digest, since);
  }
  cache.unused_shards = std::move(unused);
}

}  // namespace envtool
