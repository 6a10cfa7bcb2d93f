// libFuzzer target: conda-lock.yml. What is read is written and read back as the same text, and
// nothing but an `Error` comes out of a bad one.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "envtool/base/error.hpp"
#include "envtool/lockfile/conda_lock.hpp"

using namespace envtool;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Lockfile lock;
  try {
    lock = parse_conda_lock(std::string_view(reinterpret_cast<const char*>(data), size), "fuzz.yml", LockDigests::allow_md5);
  } catch (const Error&) {
    return 0;
  }
  const std::string written = to_conda_lock(lock);
  if (to_conda_lock(parse_conda_lock(written, "written.yml", LockDigests::allow_md5)) != written) std::abort();
  for (const LockedPackage& package : lock.packages) {
    if (package.manager == PackageManager::conda) to_record(package);
  }
  return 0;
}
