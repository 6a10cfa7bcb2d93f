#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "envtool/app/change.hpp"
#include "envtool/prefix/revision.hpp"
#include "envtool/records/prefix_record.hpp"

namespace envtool::detail {

/// The wishes that still hold, by package name: of the history, and of the records where there is none.
std::map<std::string, std::vector<std::string>> requested_specs(const History& history, std::span<const PrefixRecord> records);

/// An environment as it is. Pip packages have the bundles that earlier revisions know.
EnvironmentState observe_state(const Prefix& prefix, std::span<const PrefixRecord> records, const RevisionStore& store,
                               const std::vector<std::string>& pkgs_dirs);

/// The text of `conda-meta/pinned` as it may be stored: without credentials.
std::optional<std::string> pinned_text(const Prefix& prefix);

/// The packages of a revision that envtool did not record, found by their names in the environment, in other
/// revisions and in the package caches. Throws `Error` (packages_not_found) naming those that are nowhere.
std::vector<RepoDataRecord> find_unrecorded(const RevisionStore& store, std::size_t number, std::span<const PrefixRecord> installed,
                                            const std::vector<std::string>& pkgs_dirs);

}  // namespace envtool::detail
