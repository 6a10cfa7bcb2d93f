// libFuzzer target: the cached index of shards and the records of a cached shard after somebody changed
// them and made the checksums fit. They may be refused or read as something else, but within their
// bounds. The first byte picks which.
#include <cstdint>
#include <cstring>
#include <string>

#include "record_block.hpp"
#include "shard_index.hpp"

namespace {

using namespace envtool;

// Header: magic and version are put right, then content size and checksum, then the header's own checksum.
void fix_header(std::string& bytes) {
  static const std::string good = ShardIndex::encode({}, {});
  constexpr std::size_t header = 72;
  if (bytes.size() < header) return;
  std::memcpy(bytes.data(), good.data(), 12);
  const std::uint64_t size = bytes.size() - header;
  const std::uint64_t content = index_checksum(bytes.data() + header, bytes.size() - header);
  std::memcpy(bytes.data() + 48, &size, sizeof size);
  std::memcpy(bytes.data() + 56, &content, sizeof content);
  const std::uint64_t whole = index_checksum(bytes.data(), header - 8);
  std::memcpy(bytes.data() + 64, &whole, sizeof whole);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  try {
    if ((data[0] & 1) != 0) {
      fix_header(bytes);
      const ShardIndex index(std::move(bytes));
      for (std::size_t i = 0; i < index.size() && i < 100; ++i) index.find(index.name(i));
    } else {
      std::unordered_set<std::string> dependencies;
      const RecordBlock block(bytes, data[1], "p", {"c", "u/", "noarch"});
      block.add_dependencies(dependencies);
      block.records({}, &dependencies);
      for (std::size_t i = 0; i < data[1]; ++i) block.record(i);
    }
  } catch (const DamagedIndex&) {
  }
  return 0;
}
