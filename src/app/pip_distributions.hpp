#pragma once

#include <map>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/app/change.hpp"
#include "envtool/base/digest.hpp"
#include "envtool/package_cache/bundle.hpp"
#include "envtool/prefix/prefix.hpp"
#include "envtool/prefix/revision.hpp"
#include "envtool/records/prefix_record.hpp"

namespace envtool::detail {

/// The Python packages of an environment that no conda package brought, sorted by name. None has a bundle yet.
std::vector<PipDistribution> installed_distributions(const Prefix& prefix, std::span<const PrefixRecord> records);

/// A file that a distribution says is its own.
struct DistributionFile {
  /// Relative to the prefix.
  std::string path;
  /// Absent for byte code and for the manifest itself.
  std::optional<Sha256> sha256;
};

/// What a distribution's `RECORD` lists (PEP 376, PEP 627) and is there, sorted.
struct DistributionFiles {
  std::vector<DistributionFile> files;
  /// What it lists and is not there.
  std::vector<std::string> missing;
  /// Why the distribution cannot be taken away or kept as a whole; empty when it can.
  std::string problem;
};
DistributionFiles distribution_files(const Prefix& prefix, const PipDistribution& distribution);

/// Parses the text of a `RECORD`: its first two columns. A path is as written.
std::vector<std::pair<std::string, std::string>> parse_record_table(std::string_view text);

/// Gives every distribution the bundle that `known` has for it, when that is still there.
void find_bundles(std::vector<PipDistribution>& distributions, const std::vector<PipDistribution>& known,
                  const BundleStore& bundles);
/// Keeps the files of those that have no bundle. What cannot be kept is told as a warning.
void keep_bundles(const AppInputs& inputs, const Prefix& prefix, std::vector<PipDistribution>& distributions, BundleStore& bundles);

}  // namespace envtool::detail
