#pragma once

#include <string>
#include <vector>

#include "envtool/app/change.hpp"
#include "envtool/download/fetcher.hpp"
#include "envtool/repodata/repodata_gateway.hpp"
#include "envtool/settings/settings.hpp"

namespace envtool {

/// How envtool talks to servers with these settings.
FetchOptions fetch_options(const Settings& settings, const EnvSnapshot& environment);

/// How channel records are looked up with these settings.
RepoDataOptions repodata_options(const Settings& settings);

/// What the platform's machine offers (CEP 30): what the machine profile of the settings says; else asked
/// of this machine when it is one of that platform, else sensible defaults. `CONDA_OVERRIDE_*` variables
/// come before all of these. Throws `Error` (invalid_input) for a profile that cannot be used.
std::vector<PackageRecord> virtual_packages(const Platform& platform, const Settings& settings,
                                            const EnvSnapshot& environment);

/// The release cutoffs of the settings, as of now, for a solve from these channels.
void set_release_cutoffs(SolveOptions& options, const Settings& settings, const std::vector<Channel>& channels,
                         const EnvSnapshot& environment);

}  // namespace envtool
