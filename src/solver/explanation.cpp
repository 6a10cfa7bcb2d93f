#include "explanation.hpp"

#include <algorithm>

#include "envtool/base/text.hpp"
#include "universe.hpp"
#include "version_list.hpp"

namespace envtool::solving {
namespace {

/// Requested specs that nothing in the channels answers.
std::vector<MissingPackage> find_missing(const SolveRequest& request) {
  std::vector<MissingPackage> missing;
  Universe universe(request, Universe::Filter::none);
  std::vector<std::string> names;
  for (const auto& spec : request.specs) {
    if (!spec.when.empty() || spec.name.starts_with("__")) continue;
    const NameId name = universe.intern_name(spec.name);
    universe.load(name);
    MissingPackage entry{spec.str(), {}, {}};
    if (universe.name(name).count == 0) {
      if (names.empty())
        names = request.known_names ? request.known_names() : request.candidates->names();
      entry.closest = closest_matches(spec.name, names);
      missing.push_back(std::move(entry));
    } else if (universe.matching(universe.intern_spec(spec)).none()) {
      entry.available = version_list(universe, name, Bits(universe.name(name).count, true));
      missing.push_back(std::move(entry));
    }
  }
  return missing;
}

}  // namespace

Unsolvable find_reasons(const SolveRequest& request) {
  Unsolvable result;
  result.missing = find_missing(request);
  if (!result.missing.empty()) {
    result.kind = Unsolvable::Kind::packages_not_found;
    return result;
  }
  for (const auto& spec : request.specs) {
    ConflictReason reason;
    reason.kind = ConflictReason::Kind::requested;
    reason.spec = spec.str();
    result.reasons.push_back(std::move(reason));
  }
  return result;
}

}  // namespace envtool::solving
