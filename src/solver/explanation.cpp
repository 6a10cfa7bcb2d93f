#include "explanation.hpp"

#include <algorithm>

#include "conflict_core.hpp"
#include "envtool/base/text.hpp"
#include "narrowing.hpp"
#include "reason_tree.hpp"
#include "universe.hpp"
#include "version_list.hpp"

namespace envtool::solving {
namespace {

/// Requested specs that nothing in the channels answers.
std::vector<MissingPackage> find_missing(const SolveRequest& request) {
  std::vector<MissingPackage> missing;
  Universe universe(request, Universe::Purpose::explain);
  std::vector<std::string> names;
  for (const auto& spec : request.specs) {
    if (!spec.when.empty() || spec.name.starts_with("__")) continue;
    const NameId name = universe.intern_name(spec.name);
    universe.load(name);
    MissingPackage entry{spec_text(spec), {}, {}};
    if (universe.name(name).count == 0) {
      if (names.empty()) names = request.known_names ? request.known_names() : request.candidates->names();
      entry.closest = closest_matches(spec.name, names);
      missing.push_back(std::move(entry));
    } else if (universe.matching(universe.intern_spec(spec)).none()) {
      entry.available = version_list(universe, name, Bits(universe.name(name).count, true));
      missing.push_back(std::move(entry));
    }
  }
  std::sort(missing.begin(), missing.end(), [](const auto& a, const auto& b) { return a.spec < b.spec; });
  return missing;
}

/// True when both say the same of other versions of the package: then they are told together.
bool same_but_for_package(const std::vector<ConflictReason>& a, const std::vector<ConflictReason>& b);
bool same_but_for_package(const ConflictReason& a, const ConflictReason& b, bool top) {
  return a.kind == b.kind && a.spec == b.spec && (top || a.package == b.package) && a.detail == b.detail &&
         same_but_for_package(a.causes, b.causes);
}
bool same_but_for_package(const std::vector<ConflictReason>& a, const std::vector<ConflictReason>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const ConflictReason& x, const ConflictReason& y) {
    return same_but_for_package(x, y, false);
  });
}

/// When no single chain of demands shows the contradiction: takes the candidates of one package
/// one after the other.
class CaseSplit {
 public:
  explicit CaseSplit(Universe& universe) : universe_(universe) {}

  std::vector<ConflictReason> tell(const Narrowing& narrowing, int depth) {
    const NameId name = choose(narrowing);
    if (name == no_id || depth > 3 || attempts_ > max_attempts) return {};
    struct Group {
      Bits candidates;
      std::vector<ConflictReason> reasons;
    };
    const Name& owner = universe_.name(name);
    std::vector<Group> groups;
    narrowing.alive(name).for_each([&](std::size_t local) {
      const CandidateId id = owner.first + static_cast<CandidateId>(local);
      ++attempts_;
      Narrowing attempt = narrowing;
      std::vector<ConflictReason> reasons =
          attempt.assume(id) ? tell(attempt, depth + 1) : below_wishes(ReasonTree(universe_, attempt).build());
      for (Group& group : groups)
        if (same_but_for_package(group.reasons, reasons)) {
          group.candidates.set(local);
          return;
        }
      groups.push_back({Bits(owner.count), std::move(reasons)});
      groups.back().candidates.set(local);
    });
    std::vector<ConflictReason> result;
    for (Group& group : groups) {
      ConflictReason reason;
      reason.kind = ConflictReason::Kind::chosen;
      reason.package = owner.text + " " + version_list(universe_, name, group.candidates);
      reason.causes = std::move(group.reasons);
      result.push_back(std::move(reason));
    }
    return result;
  }

 private:
  /// An explanation may take a moment, but only one.
  static constexpr int max_attempts = 150;

  /// The wishes have been told above the cases.
  static std::vector<ConflictReason> below_wishes(std::vector<ConflictReason> reasons) {
    std::vector<ConflictReason> below;
    for (auto& reason : reasons)
      if (reason.kind == ConflictReason::Kind::requested || reason.kind == ConflictReason::Kind::frozen)
        for (auto& cause : reason.causes) below.push_back(std::move(cause));
      else
        below.push_back(std::move(reason));
    return below;
  }

  /// The certain name with the fewest candidates left, at least two.
  NameId choose(const Narrowing& narrowing) const {
    NameId best = no_id;
    std::size_t fewest = 0;
    for (NameId name = 1; name < universe_.name_count(); ++name) {
      if (!narrowing.is_known(name) || !narrowing.is_certain(name)) continue;
      const std::size_t count = narrowing.alive(name).count();
      if (count < 2 || (best != no_id && count >= fewest)) continue;
      best = name;
      fewest = count;
    }
    return best;
  }

  Universe& universe_;
  int attempts_ = 0;
};

std::vector<ConflictReason> find_conflict(const SolveRequest& core) {
  Universe universe(core, Universe::Purpose::explain);
  Narrowing narrowing(universe);
  if (!narrowing.run({})) return ReasonTree(universe, narrowing).build();
  std::vector<ConflictReason> reasons;
  for (const auto& spec : core.specs) {
    ConflictReason reason;
    reason.kind = ConflictReason::Kind::requested;
    reason.spec = spec_text(spec);
    reasons.push_back(std::move(reason));
  }
  for (const auto& name : core.installed.freeze) {
    ConflictReason reason;
    reason.kind = ConflictReason::Kind::frozen;
    reason.spec = name;
    reasons.push_back(std::move(reason));
  }
  for (auto& reason : CaseSplit(universe).tell(narrowing, 0)) reasons.push_back(std::move(reason));
  return reasons;
}

}  // namespace

Unsolvable find_reasons(const SolveRequest& request) {
  Unsolvable result;
  result.missing = find_missing(request);
  if (!result.missing.empty()) {
    result.kind = Unsolvable::Kind::packages_not_found;
    return result;
  }
  const SolveRequest core = smallest_unsolvable(request);
  result.reasons = find_conflict(core);
  for (const auto& spec : core.specs) result.conflicting_specs.push_back(spec_text(spec));
  for (const auto& pin : core.pins) result.conflicting_pins.push_back(spec_text(pin));
  result.conflicting_frozen = core.installed.freeze;

  // Restrictions that are not wishes for a package can be in the way as well.
  SolveRequest relaxed = core;
  if (core.options.exclude_newer_ms != 0) {
    relaxed.options.exclude_newer_ms = 0;
    result.solvable_without_date_limit = find_solution(relaxed, nullptr).has_value();
    relaxed.options = core.options;
  }
  if (core.options.channel_priority == ChannelPriority::strict && core.candidates->channels().size() > 1) {
    relaxed.options.channel_priority = ChannelPriority::flexible;
    result.solvable_with_flexible_channels = find_solution(relaxed, nullptr).has_value();
  }
  return result;
}

}  // namespace envtool::solving
