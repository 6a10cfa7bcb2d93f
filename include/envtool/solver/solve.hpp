#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "envtool/records/package_record.hpp"
#include "envtool/solver/candidate_index.hpp"
#include "envtool/solver/unsolvable.hpp"
#include "envtool/specs/match_spec.hpp"

namespace envtool {

/// What the order of channels means (conda's `channel_priority`).
enum class ChannelPriority {
  strict,    ///< a name comes only from the first channel that has it
  flexible,  ///< candidates of an earlier channel are preferred, whatever their versions
  disabled   ///< the channel decides only between equal versions
};

/// Whether the dependencies of the chosen packages are looked at.
enum class DependencyMode {
  all,
  none  ///< only the requested packages themselves (`--no-deps`)
};

/// Options of a solve.
struct SolveOptions {
  ChannelPriority channel_priority = ChannelPriority::strict;
  DependencyMode dependencies = DependencyMode::all;
  /// Records indexed (CEP 47) or else built after this moment do not count; milliseconds since the
  /// epoch, 0: no limit. Installed packages stay whatever their age.
  std::uint64_t exclude_newer_ms = 0;
  /// The same for single names, and for channels by their number in the index: a name's comes before a
  /// channel's, a channel's before the one for all.
  std::map<std::string, std::uint64_t, std::less<>> exclude_newer_packages;
  std::map<std::uint32_t, std::uint64_t> exclude_newer_channels;

  /// The limit that holds for a package of a channel; 0: none.
  std::uint64_t date_limit(std::string_view name, std::uint32_t channel) const {
    if (const auto found = exclude_newer_packages.find(name); found != exclude_newer_packages.end()) return found->second;
    if (const auto found = exclude_newer_channels.find(channel); found != exclude_newer_channels.end()) return found->second;
    return exclude_newer_ms;
  }
};

/// What is in the environment and what may happen to it.
struct InstalledPackages {
  /// The records as conda-meta has them; must outlive the solution.
  std::vector<const RepoDataRecord*> records;
  /// Must stay exactly as they are, or the request is unsolvable.
  std::vector<std::string> freeze;
  /// Move to the best candidate instead of staying where possible.
  std::vector<std::string> update;
  /// Go away, together with the installed packages that depend on them.
  std::vector<std::string> remove;
  bool freeze_all = false;
  bool update_all = false;
  /// Drop installed packages that no requested spec needs any more.
  bool prune_orphans = false;
};

/// The names given and, sorted in, those of the installed packages that cannot stay without them:
/// what a removal takes along. Drop the wishes for these from `SolveRequest::specs`.
std::vector<std::string> removed_with(const std::vector<const RepoDataRecord*>& installed,
                                      const std::vector<std::string>& names);

/// Everything that a solve depends on; nothing is read from elsewhere.
struct SolveRequest {
  const CandidateIndex* candidates = nullptr;
  /// What the machine offers (CEP 30); only name, version and build count.
  std::vector<PackageRecord> virtual_packages;
  /// What the user wants (also the wishes of earlier commands that still hold). A package that is
  /// installed and satisfies its spec stays as it is, unless it is among `installed.update`.
  std::vector<MatchSpec> specs;
  /// Hold for a package only if it gets installed (`pinned_packages`, python's minor version, ...).
  std::vector<MatchSpec> pins;
  InstalledPackages installed;
  SolveOptions options;
  /// All names that the channels have, for suggestions when a name is unknown; asked only then.
  /// Without it the names of `candidates` are used.
  std::function<std::vector<std::string>()> known_names;
};

/// The packages that the environment shall consist of.
struct Solution {
  struct Package {
    /// A record of the request's candidates or of its installed packages.
    const RepoDataRecord* record = nullptr;
    /// True when this is an installed record that stays.
    bool installed = false;
  };
  /// Dependencies before what needs them; the same order for the same request.
  std::vector<Package> packages;
};

/// How much work a solve was; for benchmarks and `-v`.
struct SolveStatistics {
  std::size_t names = 0;              ///< names looked at
  std::size_t candidates = 0;         ///< their candidates
  std::size_t solver_candidates = 0;  ///< what was left for the SAT solver
};

/// Chooses packages as conda does: requested packages as new as possible (those on top of the
/// stack first), then their dependencies; for one name: fewer track_features, version, build
/// number, newer dependencies, timestamp. Deterministic: the order of candidates, installed records
/// and specs does not matter. An impossible request is a value that explains itself. Throws `Error`
/// (invalid_input) only for a spec that cannot be understood (`when`, CEP 43).
std::variant<Solution, Unsolvable> solve(const SolveRequest& request, SolveStatistics* statistics = nullptr);

}  // namespace envtool
