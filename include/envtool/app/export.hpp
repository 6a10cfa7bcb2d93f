#pragma once

#include <string>
#include <vector>

#include "envtool/app/pip.hpp"
#include "envtool/envfile/environment_spec.hpp"
#include "envtool/os/environment.hpp"
#include "envtool/prefix/prefix.hpp"
#include "envtool/settings/settings.hpp"

namespace envtool {

/// What `env export` writes.
struct ExportOptions {
  /// Leave the build strings out (`--no-builds`).
  bool no_builds = false;
  /// Only what the user asked for (`--from-history`).
  bool from_history = false;
};

/// An installed environment as an environment.yml would say it (CEP 24): channels, packages with
/// version and build, pip packages, variables, prefix.
EnvironmentSpec export_environment(const Prefix& prefix, const std::string& name, const ExportOptions& options);

/// An installed environment as an `@EXPLICIT` list (CEP 23).
std::string export_explicit(const Prefix& prefix, const std::string& digest);

}  // namespace envtool
