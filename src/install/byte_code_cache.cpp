#include "byte_code_cache.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "compile_python.hpp"
#include "envtool/base/error.hpp"
#include "envtool/os/log.hpp"

namespace envtool::detail {

namespace {
/// PEP 552: magic, flags, then for byte code that is checked by time the source's time and size.
constexpr std::size_t header_size = 16;

std::uint32_t little_endian(const unsigned char* bytes) {
  return static_cast<std::uint32_t>(bytes[0]) | static_cast<std::uint32_t>(bytes[1]) << 8 |
         static_cast<std::uint32_t>(bytes[2]) << 16 | static_cast<std::uint32_t>(bytes[3]) << 24;
}

/// A file that a power cut emptied, or that belongs to another source, must not be used.
bool header_fits(const std::string& path, std::uint32_t time, std::uint32_t size) {
  const FileDescriptor file(open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC));
  struct stat status{};
  if (!file || fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) return false;
  std::array<unsigned char, header_size> header{};
  if (read(file.get(), header.data(), header.size()) != static_cast<ssize_t>(header.size())) return false;
  return status.st_size > static_cast<off_t>(header_size) && little_endian(&header[4]) == 0 &&
         little_endian(&header[8]) == time && little_endian(&header[12]) == size;
}

std::string parent_folder(const std::string& path) { return path.substr(0, path.rfind('/')); }
}  // namespace

ByteCodeCache::ByteCodeCache(std::string folder, const std::optional<Sha256>& python, LinkPolicy policy)
    : folder_(std::move(folder)), python_(python ? python->hex() : ""), policy_(policy) {}

std::optional<ByteCodeCache::Entry> ByteCodeCache::entry_of(const Item& item) const {
  if (folder_.empty() || python_.empty() || !item.source_digest) return std::nullopt;
  struct stat status{};
  if (lstat(item.source.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  Entry entry;
  entry.source_time = static_cast<std::uint32_t>(status.st_mtime);
  entry.source_size = static_cast<std::uint32_t>(status.st_size);
  const std::string key = sha256(python_ + '\n' + item.source_digest->hex() + '\n' + std::to_string(entry.source_time) +
                                 '\n' + std::to_string(entry.source_size) + '\n' + item.name).hex();
  entry.path = folder_ + "/" + key.substr(0, 2) + "/" + key.substr(2) + ".pyc";
  return entry;
}

bool ByteCodeCache::take(const Item& item) const {
  const auto entry = entry_of(item);
  if (!entry || is_behind_link(item.target) || !header_fits(entry->path, entry->source_time, entry->source_size)) return false;
  try {
    make_directories(parent_folder(item.target));
    link_or_copy(entry->path, item.target, policy_);
    return true;
  } catch (const Error& error) {
    log_debug(std::string("byte code is compiled anew: ") + error.what());
    return false;
  }
}

void ByteCodeCache::keep(const Item& item) const {
  try {
    const auto entry = entry_of(item);
    if (!entry || exists_no_follow(entry->path) || !header_fits(item.target, entry->source_time, entry->source_size)) return;
    make_directories(parent_folder(entry->path));
    const std::string aside = parent_folder(entry->path) + "/.tmp-" + random_name();
    link_or_copy(item.target, aside, policy_);
    // Between two names of one file rename(2) does nothing and leaves both.
    rename_path(aside, entry->path);
    remove_file(aside);
  } catch (const Error& error) {
    log_debug(std::string("byte code is not kept: ") + error.what());
  }
}

}  // namespace envtool::detail
