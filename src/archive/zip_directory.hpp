#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "package_file.hpp"

namespace envtool {

/// One stored (uncompressed) member of a zip file.
struct ZipMember {
  std::string name;
  FileRange data;
  std::uint32_t crc = 0;
};

/// The members of a zip file as its central directory lists them, in the order of their data, each
/// checked against its local header (CEP 35 wants them stored). Understands zip64 and data descriptors.
/// Throws `Error` (corrupt) for anything that two readers could take differently: compressed or
/// encrypted members, differing names or sizes, duplicate names, members that overlap.
std::vector<ZipMember> read_zip_directory(const PackageFile& file);

/// The three parts of a `.conda` file.
struct CondaParts {
  ZipMember info, package;
};
/// Finds them: exactly one `metadata.json` of format 2, one `info-<dist>.tar.zst`, one
/// `pkg-<dist>.tar.zst` with the same `<dist>`. Throws `Error` (corrupt).
CondaParts find_conda_parts(const PackageFile& file);

}  // namespace envtool
