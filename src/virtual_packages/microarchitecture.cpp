#include "envtool/virtual_packages/microarchitecture.hpp"

#include <algorithm>
#include <vector>

#include "envtool/base/text.hpp"

namespace envtool {
namespace {

/// A microarchitecture: what it adds to its parents. Names and features are archspec's.
struct Entry {
  std::string_view name;
  std::string_view parents;
  std::string_view vendor;  // empty: any
  std::string_view adds;
};

// Parents come before their children.
constexpr Entry x86_table[] = {
    {"x86_64", "", "", ""},
    {"x86_64_v2", "x86_64", "", "cx16 lahf_lm mmx sse sse2 ssse3 sse4_1 sse4_2 popcnt"},
    {"x86_64_v3", "x86_64_v2", "", "avx avx2 bmi1 bmi2 f16c fma abm movbe xsave"},
    {"x86_64_v4", "x86_64_v3", "", "avx512f avx512bw avx512cd avx512dq avx512vl"},
    {"nocona", "x86_64", "GenuineIntel", "mmx sse sse2"},
    {"core2", "nocona", "GenuineIntel", "ssse3"},
    {"nehalem", "core2 x86_64_v2", "GenuineIntel", ""},
    {"westmere", "nehalem", "GenuineIntel", "pclmulqdq"},
    {"sandybridge", "westmere", "GenuineIntel", "avx aes"},
    {"ivybridge", "sandybridge", "GenuineIntel", "rdrand f16c"},
    {"haswell", "ivybridge x86_64_v3", "GenuineIntel", ""},
    {"broadwell", "haswell", "GenuineIntel", "rdseed adx"},
    {"skylake", "broadwell", "GenuineIntel", "clflushopt xsavec xsaveopt"},
    {"skylake_avx512", "skylake x86_64_v4", "GenuineIntel", "clwb"},
    {"cascadelake", "skylake_avx512", "GenuineIntel", "avx512_vnni"},
    {"cannonlake", "skylake x86_64_v4", "GenuineIntel", "avx512vbmi avx512ifma sha_ni umip"},
    {"icelake", "cascadelake cannonlake", "GenuineIntel",
     "rdpid gfni avx512_vbmi2 avx512_vpopcntdq avx512_bitalg vpclmulqdq vaes"},
    {"sapphirerapids", "icelake", "GenuineIntel",
     "avx512_bf16 avx512_fp16 amx_tile amx_int8 amx_bf16 avx_vnni cldemote movdir64b movdiri serialize waitpkg"},
    {"k10", "x86_64", "AuthenticAMD", "mmx sse sse2 sse4a abm cx16 3dnow 3dnowext"},
    {"bulldozer", "x86_64_v2", "AuthenticAMD", "sse4a abm avx xop fma4 aes pclmulqdq"},
    {"piledriver", "bulldozer", "AuthenticAMD", "bmi1 f16c fma tbm"},
    {"steamroller", "piledriver", "AuthenticAMD", "fsgsbase"},
    {"excavator", "steamroller x86_64_v3", "AuthenticAMD", ""},
    {"zen", "x86_64_v3", "AuthenticAMD", "aes clflushopt clzero fsgsbase pclmulqdq rdseed sse4a xsavec xsaveopt"},
    {"zen2", "zen", "AuthenticAMD", "clwb"},
    {"zen3", "zen2", "AuthenticAMD", "vaes vpclmulqdq pku"},
    {"zen4", "zen3 x86_64_v4", "AuthenticAMD",
     "avx512_bf16 avx512_bitalg avx512_vbmi2 avx512_vnni avx512_vpopcntdq avx512ifma avx512vbmi gfni"},
    {"zen5", "zen4", "AuthenticAMD", "avx_vnni movdir64b movdiri avx512_vp2intersect"},
};

constexpr Entry arm_table[] = {
    {"aarch64", "", "", ""},
    {"cortex_a72", "aarch64", "ARM", "fp asimd evtstrm aes pmull sha1 sha2 crc32 cpuid"},
    {"neoverse_n1", "cortex_a72", "ARM", "atomics fphp asimdhp asimdrdm lrcpc dcpop asimddp"},
    {"neoverse_v1", "neoverse_n1", "ARM",
     "jscvt fcma sha3 sm3 sm4 sha512 sve asimdfhm dit uscat ilrcpc flagm dcpodp i8mm bf16 rng"},
    {"neoverse_v2", "neoverse_n1", "ARM",
     "sve asimdfhm uscat ilrcpc flagm sb dcpodp sve2 flagm2 frint svei8mm svebf16 i8mm bf16"},
    {"neoverse_n2", "neoverse_n1", "ARM",
     "sve asimdfhm uscat ilrcpc flagm sb dcpodp sve2 flagm2 frint svei8mm svebf16 i8mm bf16 svebitperm svesha3 svesm4"},
    {"thunderx2", "aarch64", "Cavium", "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics cpuid asimdrdm"},
    {"a64fx", "aarch64", "Fujitsu",
     "fp asimd evtstrm sha1 sha2 crc32 atomics cpuid asimdrdm fphp asimdhp fcma dcpop sve"},
};

struct Target {
  const Entry* entry;
  std::set<std::string_view> ancestors;
  std::set<std::string_view> features;
};

template <std::size_t size>
std::vector<Target> unfold(const Entry (&table)[size]) {
  std::vector<Target> targets;
  for (const Entry& entry : table) {
    Target target{&entry, {}, {}};
    for (const auto parent : split_whitespace(entry.parents)) {
      const auto known = std::find_if(targets.begin(), targets.end(),
                                      [&](const Target& other) { return other.entry->name == parent; });
      target.ancestors.insert(parent);
      target.ancestors.insert(known->ancestors.begin(), known->ancestors.end());
      target.features.insert(known->features.begin(), known->features.end());
    }
    for (const auto feature : split_whitespace(entry.adds)) target.features.insert(feature);
    targets.push_back(std::move(target));
  }
  return targets;
}

/// archspec's rule: the best level without a vendor, then the deepest of the vendor's
/// microarchitectures above that level, so that one feature switched off in the firmware costs
/// little.
std::string best_of(const std::vector<Target>& targets, const CpuFacts& cpu) {
  const auto deeper = [](const Target* a, const Target* b) {
    return std::make_pair(a->ancestors.size(), a->features.size()) <
           std::make_pair(b->ancestors.size(), b->features.size());
  };
  std::vector<const Target*> generic, specific;
  for (const Target& target : targets) {
    const bool has_all = std::all_of(target.features.begin(), target.features.end(),
                                     [&](std::string_view feature) { return cpu.features.contains(feature); });
    if (!has_all) continue;
    if (target.entry->vendor.empty()) generic.push_back(&target);
    else if (target.entry->vendor == cpu.vendor) specific.push_back(&target);
  }
  const Target* level = *std::max_element(generic.begin(), generic.end(), deeper);
  std::erase_if(specific, [&](const Target* target) { return !target->ancestors.contains(level->entry->name); });
  if (specific.empty()) return std::string(level->entry->name);
  return std::string((*std::max_element(specific.begin(), specific.end(), deeper))->entry->name);
}

}  // namespace

std::string microarchitecture_name(const CpuFacts& cpu) {
  if (cpu.family == "x86_64") return best_of(unfold(x86_table), cpu);
  if (cpu.family == "aarch64") return best_of(unfold(arm_table), cpu);
  if (cpu.family == "ppc64le" && cpu.generation >= 8)
    return "power" + std::to_string(std::min(cpu.generation, 10)) + "le";
  return cpu.family;
}

std::string generic_microarchitecture(std::string_view platform) {
  const std::string_view machine = platform.substr(platform.find('-') + 1);
  if (machine == "32") return "x86";
  if (machine == "64") return "x86_64";
  if (machine == "arm64") return "aarch64";
  return std::string(machine);
}

}  // namespace envtool
