#pragma once

#include <string>

#include "envtool/records/package_record.hpp"

namespace envtool {

/// Throws `Error` (unsafe) when name, version, build or file name of a record could not be a plain file name.
void check_record_names(const RepoDataRecord& record);

/// Whether two records speak of the same content: by sha256 where both have one, by md5, or for records
/// without any digest by size, the latter two only together with the URL.
bool same_content(const RepoDataRecord& wanted, const RepoDataRecord& there);

/// `~` and twelve hex digits that tell this content from others of the same name. `~` is no character of
/// package names (CEP 26), so nothing else is called like that.
std::string distinction(const RepoDataRecord& record);

/// `record.fn` with the distinction before its extension.
std::string distinct_file_name(const RepoDataRecord& record);

/// What the wanted record leaves open (digests, size; for a record made from a URL everything but its
/// origin) filled in from the other.
RepoDataRecord completed(const RepoDataRecord& wanted, const RepoDataRecord& there);

}  // namespace envtool
