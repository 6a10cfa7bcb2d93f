#include "shard_index.hpp"

#include <array>
#include <cstring>

namespace envtool {

namespace {

constexpr std::array<char, 8> magic{'e', 'n', 'v', 't', 's', 'h', 'x', '\n'};
constexpr std::uint32_t version = 1;

struct ShardIndexHeader {
  std::array<char, 8> magic = envtool::magic;
  std::uint32_t version = envtool::version;
  std::uint32_t name_count = 0;
  std::array<std::uint8_t, 32> source_digest{};
  std::uint64_t content_size = 0;
  std::uint64_t content_checksum = 0;
  std::uint64_t checksum = 0;  // of all bytes before
};
static_assert(sizeof(ShardIndexHeader) == 72);

}  // namespace

struct ShardIndex::Entry {
  std::uint32_t name_offset = 0;  // in the names' text
  std::uint32_t name_size = 0;
  std::array<std::uint8_t, 32> digest{};
};

std::string ShardIndex::encode(const ShardIndexContent& content, const Sha256& source) {
  static_assert(sizeof(Entry) == 40);
  std::string bytes(sizeof(ShardIndexHeader), '\0'), names;
  bytes.reserve(bytes.size() + content.shards.size() * 64);
  for (const auto& [name, digest] : content.shards) {
    Entry entry{static_cast<std::uint32_t>(names.size()), static_cast<std::uint32_t>(name.size()), digest.bytes};
    names += name;
    bytes.append(reinterpret_cast<const char*>(&entry), sizeof entry);
  }
  const RepoDataInfo& info = content.info;
  for (const std::string* text :
       {&std::as_const(names), &info.base_url, &info.shards_base_url, &info.relation_base, &info.relation_overrides, &info.created_at}) {
    put_number(bytes, text->size());
    bytes += *text;
  }
  ShardIndexHeader header;
  header.name_count = static_cast<std::uint32_t>(content.shards.size());
  header.source_digest = source.bytes;
  header.content_size = bytes.size() - sizeof header;
  header.content_checksum = index_checksum(bytes.data() + sizeof header, bytes.size() - sizeof header);
  header.checksum = index_checksum(&header, sizeof header - sizeof header.checksum);
  std::memcpy(bytes.data(), &header, sizeof header);
  return bytes;
}

ShardIndex::ShardIndex(std::string bytes) : bytes_(std::move(bytes)) {
  ShardIndexHeader header;
  if (bytes_.size() < sizeof header) throw DamagedIndex{};
  std::memcpy(&header, bytes_.data(), sizeof header);
  const std::string_view content = std::string_view(bytes_).substr(sizeof header);
  if (header.magic != magic || header.version != version || header.content_size != content.size() ||
      header.checksum != index_checksum(&header, sizeof header - sizeof header.checksum) ||
      header.content_checksum != index_checksum(content.data(), content.size())) {
    throw DamagedIndex{};
  }
  const std::uint64_t entries = std::uint64_t{header.name_count} * sizeof(Entry);
  IndexCursor cursor(content);
  cursor.bytes(entries);
  names_ = cursor.bytes(cursor.number());
  for (std::string* text : {&base_url_, &shards_base_url_, &relation_base_, &relation_overrides_, &created_at_}) {
    *text = cursor.bytes(cursor.number());
  }
  count_ = header.name_count;
  source_.bytes = header.source_digest;
}

ShardIndex::Entry ShardIndex::entry(std::size_t position) const {
  Entry entry;
  std::memcpy(&entry, bytes_.data() + sizeof(ShardIndexHeader) + position * sizeof entry, sizeof entry);
  if (entry.name_offset > names_.size() || entry.name_size > names_.size() - entry.name_offset) throw DamagedIndex{};
  return entry;
}

std::string_view ShardIndex::name(std::size_t position) const {
  const Entry found = entry(position);
  return names_.substr(found.name_offset, found.name_size);
}

std::optional<Sha256> ShardIndex::find(std::string_view wanted) const {
  std::size_t low = 0, high = count_;
  while (low < high) {
    const std::size_t middle = low + (high - low) / 2;
    const Entry candidate = entry(middle);
    const int order = names_.substr(candidate.name_offset, candidate.name_size).compare(wanted);
    if (order == 0) return Sha256{candidate.digest};
    if (order < 0) low = middle + 1;
    else high = middle;
  }
  return {};
}

}  // namespace envtool
