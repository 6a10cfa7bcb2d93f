#pragma once

#include <optional>
#include <span>
#include <stop_token>
#include <string>

#include "envtool/base/digest.hpp"
#include "envtool/records/package_record.hpp"
#include "folder.hpp"

namespace envtool {

/// The digest of a whole file. Throws `Error` (also interrupted).
Sha256 file_sha256(const std::string& path, const std::stop_token& stop);

/// An archive in one of the caches that has the record's size and digest. A record without any digest
/// finds none.
std::optional<std::string> find_archive(std::span<const std::string> directories, const RepoDataRecord& record,
                                        const std::stop_token& stop);

/// Where to download the record's archive to: the plain name, unless that is taken by the archive of
/// another package of this name.
std::string download_target(const CacheFolder& folder, const RepoDataRecord& record, const std::stop_token& stop);

/// For a `file://` record without digests the digest of the file as it is now, so that a package that was
/// built anew at the same place is not taken for the old one.
void take_digest_from_local_file(RepoDataRecord& record, const std::stop_token& stop);

}  // namespace envtool
