#pragma once

#include <cstddef>
#include <string>
#include <string_view>
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
    chosen,             ///< a case: what follows if `package` were taken
    more                ///< stands for reasons left out; `detail` says how many
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
  /// The package's name.
  std::string name;
  /// Unknown name: names that are spelled alike, best first.
  std::vector<std::string> closest;
  /// Known name: what there is of it, as a sentence (`there are 1.20, 1.21, ..., 1.26`).
  std::string available;
};

/// A change to the request with which there is a solution: it was tried by solving.
struct Suggestion {
  enum class Kind {
    loosen_spec,        ///< `replacement` in place of the requested `spec`
    drop_spec,          ///< the request without `spec`
    loosen_pin,         ///< without the pin `spec`, or with `replacement` in its place
    unfreeze,           ///< let the installed package `spec` change; all of them when it is `*`
    flexible_channels,  ///< with the channel priority `flexible`
    use_channel,        ///< `replacement` (`channel::name`) in addition or in place of `spec`
    lift_date_limit,    ///< without the date limit, or with the limit `replacement` (ISO 8601 day)
    assume_virtual,     ///< on a machine that has the virtual package `replacement` (`__glibc=2.34`)
    other_name,         ///< `replacement`, which is spelled alike, in place of `spec`
    other_platform      ///< the package `spec` exists for the platform `replacement`
  };
  Kind kind = Kind::drop_spec;
  std::string spec;
  std::string replacement;
  /// What would be installed then, of the packages in question: `numpy 1.26.4`.
  std::vector<std::string> outcome;
  /// False when it settles the conflict that is explained, but there is another one in the request.
  bool complete = true;
  /// The whole as a sentence without a full stop.
  std::string text;
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
  /// What would give a solution, the smallest changes first.
  std::vector<Suggestion> suggestions;
};

/// `requested`, `needs`, ...: for structured output.
std::string_view kind_name(ConflictReason::Kind kind);
std::string_view kind_name(Suggestion::Kind kind);

/// What is the matter, in one line: `` `a` and `b` cannot be installed together ``.
std::string headline(const Unsolvable& unsolvable);

/// The reasons, to be read below the headline: a sentence, a list, or a tree of plain text (UTF-8
/// line drawing); without a trailing newline.
std::string explain(const Unsolvable& unsolvable);

}  // namespace envtool
