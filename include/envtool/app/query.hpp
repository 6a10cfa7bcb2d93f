#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/app/change.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "envtool/records/package_record.hpp"
#include "envtool/specs/channel.hpp"
#include "envtool/specs/match_spec.hpp"

namespace envtool {

/// The records that a query looks at: those of channels, which are read by name from their indices,
/// or those of one environment.
class RecordSource {
 public:
  /// Nothing is read before the first query. `inputs` must outlive the source. Records released later
  /// than the settings allow (`exclude_newer`) are not shown. Queries throw what a `RepoDataGateway` throws.
  static RecordSource of_channels(const AppInputs& inputs, std::vector<Channel> channels, std::vector<std::string> subdirs);
  static RecordSource of_environment(const AppInputs& inputs, const Prefix& prefix, const PrefixData& data);
  ~RecordSource();
  RecordSource(RecordSource&&) noexcept;

  /// Every package name, sorted, each once.
  std::vector<std::string> names();
  using Visitor = std::function<void(const RepoDataRecord&)>;
  /// Shows all records of the names, in any order; none is kept, so that a whole channel can be looked
  /// at in little memory. Where a broken cache had to be made good some may be shown twice.
  void visit(std::vector<std::string> names, const Visitor& visitor);
  /// Tells that so many names will be visited, a part of them at a time.
  void expect(std::size_t name_count);
  /// Fetches what looking at these names will need, all at once.
  void prefetch(std::vector<std::string> names);
  bool matches(const MatchSpec& spec, const RepoDataRecord& record) const;
  /// True when conda would rather take `left` (channel, track_features, version, build number, time).
  bool is_better(const RepoDataRecord& left, const RepoDataRecord& right) const;
  /// Where the record's channel stands; 0 has the highest priority.
  std::size_t channel_position(const RepoDataRecord& record) const;
  /// The best record that matches, or nothing.
  std::optional<RepoDataRecord> best(const MatchSpec& spec);
  /// True when release cutoffs are in force, so that a name may have no records to show.
  bool hides_records() const;
  /// True for the records of an environment.
  bool is_environment() const;
  /// What an error names as the place that was searched.
  const std::vector<std::string>& places() const;

 private:
  struct Implementation;
  explicit RecordSource(std::unique_ptr<Implementation> implementation);
  std::unique_ptr<Implementation> implementation_;
};

/// Told the matching records of one name, oldest version first, of one archive the `.conda` form.
using RecordSink = std::function<void(const std::string& name, std::vector<RepoDataRecord>& records)>;
/// Looks for records that match any of the specs (none: all records) and tells them name by name, sorted.
/// A spec of a mere name that no package has is taken for a part of names; `widened` is told the
/// patterns used. Throws `Error` (packages_not_found), with the names spelled alike or the versions
/// that there are, before the sink is told anything.
void search_records(RecordSource& source, std::vector<MatchSpec> specs, const RecordSink& sink,
                    std::vector<std::string>* widened = nullptr);

/// Packages and what ties them together; node 0 is the one that was asked for.
struct DependencyGraph {
  enum class Kind {
    package,
    virtual_package,  ///< what a machine offers; only the name of the record is set
    missing           ///< no record answers the spec; only the name of the record is set
  };
  struct Edge {
    std::size_t to = 0;
    /// The dependency as the record has it; several of one name are joined by `, `.
    std::string spec;
  };
  struct Node {
    Kind kind = Kind::package;
    RepoDataRecord record;
    /// For what is no package: the dependency's text.
    std::string spec;
    /// Other records of this name that are an answer, too.
    std::size_t others = 0;
    /// Sorted by the names that they lead to.
    std::vector<Edge> edges;
  };
  std::vector<Node> nodes;
};

/// What the best record that matches depends on, and, when `recursive`, what that depends on. Each
/// dependency stands for the best record that satisfies it, if possible one that is in the graph
/// already; nothing is solved. Throws `Error` (packages_not_found).
DependencyGraph find_dependencies(RecordSource& source, const MatchSpec& spec, bool recursive);
/// The packages with a record that depends on one of those that match, each by the best such
/// record, and, when `recursive`, who depends on them. Virtual packages can be asked for by name, or
/// by `name=version`. Throws `Error` (packages_not_found).
DependencyGraph find_dependents(RecordSource& source, const MatchSpec& spec, bool recursive);
/// The error of these two for a spec that no record of the source answers.
Error not_found(RecordSource& source, const std::vector<MatchSpec>& specs);

/// Why a package is in an environment.
struct PresenceReason {
  /// Nothing for a virtual package.
  std::optional<RepoDataRecord> record;
  std::string name;
  /// For a virtual package: what this machine offers, `version` or `version build`, or empty.
  std::string offered;
  bool is_virtual = false;
  /// The specs by which it was asked for itself.
  std::vector<std::string> requested_as;
  struct Dependent {
    RepoDataRecord record;
    std::string spec;
  };
  /// Installed packages that depend on it, sorted by name.
  std::vector<Dependent> needed_by;
  /// From each other requested package that leads to it a shortest way, by names: the requested one
  /// first, itself last. Short ones first.
  std::vector<std::vector<std::string>> chains;
  /// Whether the environment knows of anything that was requested.
  bool any_requested = false;

  /// Nobody asked for it, and nothing that somebody asked for needs it.
  bool is_orphan() const { return record && any_requested && requested_as.empty() && chains.empty(); }
};

/// Throws `Error` (packages_not_found) for a package that is not installed. Never for a virtual one.
PresenceReason explain_presence(const AppInputs& inputs, const Prefix& prefix, const std::string& name);

/// What keeps a package out.
struct AbsenceReason {
  enum class Outcome {
    installed,  ///< it is there
    possible,   ///< it could be
    impossible  ///< something stands against it
  };
  Outcome outcome = Outcome::possible;
  /// The record that answers the spec, unless it is impossible.
  std::optional<RepoDataRecord> record;
  /// What would be different with it.
  Transaction transaction;
  /// Why it is not there already, sentences.
  std::vector<std::string> notes;
  /// Why it is impossible: headline, tree of reasons, hints.
  std::optional<Error> obstacle;
  std::vector<std::string> warnings;
};

/// Whether an environment could take the spec up, all its packages free to move, its wishes and pins
/// upheld. `request` has the channels and whatever else shall hold; nothing is changed.
AbsenceReason explain_absence(const AppInputs& inputs, const Prefix& prefix, const EnvironmentRequest& request,
                              const MatchSpec& spec, const SolveChoices& choices);
/// The same for an environment that is yet to be made from `request`.
AbsenceReason explain_absence(const AppInputs& inputs, const EnvironmentRequest& request, const MatchSpec& spec);

}  // namespace envtool
