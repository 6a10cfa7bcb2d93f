#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace envtool {

/// Why one spec cannot be satisfied; a node of the explanation.
struct ConflictReason {
  enum class Kind {
    requested,          ///< the user asked for `spec`
    frozen,             ///< an installed package that must stay
    needs,              ///< `package` (versions merged) needs `spec`
    forbids,            ///< `package` allows its neighbour only as `spec` (constrains)
    not_found,          ///< no channel has a package of that name
    no_version,         ///< the name is known, but nothing matches `spec`
    missing_virtual,    ///< the machine does not offer `spec`; `detail` says what it has
    excluded,           ///< candidates exist but are ruled out (`detail`: channel priority, date, ...)
    invalid,            ///< the record's metadata cannot be understood
    chosen              ///< a case: what follows if `package` were taken
  };
  Kind kind = Kind::needs;
  /// `name version, version, ..., version` of the candidates that this node speaks of, or empty.
  std::string package;
  /// The spec in question.
  std::string spec;
  /// What to say in addition, for example the version that the machine has.
  std::string detail;
  std::vector<ConflictReason> causes;
};

/// A wish that no record of the channels answers.
struct MissingPackage {
  std::string spec;
  /// Unknown name: names that are spelled alike, best first.
  std::vector<std::string> closest;
  /// Known name: the versions that there are (`1.20, 1.21, ..., 1.26`).
  std::string available;
};

/// The reasons why a request has no solution.
struct Unsolvable {
  enum class Kind {
    packages_not_found,  ///< requested names or versions that no channel has
    conflict             ///< the wishes cannot stand together
  };
  Kind kind = Kind::conflict;
  /// Only for `packages_not_found`.
  std::vector<MissingPackage> missing;
  /// Why the wishes below cannot be had together.
  std::vector<ConflictReason> reasons;
  /// A smallest set of wishes in conflict: without any one of them there is a solution.
  std::vector<std::string> conflicting_specs, conflicting_pins, conflicting_frozen;
  /// What else would give a solution.
  bool solvable_without_date_limit = false;
  bool solvable_with_flexible_channels = false;
};

/// The reasons as a tree of plain text (UTF-8 line drawing), without a trailing newline.
std::string explain(const Unsolvable& unsolvable);

}  // namespace envtool
