// libFuzzer target: unpacking a hostile package. The first byte picks the format: 0 a .conda file, 1 a
// .tar.bz2 file, anything else the bytes as a plain tar file wrapped into a good .conda, so that the
// fuzzer gets past the compression's checksums.
//
//   clang++ -std=c++20 -g -O1 -fsanitize=fuzzer,address,undefined -Iinclude -Itests/unit/archive
//     tests/fuzz/fuzz_archive.cpp tests/unit/archive/package_builder.cpp src/archive/*.cpp src/base/*.cpp
//     src/os/*.cpp -larchive -lcrypto -lspdlog -lfmt -lpthread -o fuzz_archive
#include <cstdint>
#include <cstdlib>
#include <string>

#include "envtool/archive/extract.hpp"
#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "package_builder.hpp"

namespace {

std::string wrapped(const std::string& tar) {
  using namespace envtool::test;
  auto entries = conda_entries("p-1-0", {file("info/index.json", "{}")}, {});
  entries[1].content = zstd(tar, 1);
  return zip_bytes(entries);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace envtool;
  if (size == 0) return 0;
  std::string bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const bool bz2 = data[0] == 1;
  if (data[0] > 1) bytes = wrapped(bytes);

  const TemporaryDirectory outer("/dev/shm", "fuzz-archive-");
  const std::string archive = outer.path() + (bz2 ? "/p-1-0.tar.bz2" : "/p-1-0.conda"), box = outer.path() + "/box";
  write_new_file(archive, bytes);
  make_directories(box);
  ExtractLimits limits;
  limits.total_bytes = limits.expansion_floor = 8 << 20;
  limits.expansion = 1;
  limits.entries = 1000;
  try {
    extract_package(archive, box, limits);
  } catch (const Error&) {
  }
  try {
    read_package_info(archive, {"info/index.json"});
  } catch (const Error&) {
  }
  // Nothing may appear beside the folder.
  if (list_directory(outer.path()).size() != 2) std::abort();
  return 0;
}
