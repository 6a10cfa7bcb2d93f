#pragma once

#include <string>
#include <string_view>

#include "envtool/records/package_record.hpp"

namespace envtool {

/// Parses `info/index.json` (CEP 34). Throws `Error` naming `origin` and the field.
PackageRecord parse_index_json(std::string_view text, const std::string& origin);
/// Parses `info/repodata_record.json` as it lies in a package cache.
RepoDataRecord parse_repodata_record(std::string_view text, const std::string& origin);
/// The text of `info/repodata_record.json` (CEP 32), stable key order.
std::string to_json(const RepoDataRecord& record);

}  // namespace envtool
