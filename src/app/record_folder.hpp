#pragma once

#include <optional>
#include <string>
#include <vector>

#include "envtool/app/verify.hpp"
#include "envtool/prefix/revision.hpp"
#include "envtool/records/prefix_record.hpp"

namespace envtool::detail {

/// A `conda-meta/*.json` document that is not as it should be.
struct BadRecord {
  std::string file;  ///< its name
  ProblemKind kind = ProblemKind::record_damaged;
  /// Of the package that it is, or ought to be, about; empty when even that is not known.
  std::string name, dist;
  /// When it can be read.
  std::optional<PrefixRecord> record;
  std::string why;
};

/// The records of an environment, the usable ones and the others. Unlike `PrefixData` it never gives up.
struct RecordFolder {
  /// One for each name, sorted by name.
  std::vector<PrefixRecord> records;
  std::vector<BadRecord> bad;
  /// Packages that the history has and that no document is about, as `name-version-build`.
  std::vector<std::string> missing;
  /// Packages that are not as the history says: other tools that do not write it.
  std::vector<std::string> unknown_to_history;
  /// Absent when it cannot be read; `history_problem` says why then.
  std::optional<RevisionStore> revisions;
  std::string history_problem;

  const PrefixRecord* find(std::string_view name) const;
};
RecordFolder read_record_folder(const Prefix& prefix);

/// The name in `name-version-build`, or empty.
std::string name_of_dist(const std::string& dist);

}  // namespace envtool::detail
