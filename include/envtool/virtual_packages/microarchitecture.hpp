#pragma once

#include <set>
#include <string>
#include <string_view>

namespace envtool {

/// What the processor says of itself.
struct CpuFacts {
  /// Root of the family: `x86_64`, `aarch64`, `ppc64le`, ...
  std::string family;
  /// `GenuineIntel`, `AuthenticAMD`, `ARM`, `Fujitsu`, ...; empty when unknown.
  std::string vendor;
  /// Features by the names that Linux gives them (`avx2`, `sse4_1`, `asimd`); only those that the
  /// operating system enabled.
  std::set<std::string, std::less<>> features;
  /// Generation of a POWER processor, else 0.
  int generation = 0;
};

/// The most specific known microarchitecture whose features the processor has, by archspec's name
/// (`x86_64_v3`, `zen4`, `icelake`); the family's name when none fits.
std::string microarchitecture_name(const CpuFacts& cpu);

/// archspec's generic name for a platform (CEP 30, appendix A): `linux-64` gives `x86_64`.
std::string generic_microarchitecture(std::string_view platform);

}  // namespace envtool
