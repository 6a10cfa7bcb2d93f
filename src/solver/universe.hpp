#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "bits.hpp"
#include "condition.hpp"
#include "envtool/solver/solve.hpp"
#include "stable_vector.hpp"

namespace envtool::solving {

using NameId = std::uint32_t;
using CandidateId = std::uint32_t;
using SpecId = std::uint32_t;
inline constexpr std::uint32_t no_id = ~std::uint32_t{0};

/// Why a candidate is out before the search starts.
enum class Exclusion : std::uint8_t { none, request, pin, frozen, removed, channel_priority, too_new, invalid };

/// One distinct spec string.
struct Spec {
  MatchSpec match;
  /// The name it speaks of; of a glob over names: a pseudo name that holds all of them.
  NameId name = no_id;
  /// The condition of a conditional dependency (CEP 43), or null.
  std::unique_ptr<Condition> condition;
  /// Pseudo names of the optional groups asked for (CEP 44).
  std::vector<NameId> extras;
  /// Candidates of `name` that match; valid once the name is loaded.
  Bits matching;
  bool matched = false;
  bool valid = true;
  /// About a virtual package; whether the machine has it.
  bool is_virtual = false;
  bool offered = false;
};

/// One package that could be chosen.
struct Candidate {
  /// Null for the root and for the pseudo candidates of groups; see `Universe::record`.
  const RecordTable::Row* row = nullptr;
  std::uint32_t table = 0;
  std::uint32_t position = 0;  ///< in its table
  NameId name = no_id;
  std::uint32_t channel = 0;
  /// Position of its version among the versions of the name, 0 is the highest.
  std::uint32_t version_rank = 0;
  bool installed = false;
  bool expanded = false;
  /// Not `none` only in a universe that serves an explanation.
  Exclusion exclusion = Exclusion::none;
  /// Specs that must hold when it is installed; unconditional ones first to last as in the record.
  std::span<const SpecId> depends;
  std::span<const SpecId> constrains;
};

/// One name and its candidates, the statically best first.
struct Name {
  enum class Kind { package, root, group };
  std::string text;
  Kind kind = Kind::package;
  bool loaded = false;
  CandidateId first = 0;
  std::uint32_t count = 0;
  std::vector<Version> versions;  ///< distinct, highest first
  std::vector<SpecId> specs;      ///< all specs that speak of it
  /// Of a group: the package's name and the group (CEP 44).
  NameId base = no_id;
  std::string group;
};

/// What the request talks about, interned: names, distinct specs and candidates, loaded name by
/// name on demand. Knows everything that can be said without search: filters of the request, which
/// candidates a spec matches, virtual packages.
class Universe {
 public:
  /// What it is built for.
  enum class Purpose {
    solve,   ///< candidates that the request rules out do not enter at all
    explain  ///< they enter with the reason, so that it can be told
  };
  Universe(const SolveRequest& request, Purpose purpose);

  const SolveRequest& request() const { return request_; }
  CandidateId root() const { return 0; }

  NameId intern_name(std::string_view name);
  /// `text` must outlive the universe.
  SpecId intern_spec(std::string_view text);
  SpecId intern_spec(const MatchSpec& spec);

  /// Makes the candidates of a name known.
  void load(NameId name);
  /// Reads the dependencies of a candidate; false when they cannot be satisfied on this machine.
  bool expand(CandidateId candidate);
  /// The candidates that match; loads the name.
  const Bits& matching(SpecId spec);

  Name& name(NameId id) { return names_[id]; }
  const Name& name(NameId id) const { return names_[id]; }
  Candidate& candidate(CandidateId id) { return candidates_[id]; }
  const Candidate& candidate(CandidateId id) const { return candidates_[id]; }
  Spec& spec(SpecId id) { return specs_[id]; }
  const Spec& spec(SpecId id) const { return specs_[id]; }
  std::size_t name_count() const { return names_.size(); }
  std::size_t candidate_count() const { return candidates_.size(); }
  std::size_t spec_count() const { return specs_.size(); }
  std::uint32_t local(CandidateId id) const { return id - names_[candidates_[id].name].first; }
  /// The record of a candidate that has a row.
  const RepoDataRecord& record(CandidateId id) const {
    return tables_[candidates_[id].table].records->record(candidates_[id].position);
  }
  std::string_view build(const Candidate& candidate) const {
    return tables_[candidate.table].records->text(candidate.row->build);
  }
  const Version& version(CandidateId id) const {
    return names_[candidates_[id].name].versions[candidates_[id].version_rank];
  }

  /// The virtual package of that name, or null.
  const PackageRecord* virtual_package(std::string_view name) const;
  /// True when the machine's virtual package satisfies the spec.
  bool virtual_matches(const MatchSpec& spec) const;
  /// True when the condition holds whatever gets installed, false when it cannot hold, nothing when
  /// it depends on the solution.
  std::optional<bool> condition_value(const Condition& condition) const;

  bool matches(const MatchSpec& spec, const RepoDataRecord& record, const Version& version,
               std::uint32_t channel) const;
  bool is_removed(std::string_view name) const { return removed_.contains(name); }
  bool is_update(std::string_view name) const {
    return request_.installed.update_all || update_.contains(name);
  }
  bool is_frozen(std::string_view name) const;
  /// The installed record of that name that is not on its way out, or null.
  const RepoDataRecord* installed(std::string_view name) const;
  /// The pins on a name.
  std::vector<const MatchSpec*> pins(std::string_view name) const;

 private:
  /// A table in use, with the specs that its texts are.
  struct Table {
    const RecordTable* records;
    std::vector<SpecId> specs;
  };
  struct Draft;
  struct Demands;
  class Trial;
  void load_package(NameId id);
  void load_group(NameId id);
  std::vector<Draft> draft(const Name& name);
  void order_versions(std::vector<Draft>& drafts, Name& name) const;
  void drop_other_archives(std::vector<Draft>& drafts) const;
  Exclusion exclusion(const Draft& draft, const Name& name, Demands& demands) const;
  std::string_view text(const Draft& draft, RecordTable::Text number) const;
  const RepoDataRecord& record(const Draft& draft) const;
  SpecId spec_of(std::uint32_t table, RecordTable::Text text);
  bool collect_specs(CandidateId candidate);
  void add_dependency(SpecId spec);
  std::span<const SpecId> keep(const std::vector<SpecId>& specs);
  void resolve_atoms(Condition& condition);
  void match(Spec& spec);

  const SolveRequest& request_;
  Purpose purpose_;
  StableVector<Name, 6> names_;
  StableVector<Spec, 6> specs_;
  StableVector<Candidate, 10> candidates_;
  std::vector<Table> tables_;  ///< the first one is that of the installed records
  RecordList installed_list_;
  /// What candidates' lists of specs are kept in.
  std::deque<std::vector<SpecId>> spec_lists_;
  std::vector<SpecId> depends_, constrains_;  ///< of the candidate that is looked at
  std::unordered_map<std::string_view, NameId> name_ids_;
  std::unordered_map<std::string_view, SpecId> spec_ids_;
  std::deque<std::string> own_texts_;
  struct Virtual {
    const PackageRecord* record;
    Version version;
  };
  std::unordered_map<std::string_view, Virtual> virtuals_;
  /// What the request itself says of a name.
  std::unordered_map<std::string_view, std::vector<const MatchSpec*>> wishes_, pins_;
  /// Pins on names that match a pattern.
  std::vector<const MatchSpec*> wide_pins_;
  std::unordered_map<std::string_view, std::uint32_t> installed_;  ///< positions in the request's list
  std::unordered_set<std::string_view> removed_, update_, freeze_;
};

}  // namespace envtool::solving
