#include "envtool/os/memory.hpp"

#include <malloc.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <thread>

namespace envtool {

void expect_many_allocations() {
#ifdef __GLIBC__
  constexpr std::uintptr_t large_page = std::uintptr_t{2} << 20;
  constexpr std::size_t piece = std::size_t{32} << 20;
  mallopt(M_TOP_PAD, static_cast<int>(piece));
  // What is larger would get pages of its own and lose them again when it is freed.
  mallopt(M_MMAP_THRESHOLD, static_cast<int>(piece / 4));
  mallopt(M_TRIM_THRESHOLD, static_cast<int>(4 * piece));
  // More than the heap has left: it grows, by a whole piece.
  void* const probe = std::malloc(std::size_t{1} << 20);
  if (probe == nullptr) return;
  const auto begin = (reinterpret_cast<std::uintptr_t>(probe) + large_page - 1) / large_page * large_page;
  const auto end = reinterpret_cast<std::uintptr_t>(sbrk(0)) / large_page * large_page;
  // Another allocator may be in use, whose memory is elsewhere.
  if (begin < end && end - begin <= 2 * piece) madvise(reinterpret_cast<void*>(begin), end - begin, MADV_HUGEPAGE);
  std::free(probe);
#endif
}

unsigned worthwhile_threads(unsigned most) {
  constexpr rlim_t enough = rlim_t{2} << 30;
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < enough) return 1;
  return std::clamp(std::thread::hardware_concurrency(), 1U, most);
}

}  // namespace envtool
