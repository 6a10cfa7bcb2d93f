#include "repodata_index.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace envtool {

namespace {

bool read_whole(int file, char* data, std::size_t size, std::uint64_t offset) {
  while (size > 0) {
    const ssize_t count = pread(file, data, size, static_cast<off_t>(offset));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return false;
    data += count;
    offset += static_cast<std::uint64_t>(count);
    size -= static_cast<std::size_t>(count);
  }
  return true;
}

}  // namespace

RepoDataIndex::RepoDataIndex(FileDescriptor file) : file_(std::move(file)) {
  struct stat status{};
  if (fstat(file_.get(), &status) != 0 || !S_ISREG(status.st_mode)) throw DamagedIndex{};
  file_size_ = static_cast<std::uint64_t>(status.st_size);
  if (file_size_ < sizeof header_ || !read_whole(file_.get(), reinterpret_cast<char*>(&header_), sizeof header_, 0)) {
    throw DamagedIndex{};
  }
  if (header_.magic != index_magic || header_.version != index_version ||
      header_.checksum != index_checksum(&header_, sizeof header_ - sizeof header_.checksum)) {
    throw DamagedIndex{};
  }
  directory_ = read_piece(header_.directory_offset, header_.directory_size, header_.directory_checksum);
  const std::uint64_t entries_size = std::uint64_t{header_.name_count} * sizeof(IndexEntry);
  if (entries_size > directory_.size()) throw DamagedIndex{};
  IndexCursor cursor(std::string_view(directory_).substr(static_cast<std::size_t>(entries_size)));
  names_ = cursor.bytes(cursor.number());
  for (std::string* text : {&base_url_, &relation_base_, &relation_overrides_}) *text = cursor.bytes(cursor.number());
}

std::string RepoDataIndex::read_piece(std::uint64_t offset, std::uint64_t size, std::uint64_t checksum) const {
  if (offset > file_size_ || size > file_size_ - offset) throw DamagedIndex{};
  std::string piece(static_cast<std::size_t>(size), '\0');
  if (!read_whole(file_.get(), piece.data(), piece.size(), offset)) throw DamagedIndex{};
  if (index_checksum(piece.data(), piece.size()) != checksum) throw DamagedIndex{};
  return piece;
}

IndexEntry RepoDataIndex::entry(std::size_t position) const {
  IndexEntry entry;
  std::memcpy(&entry, directory_.data() + position * sizeof entry, sizeof entry);
  if (entry.name_offset > names_.size() || entry.name_size > names_.size() - entry.name_offset) throw DamagedIndex{};
  return entry;
}

std::string_view RepoDataIndex::name(std::size_t position) const {
  const IndexEntry found = entry(position);
  return names_.substr(found.name_offset, found.name_size);
}

std::optional<IndexEntry> RepoDataIndex::find(std::string_view wanted) const {
  std::size_t low = 0, high = header_.name_count;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const IndexEntry candidate = entry(middle);
    const int order = names_.substr(candidate.name_offset, candidate.name_size).compare(wanted);
    if (order == 0) return candidate;
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return {};
}

std::unique_ptr<RecordBlock> RepoDataIndex::records(std::string_view wanted, const Place& place) const {
  const auto found = find(wanted);
  if (!found) return {};
  return std::make_unique<RecordBlock>(read_piece(found->block_offset, found->block_size, found->block_checksum),
                                       found->record_count, wanted, place);
}

}  // namespace envtool
