#pragma once

#include <string>
#include <string_view>

#include "envtool/lockfile/lockfile.hpp"

namespace envtool {

/// What a lock must say of an archive to be trusted.
enum class LockDigests {
  require_sha256,
  allow_md5,  ///< old locks of channels that publish MD5 only; the user has to ask for it
};

/// Parses a conda-lock.yml, version 1 (CEP 37), written by conda-lock, micromamba or envtool. Throws
/// `Error` (invalid_input) with file, line and column for what CEP 37 forbids: names, versions and
/// builds outside CEP 26, wrong digests, URL schemes other than http(s) and file, an archive whose
/// name or subdir is another than the entry says, entries that are there twice, platforms that the
/// metadata does not list; and (checksum) for a missing digest. Keys that are not known are
/// warnings. The text is limited to 128 MiB.
Lockfile parse_conda_lock(std::string_view text, const std::string& origin,
                          LockDigests digests = LockDigests::require_sha256);

/// The text of a conda-lock.yml, version 1. The same packages give the same text: entries sorted by
/// manager, name, platform and category, dependencies by name. No credentials. conda-lock reads it
/// (it needs MD5 digests for conda packages; they are written where known).
std::string to_conda_lock(const Lockfile& lock);

}  // namespace envtool
