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

/// What the platform's machine offers (CEP 30): asked of this machine when it is one of that
/// platform, else sensible defaults; `CONDA_OVERRIDE_*` variables count in both cases.
std::vector<PackageRecord> virtual_packages(const Platform& platform, const EnvSnapshot& environment);

}  // namespace envtool
