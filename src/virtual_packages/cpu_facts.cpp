#include "cpu_facts.hpp"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__linux__)
#include <sys/auxv.h>

#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"
#endif

namespace envtool {

#if defined(__x86_64__)
namespace {

enum Register { eax, ebx, ecx, edx };

struct Leaf {
  unsigned registers[4] = {};
  Leaf(unsigned leaf, unsigned subleaf) {
    if (!__get_cpuid_count(leaf, subleaf, &registers[eax], &registers[ebx], &registers[ecx], &registers[edx]))
      std::memset(registers, 0, sizeof registers);
  }
};

/// Which registers the operating system saves at a switch of tasks; without that the wide vector
/// instructions cannot be used, whatever the processor has.
std::uint64_t saved_state() {
  std::uint32_t low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (std::uint64_t{high} << 32) | low;
}

enum class State { none, avx, avx512, amx };

struct Feature {
  const char* name;
  unsigned leaf, subleaf;
  Register where;
  unsigned bit;
  State state = State::none;
};

constexpr unsigned extended = 0x80000001U;

constexpr Feature features[] = {
    {"sse3", 1, 0, ecx, 0},
    {"pclmulqdq", 1, 0, ecx, 1},
    {"ssse3", 1, 0, ecx, 9},
    {"fma", 1, 0, ecx, 12, State::avx},
    {"cx16", 1, 0, ecx, 13},
    {"sse4_1", 1, 0, ecx, 19},
    {"sse4_2", 1, 0, ecx, 20},
    {"movbe", 1, 0, ecx, 22},
    {"popcnt", 1, 0, ecx, 23},
    {"aes", 1, 0, ecx, 25},
    {"xsave", 1, 0, ecx, 26},
    {"avx", 1, 0, ecx, 28, State::avx},
    {"f16c", 1, 0, ecx, 29, State::avx},
    {"rdrand", 1, 0, ecx, 30},
    {"mmx", 1, 0, edx, 23},
    {"sse", 1, 0, edx, 25},
    {"sse2", 1, 0, edx, 26},
    {"fsgsbase", 7, 0, ebx, 0},
    {"bmi1", 7, 0, ebx, 3},
    {"avx2", 7, 0, ebx, 5, State::avx},
    {"bmi2", 7, 0, ebx, 8},
    {"avx512f", 7, 0, ebx, 16, State::avx512},
    {"avx512dq", 7, 0, ebx, 17, State::avx512},
    {"rdseed", 7, 0, ebx, 18},
    {"adx", 7, 0, ebx, 19},
    {"avx512ifma", 7, 0, ebx, 21, State::avx512},
    {"clflushopt", 7, 0, ebx, 23},
    {"clwb", 7, 0, ebx, 24},
    {"avx512cd", 7, 0, ebx, 28, State::avx512},
    {"sha_ni", 7, 0, ebx, 29},
    {"avx512bw", 7, 0, ebx, 30, State::avx512},
    {"avx512vl", 7, 0, ebx, 31, State::avx512},
    {"avx512vbmi", 7, 0, ecx, 1, State::avx512},
    {"umip", 7, 0, ecx, 2},
    {"pku", 7, 0, ecx, 3},
    {"waitpkg", 7, 0, ecx, 5},
    {"avx512_vbmi2", 7, 0, ecx, 6, State::avx512},
    {"gfni", 7, 0, ecx, 8},
    {"vaes", 7, 0, ecx, 9, State::avx},
    {"vpclmulqdq", 7, 0, ecx, 10, State::avx},
    {"avx512_vnni", 7, 0, ecx, 11, State::avx512},
    {"avx512_bitalg", 7, 0, ecx, 12, State::avx512},
    {"avx512_vpopcntdq", 7, 0, ecx, 14, State::avx512},
    {"rdpid", 7, 0, ecx, 22},
    {"cldemote", 7, 0, ecx, 25},
    {"movdiri", 7, 0, ecx, 27},
    {"movdir64b", 7, 0, ecx, 28},
    {"avx512_vp2intersect", 7, 0, edx, 8, State::avx512},
    {"serialize", 7, 0, edx, 14},
    {"amx_bf16", 7, 0, edx, 22, State::amx},
    {"avx512_fp16", 7, 0, edx, 23, State::avx512},
    {"amx_tile", 7, 0, edx, 24, State::amx},
    {"amx_int8", 7, 0, edx, 25, State::amx},
    {"avx_vnni", 7, 1, eax, 4, State::avx},
    {"avx512_bf16", 7, 1, eax, 5, State::avx512},
    {"xsaveopt", 13, 1, eax, 0},
    {"xsavec", 13, 1, eax, 1},
    {"lahf_lm", extended, 0, ecx, 0},
    {"abm", extended, 0, ecx, 5},
    {"sse4a", extended, 0, ecx, 6},
    {"xop", extended, 0, ecx, 11, State::avx},
    {"fma4", extended, 0, ecx, 16, State::avx},
    {"tbm", extended, 0, ecx, 21},
    {"3dnowext", extended, 0, edx, 30},
    {"3dnow", extended, 0, edx, 31},
    {"clzero", 0x80000008U, 0, ebx, 0},
};

}  // namespace

CpuFacts detect_cpu() {
  CpuFacts cpu;
  cpu.family = "x86_64";
  const Leaf vendor(0, 0);
  char text[12];
  std::memcpy(text, &vendor.registers[ebx], 4);
  std::memcpy(text + 4, &vendor.registers[edx], 4);
  std::memcpy(text + 8, &vendor.registers[ecx], 4);
  cpu.vendor.assign(text, sizeof text);
  // Bit 27 of leaf 1: the operating system uses xsave, so xgetbv may be called.
  const bool asks = ((Leaf(1, 0).registers[ecx] >> 27) & 1U) != 0;
  const std::uint64_t saved = asks ? saved_state() : 0;
  const auto enabled = [&](State state) {
    constexpr std::uint64_t avx = 0x6, avx512 = 0xe6, amx = 0x60000;
    switch (state) {
      case State::none: return true;
      case State::avx: return (saved & avx) == avx;
      case State::avx512: return (saved & avx512) == avx512;
      case State::amx: return (saved & amx) == amx;
    }
    return false;
  };
  for (const Feature& feature : features) {
    const Leaf leaf(feature.leaf, feature.subleaf);
    if (((leaf.registers[feature.where] >> feature.bit) & 1U) != 0 && enabled(feature.state))
      cpu.features.insert(feature.name);
  }
  return cpu;
}

#elif defined(__aarch64__) && defined(__linux__)

CpuFacts detect_cpu() {
  CpuFacts cpu;
  cpu.family = "aarch64";
  // Bits of AT_HWCAP and AT_HWCAP2 in order, by the kernel's names.
  static constexpr const char* low[] = {"fp", "asimd", "evtstrm", "aes", "pmull", "sha1", "sha2", "crc32",
                                        "atomics", "fphp", "asimdhp", "cpuid", "asimdrdm", "jscvt", "fcma",
                                        "lrcpc", "dcpop", "sha3", "sm3", "sm4", "asimddp", "sha512", "sve",
                                        "asimdfhm", "dit", "uscat", "ilrcpc", "flagm", "ssbs", "sb", "paca", "pacg"};
  static constexpr const char* high[] = {"dcpodp", "sve2", "sveaes", "svepmull", "svebitperm", "svesha3",
                                         "svesm4", "flagm2", "frint", "svei8mm", "svef32mm", "svef64mm",
                                         "svebf16", "i8mm", "bf16", "dgh", "rng"};
  const unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
  for (std::size_t i = 0; i < std::size(low); ++i)
    if ((first >> i) & 1UL) cpu.features.insert(low[i]);
  for (std::size_t i = 0; i < std::size(high); ++i)
    if ((second >> i) & 1UL) cpu.features.insert(high[i]);
  const auto id = read_file_if_exists("/sys/devices/system/cpu/cpu0/regs/identification/midr_el1", 64);
  if (id) {
    const unsigned long long value = std::strtoull(id->c_str(), nullptr, 16);
    switch ((value >> 24) & 0xff) {
      case 0x41: cpu.vendor = "ARM"; break;
      case 0x43: cpu.vendor = "Cavium"; break;
      case 0x46: cpu.vendor = "Fujitsu"; break;
      default: break;
    }
  }
  return cpu;
}

#elif defined(__powerpc64__) && defined(__linux__)

CpuFacts detect_cpu() {
  CpuFacts cpu;
  cpu.family = "ppc64le";
  const unsigned long platform = getauxval(AT_PLATFORM);  // "power9"
  if (platform != 0) {
    const std::string_view text = reinterpret_cast<const char*>(platform);
    if (text.starts_with("power"))
      if (const auto number = parse_unsigned(text.substr(5))) cpu.generation = static_cast<int>(*number);
  }
  return cpu;
}

#else

CpuFacts detect_cpu() { return {}; }

#endif

}  // namespace envtool
