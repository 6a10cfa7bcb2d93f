#include "explanation.hpp"

#include <algorithm>

#include "conflict_core.hpp"
#include "envtool/base/text.hpp"
#include "narrowing.hpp"
#include "reason_tree.hpp"
#include "spec_texts.hpp"
#include "suggestions.hpp"
#include "universe.hpp"
#include "version_list.hpp"

namespace envtool::solving {
namespace {

/// The neighbours of a version that does not exist, when the shortened list may not show them.
std::string nearest(const Name& name, const VersionSpec& spec) {
  const Version* wanted = spec.exact() != nullptr ? spec.exact() : spec.prefix();
  if (wanted == nullptr || name.versions.size() <= 4) return {};
  const Version* above = nullptr;
  const Version* below = nullptr;
  for (const Version& version : name.versions)  // highest first
    if (version > *wanted) above = &version;
    else if (below == nullptr) below = &version;
  if (above == nullptr || below == nullptr) return {};
  return "; the nearest are " + below->str() + " and " + above->str();
}

/// When nothing is left since `!=1.8` leaves out every 1.8.x, too: says so.
std::string left_out_series(const Name& name, const VersionSpec& spec) {
  const std::string text = spec.str();
  if (text.find_first_of("|(") != std::string::npos) return {};
  std::string exact, series;
  for (const std::string_view clause : split(text, ',')) {
    if (!exact.empty()) exact += ",";
    if (clause.starts_with("!=") && clause.find_first_of("*^$") == std::string_view::npos) {
      series = clause.substr(2);
      exact += "(<" + series + "|>" + series + ")";
    } else {
      exact += clause;
    }
  }
  if (series.empty()) return {};
  const VersionSpec others = VersionSpec::parse(exact);
  if (std::none_of(name.versions.begin(), name.versions.end(), [&](const Version& version) { return others.matches(version); })) return {};
  return "; `!=" + series + "` leaves out " + series + " and every " + series + ".x (CEP 29), `<" + series + "|>" + series + "` only " + series;
}

/// What there is of a package that has nothing for the spec.
std::string what_there_is(Universe& universe, NameId name, const MatchSpec& spec) {
  const Name& owner = universe.name(name);
  const Bits all(owner.count, true);
  const std::string versions = version_list(universe, name, all);
  MatchSpec version_only = MatchSpec::from_name(spec.name);
  version_only.version = spec.version;
  const Bits of_version = universe.matching(universe.intern_spec(version_only));
  if (of_version.none())
    return "there " + std::string(owner.versions.size() == 1 ? "is " : "are ") + versions + nearest(owner, spec.version) + left_out_series(owner, spec.version);
  MatchSpec with_channel = version_only;
  with_channel.channel = spec.channel;
  with_channel.channel_urls = spec.channel_urls;
  if (!spec.channel.empty() && universe.matching(universe.intern_spec(with_channel)).none()) {
    const auto& channels = universe.request().candidates->channels();
    std::vector<std::string> having;
    of_version.for_each([&](std::size_t local) {
      const std::uint32_t channel = universe.candidate(owner.first + static_cast<CandidateId>(local)).channel;
      if (channel < channels.size()) having.push_back(channels[channel]);
    });
    const std::string list = all_of(having);
    return list.empty() ? "no other channel of the request has it" : "it is only in " + list;
  }
  const std::string found = version_list(universe, name, of_version);
  MatchSpec without_digests = spec;
  without_digests.md5.reset();
  without_digests.sha256.reset();
  if (!(without_digests == spec) && !universe.matching(universe.intern_spec(without_digests)).none())
    return "there is " + found + ", with another checksum";
  // One key of the brackets that no record of these versions has: its values that there are.
  const auto values = [&](auto MatchSpec::*key, std::string RepoDataRecord::*value, const char* one, const char* many) -> std::string {
    MatchSpec without = spec;
    without.*key = {};
    if (without == spec) return {};
    std::vector<std::string> there;
    universe.matching(universe.intern_spec(without)).for_each([&](std::size_t local) {
      there.push_back(universe.record(owner.first + static_cast<CandidateId>(local)).*value);
    });
    std::sort(there.begin(), there.end());
    there.erase(std::unique(there.begin(), there.end()), there.end());
    if (there.empty()) return {};
    for (std::string& text : there)
      if (text.empty()) text = "(none)";
    const bool single = there.size() == 1;
    return found + (found.find(',') == std::string::npos ? " has the " : " have the ") + (single ? one : many) + " " + all_of(std::move(there));
  };
  if (const std::string text = values(&MatchSpec::license, &RepoDataRecord::license, "license", "licenses"); !text.empty()) return text;
  if (const std::string text = values(&MatchSpec::license_family, &RepoDataRecord::license_family, "license family", "license families"); !text.empty())
    return text;
  if (const std::string text = values(&MatchSpec::subdir, &RepoDataRecord::subdir, "subdir", "subdirs"); !text.empty()) return text;
  MatchSpec any_archive = spec;
  any_archive.size.reset();
  any_archive.timestamp.reset();
  if (!(any_archive == spec) && !universe.matching(universe.intern_spec(any_archive)).none())
    return "there is " + found + ", with another " + (spec.size && spec.timestamp ? "size or timestamp" : spec.size ? "size" : "timestamp");
  std::vector<std::string> builds;
  of_version.for_each([&](std::size_t local) {
    builds.emplace_back(universe.build(universe.candidate(owner.first + static_cast<CandidateId>(local))));
  });
  std::sort(builds.begin(), builds.end());
  builds.erase(std::unique(builds.begin(), builds.end()), builds.end());
  const bool one = builds.size() == 1;
  return found + (found.find(',') == std::string::npos ? " has the build" : " have the build") + (one ? " " : "s ") + all_of(std::move(builds));
}

/// Requested specs that nothing in the channels answers.
std::vector<MissingPackage> find_missing(const SolveRequest& request) {
  std::vector<MissingPackage> missing;
  Universe universe(request, Universe::Purpose::explain);
  std::vector<std::string> names;
  for (const auto& spec : request.specs) {
    if (!spec.when.empty() || spec.name.starts_with("__")) continue;
    const NameId name = universe.intern_name(spec.name);
    universe.load(name);
    MissingPackage entry;
    entry.spec = spec_text(spec);
    entry.name = spec.name;
    if (universe.name(name).count == 0) {
      if (names.empty()) names = request.known_names ? request.known_names() : request.candidates->names();
      entry.closest = closest_matches(spec.name, names);
      // The channel may have the name for another date or platform.
      std::erase(entry.closest, spec.name);
      missing.push_back(std::move(entry));
    } else if (universe.matching(universe.intern_spec(spec)).none()) {
      entry.available = what_there_is(universe, name, spec);
      missing.push_back(std::move(entry));
    }
  }
  std::sort(missing.begin(), missing.end(), [](const auto& a, const auto& b) { return a.spec < b.spec; });
  missing.erase(std::unique(missing.begin(), missing.end(), [](const auto& a, const auto& b) { return a.spec == b.spec; }),
                missing.end());
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
    result.suggestions = find_suggestions(request, result.missing);
    return result;
  }
  const SolveRequest core = smallest_unsolvable(request);
  result.reasons = find_conflict(core);
  for (const auto& spec : core.specs) result.conflicting_specs.push_back(spec_text(spec));
  for (const auto& pin : core.pins) result.conflicting_pins.push_back(spec_text(pin));
  result.conflicting_frozen = core.installed.freeze;
  result.suggestions = find_suggestions(request, core, result.reasons);
  return result;
}

}  // namespace envtool::solving
