// libFuzzer target: a channel's index. The first byte picks the form: even the text of a
// `repodata.json`, odd a compressed one. Whatever is accepted must come back out of the binary index.
//
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -Isrc/repodata
//     tests/fuzz/fuzz_repodata.cpp src/repodata/*.cpp src/download/*.cpp src/records/*.cpp src/specs/*.cpp
//     src/base/*.cpp src/os/*.cpp -lsimdjson -lzstd -lcurl -lcrypto -lspdlog -lfmt -lpthread -o fuzz_repodata
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>

#include "envtool/base/error.hpp"
#include "repodata_index.hpp"
#include "repodata_reader.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace envtool;
  if (size == 0) return 0;
  const auto require = [](bool holds) {
    if (!holds) std::abort();
  };
  FileDescriptor document(memfd_create("document", MFD_CLOEXEC));
  require(write(document.get(), data + 1, size - 1) == static_cast<ssize_t>(size - 1));
  lseek(document.get(), 0, SEEK_SET);
  IndexBuilder builder("linux-64");
  ReadSummary summary;
  try {
    ByteSource source(std::move(document), data[0] % 2 == 0 ? BodyForm::json : BodyForm::json_zst, "document", 1 << 24);
    summary = read_repodata(source, builder, {});
  } catch (const Error&) {
    return 0;
  }
  FileDescriptor file(memfd_create("index", MFD_CLOEXEC));
  builder.write(file.get(), "index", {});
  const RepoDataIndex index(std::move(file));
  std::uint64_t count = 0;
  for (std::size_t i = 0; i < index.size(); ++i) {
    for (const auto& record : index.records(index.name(i), {"c", "u/", "linux-64"})->records()) {
      require(record.name == index.name(i));
      require(record.fn.find('/') == std::string::npos && record.fn.size() <= 211);
      ++count;
    }
  }
  require(count == index.header().record_count);
  require(count + summary.skipped <= summary.records);
  return 0;
}
