#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>

namespace envtool {

/// The binary index of one subdir: header, then one block for each package name, then a directory.
///
///   header     128 bytes, `IndexHeader`, ends with a checksum of the rest of it
///   blocks     all records of a name: its string table, then the records
///   directory  `IndexEntry` for each name, ordered by name; then the names' text, then the info texts
///
/// Each block and the directory have a checksum, so a reader looks only at what it needs. Numbers are
/// little endian; the format is for one machine's cache, not for exchange.
constexpr std::array<char, 8> index_magic{'e', 'n', 'v', 't', 'i', 'd', 'x', '\n'};
constexpr std::uint32_t index_version = 1;

struct IndexHeader {
  std::array<char, 8> magic = index_magic;
  std::uint32_t version = index_version;
  std::uint32_t name_count = 0;
  std::array<std::uint8_t, 32> source_digest{};  ///< SHA-256 of the stored document
  std::uint64_t source_size = 0;
  std::int64_t source_mtime_ns = 0;
  std::uint64_t source_inode = 0;
  std::int64_t built_ns = 0;         ///< when the index was written
  std::uint64_t directory_offset = 0;
  std::uint64_t directory_size = 0;
  std::uint64_t directory_checksum = 0;
  std::uint64_t record_count = 0;
  std::uint64_t checksum = 0;        ///< of all bytes before
};
static_assert(sizeof(IndexHeader) == 120);

struct IndexEntry {
  std::uint64_t block_offset = 0;
  std::uint64_t block_checksum = 0;
  std::uint32_t block_size = 0;
  std::uint32_t record_count = 0;
  std::uint32_t name_offset = 0;  ///< in the names' text
  std::uint32_t name_size = 0;
};
static_assert(sizeof(IndexEntry) == 32);

/// What a record's flag number says; fields that are rare are stored only with their bit.
enum RecordFlag : std::uint32_t {
  flag_sha256 = 1U << 0,
  flag_md5 = 1U << 1,
  flag_conda = 1U << 2,          ///< `.conda`, else `.tar.bz2`
  flag_file_name = 1U << 3,      ///< the file name is not `name-version-build.extension`
  flag_noarch_generic = 1U << 4,
  flag_noarch_python = 1U << 5,
  flag_constrains = 1U << 6,
  flag_track_features = 1U << 7,
  flag_features = 1U << 8,
  flag_flags = 1U << 9,
  flag_extra_depends = 1U << 10,
  flag_license = 1U << 11,
  flag_license_family = 1U << 12,
  flag_site_packages = 1U << 13,
  flag_arch = 1U << 14,
  flag_platform = 1U << 15,
  flag_indexed_timestamp = 1U << 16,
  flag_subdir = 1U << 17         ///< the record's subdir is not the index's
};

/// A 64-bit checksum. Each step is a bijection of the state, so no change of one word goes unseen.
inline std::uint64_t index_checksum(const void* data, std::size_t size) {
  constexpr std::uint64_t multiplier = 0x9e3779b97f4a7c15U;
  const char* bytes = static_cast<const char*>(data);
  std::uint64_t state = (size + 1) * multiplier;
  const auto mix = [&state](std::uint64_t word) {
    state = (state ^ word) * multiplier;
    state ^= state >> 32;
  };
  for (; size >= 8; size -= 8, bytes += 8) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, 8);
    mix(word);
  }
  std::uint64_t word = 0;
  std::memcpy(&word, bytes, size);
  mix(word);
  return state;
}

/// Appends a number in 7-bit groups, low ones first.
inline void put_number(std::string& out, std::uint64_t value) {
  while (value >= 0x80) {
    out.push_back(static_cast<char>(value | 0x80));
    value >>= 7;
  }
  out.push_back(static_cast<char>(value));
}

/// Thrown by readers: the index cannot be trusted and has to be built anew.
struct DamagedIndex {};

/// Reads what `put_number` and friends wrote; anything out of bounds is `DamagedIndex`.
class IndexCursor {
 public:
  explicit IndexCursor(std::string_view data) : data_(data) {}
  std::uint64_t number() {
    std::uint64_t value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
      if (position_ == data_.size()) throw DamagedIndex{};
      const auto byte = static_cast<unsigned char>(data_[position_++]);
      value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
    }
    throw DamagedIndex{};
  }
  /// A number that counts things of at least one byte each, so it cannot exceed what is left.
  std::size_t count() {
    const std::uint64_t value = number();
    if (value > left()) throw DamagedIndex{};
    return static_cast<std::size_t>(value);
  }
  std::string_view bytes(std::uint64_t size) {
    if (size > left()) throw DamagedIndex{};
    const auto piece = data_.substr(position_, static_cast<std::size_t>(size));
    position_ += static_cast<std::size_t>(size);
    return piece;
  }
  std::size_t left() const { return data_.size() - position_; }

 private:
  std::string_view data_;
  std::size_t position_ = 0;
};

}  // namespace envtool
