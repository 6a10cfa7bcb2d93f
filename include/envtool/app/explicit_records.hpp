#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "envtool/app/request.hpp"
#include "envtool/envfile/spec_file.hpp"

namespace envtool {

/// The archives of an `@EXPLICIT` file as records: name, version and build from the file name,
/// channel and subdir from the URL. What only the archive knows (dependencies) is read from it
/// when it is unpacked. Throws `Error` (invalid_input) for a name that is no archive's or a
/// subdir that is not of this platform.
std::vector<RepoDataRecord> records_of(const ExplicitSpec& spec, const Platform& platform, const std::string& origin);

/// The archive that a URL or path given as a spec means.
RepoDataRecord record_of(const MatchSpec& spec, const Platform& platform, const EnvSnapshot& environment);

/// Puts the packages of a lock file into the request: `explicit_records` and, for pip packages of
/// the lock, `pip`. Throws `Error` when the lock has nothing for the platform.
void take_lock(std::string_view text, const std::string& origin, const std::vector<std::string>& categories,
               EnvironmentRequest& request);

}  // namespace envtool
