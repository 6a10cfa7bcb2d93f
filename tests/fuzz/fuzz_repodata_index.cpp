// libFuzzer target: a binary index that somebody changed and whose checksums were made to fit. It may
// be refused or read as something else, but within its bounds.
//
//   built like fuzz_repodata.cpp
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "repodata_index.hpp"

namespace {

using namespace envtool;

// Makes the checksums of header, directory and blocks right wherever they point into the file.
void fix_checksums(std::string& bytes) {
  if (bytes.size() < sizeof(IndexHeader)) return;
  IndexHeader header;
  std::memcpy(&header, bytes.data(), sizeof header);
  header.magic = index_magic;
  header.version = index_version;
  const auto inside = [&](std::uint64_t offset, std::uint64_t size) {
    return offset <= bytes.size() && size <= bytes.size() - offset;
  };
  if (inside(header.directory_offset, header.directory_size)) {
    const std::uint64_t entries = std::min<std::uint64_t>(header.name_count, header.directory_size / sizeof(IndexEntry));
    for (std::uint64_t i = 0; i < entries; ++i) {
      char* const place = bytes.data() + header.directory_offset + i * sizeof(IndexEntry);
      IndexEntry entry;
      std::memcpy(&entry, place, sizeof entry);
      if (inside(entry.block_offset, entry.block_size)) {
        entry.block_checksum = index_checksum(bytes.data() + entry.block_offset, entry.block_size);
      }
      std::memcpy(place, &entry, sizeof entry);
    }
    header.directory_checksum = index_checksum(bytes.data() + header.directory_offset, header.directory_size);
  }
  header.checksum = index_checksum(&header, sizeof header - sizeof header.checksum);
  std::memcpy(bytes.data(), &header, sizeof header);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string bytes(reinterpret_cast<const char*>(data), size);
  fix_checksums(bytes);
  FileDescriptor file(memfd_create("index", MFD_CLOEXEC));
  if (write(file.get(), bytes.data(), bytes.size()) != static_cast<ssize_t>(bytes.size())) std::abort();
  try {
    const RepoDataIndex index(std::move(file));
    for (std::size_t i = 0; i < index.size() && i < 100; ++i) {
      if (const auto block = index.records(index.name(i), {"c", "u/", "noarch"})) block->records();
    }
  } catch (const DamagedIndex&) {
  }
  return 0;
}
