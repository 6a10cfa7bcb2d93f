#pragma once

#include <cstdint>
#include <string_view>

#include "envtool/records/package_record.hpp"
#include "envtool/specs/match_spec.hpp"

namespace envtool {

/// Whether a record answers a spec (CEP 29), with all fields that a record has. `version` is the record's,
/// parsed; `channel_name` the short name of its channel, or empty.
bool matches(const MatchSpec& spec, const RepoDataRecord& record, const Version& version, std::string_view channel_name);

/// When the record was released for a release cutoff: indexed (CEP 47), else built; milliseconds since the
/// epoch, 0 where neither is known.
std::uint64_t release_time(const PackageRecord& record);

}  // namespace envtool
