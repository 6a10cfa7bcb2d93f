#pragma once

#include <functional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/os/environment.hpp"
#include "envtool/prefix/prefix.hpp"
#include "envtool/records/prefix_record.hpp"

namespace envtool {

/// The `pip:` section of one environment.yml.
struct PipSection {
  /// Lines of a requirements file, as written.
  std::vector<std::string> requirements;
  /// The folder of the file: what relative paths are relative to.
  std::string folder;
  /// The file, for messages.
  std::string origin;
  /// The lines pin archives with digests: pip checks them and adds nothing of its own.
  bool locked = false;
};

struct PipOptions {
  /// No request is sent: only what `--find-links` and local paths give.
  bool offline = false;
  /// Upgrade packages that are there already.
  bool upgrade = false;
  /// Told pip's output as it comes.
  std::function<void(std::string_view)> on_output;
};

/// Runs the environment's own `python -m pip install` on a section, in the section's folder. Packages
/// that are there and fit stay as they are: nothing is upgraded silently. Throws `Error`
/// (child_failed) with pip's exit code; (environment_not_found) when the environment has no pip.
void install_pip_section(const Prefix& prefix, const PipSection& section, const EnvSnapshot& environment,
                         const PipOptions& options, std::stop_token stop = {});

/// A Python package that no conda package brought.
struct PipPackage {
  std::string name;
  std::string version;
  /// Where it was installed from when that was no index (PEP 610), without credentials; else empty.
  std::string direct_url;
  bool editable = false;
};

/// The packages below the environment's site-packages that no record of conda-meta owns, sorted by name.
std::vector<PipPackage> pip_packages(const Prefix& prefix, std::span<const PrefixRecord> records);

}  // namespace envtool
