// libFuzzer target: shards and their index (CEP 16). The first byte picks: bit 0 an index or a shard, bit 1
// compressed or not. Whatever is accepted must come back out of the form that the cache keeps.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "envtool/base/error.hpp"
#include "record_block.hpp"
#include "shard_index.hpp"
#include "shard_reader.hpp"

namespace {

using namespace envtool;

void require(bool holds) {
  if (!holds) std::abort();
}

void check_index(std::string_view document) {
  const ShardIndexContent content = read_shard_index(document, "index");
  const ShardIndex index(ShardIndex::encode(content, {}));
  require(index.size() == content.shards.size());
  for (std::size_t i = 0; i < index.size(); ++i) {
    require(i == 0 || index.name(i - 1) < index.name(i));
    require(index.name(i) == content.shards[i].first);
    require(index.find(index.name(i)) == content.shards[i].second);
  }
  require(index.base_url() == content.info.base_url && index.shards_base_url() == content.info.shards_base_url);
}

void check_shard(std::string_view document) {
  IndexBuilder builder({});
  const ReadSummary summary = read_shard(document, "shard", "p", builder);
  const auto block = builder.take_block("p");
  require(block.record_count + summary.skipped <= summary.records);
  if (block.record_count == 0) return;
  const auto records = RecordBlock(block.bytes, block.record_count, "p", {"c", "u/", "noarch"}).records();
  require(records.size() == block.record_count);
  for (const auto& record : records) {
    require(record.name == "p");
    require(record.fn.find('/') == std::string::npos && record.fn.size() <= 211);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  std::string document(reinterpret_cast<const char*>(data) + 1, size - 1);
  try {
    if ((data[0] & 2) != 0) document = decompress_zstd(document, "document", 1 << 22);
    if ((data[0] & 1) != 0) check_index(document);
    else check_shard(document);
  } catch (const Error& error) {
    require(!error.where().empty());
  }
  return 0;
}
