#include "encoding.hpp"

#include <algorithm>
#include <functional>
#include <map>
#include <tuple>
#include <unordered_map>

#include "sat_problem.hpp"

namespace envtool::solving {

std::size_t Encoding::SetHash::operator()(const SetKey& key) const {
  std::size_t hash = key.name;
  key.bits.for_each([&](std::size_t i) { hash = hash * 1099511628211ULL + i; });
  return hash;
}

Encoding::Encoding(Universe& universe, const Narrowing& narrowing)
    : universe_(universe), narrowing_(narrowing) {
  states_.resize(universe.name_count());
  demands_.resize(universe.candidate_count());
  best_versions_.assign(universe.spec_count(), no_id);
}

/// Names that candidates still in play lead to, breadth first.
void Encoding::reach(const std::vector<NameId>& wanted) {
  const auto add = [&](NameId name) {
    if (states_[name].reached) return;
    states_[name].reached = true;
    states_[name].alive = narrowing_.alive(name);
    reached_.push_back(name);
  };
  add(0);
  for (std::size_t i = 0; i < reached_.size(); ++i) {
    const CandidateId first = universe_.name(reached_[i]).first;
    Bits alive = states_[reached_[i]].alive;
    alive.for_each([&](std::size_t local) {
      for (const SpecId spec : universe_.candidate(first + static_cast<CandidateId>(local)).depends)
        add(universe_.spec(spec).name);
    });
    if (i + 1 == reached_.size())
      for (const NameId name : wanted) add(name);
  }
}

std::uint32_t Encoding::best_version(SpecId spec) {
  std::uint32_t& best = best_versions_[spec];
  if (best != no_id) return best;
  const NameId name = universe_.spec(spec).name;
  Bits accepted = universe_.matching(spec);
  accepted &= states_[name].alive;
  const std::size_t local = accepted.first();
  best = local == accepted.size()
             ? no_id - 1
             : universe_.candidate(universe_.name(name).first + static_cast<CandidateId>(local)).version_rank;
  return best;
}

/// True when the two differ in nothing but their builds.
bool Encoding::same_preference(const Candidate& a, const Candidate& b) {
  return !a.installed && !b.installed && a.channel == b.channel && a.version_rank == b.version_rank &&
         a.row->has_track_features == b.row->has_track_features;
}

/// The static order of the universe, refined: builds of one version and build number that allow
/// newer versions of the dependencies they share come first.
void Encoding::rank(NameId name_id) {
  const Name& name = universe_.name(name_id);
  State& state = states_[name_id];
  state.alive.for_each([&](std::size_t local) { state.order.push_back(name.first + static_cast<CandidateId>(local)); });
  if (name.kind != Name::Kind::package) return;
  const auto same_rank = [&](const Candidate& a, const Candidate& b) {
    return same_preference(a, b) && a.row->build_number == b.row->build_number;
  };
  for (std::size_t begin = 0; begin < state.order.size();) {
    std::size_t end = begin + 1;
    while (end < state.order.size() &&
           same_rank(universe_.candidate(state.order[begin]), universe_.candidate(state.order[end])))
      ++end;
    if (end - begin > 1) {
      // For each candidate the best version of every dependency, by name.
      std::vector<std::map<std::string_view, std::uint32_t>> versions(end - begin);
      for (std::size_t i = begin; i < end; ++i)
        for (const SpecId spec : universe_.candidate(state.order[i]).depends) {
          if (universe_.spec(spec).condition) continue;
          auto& version = versions[i - begin][universe_.name(universe_.spec(spec).name).text];
          version = std::max(version, best_version(spec));
        }
      std::vector<std::string_view> shared;
      for (const auto& of_first : versions[0])
        if (std::all_of(versions.begin(), versions.end(),
                        [&](const auto& other) { return other.contains(of_first.first); }))
          shared.push_back(of_first.first);
      std::vector<std::pair<std::vector<std::uint32_t>, CandidateId>> keyed;
      for (std::size_t i = begin; i < end; ++i) {
        std::vector<std::uint32_t> key;
        for (const auto dependency : shared) key.push_back(versions[i - begin].at(dependency));
        keyed.emplace_back(std::move(key), state.order[i]);
      }
      // The candidate's number is its static rank.
      std::sort(keyed.begin(), keyed.end());
      for (std::size_t i = begin; i < end; ++i) state.order[i] = keyed[i - begin].second;
    }
    begin = end;
  }
}

std::uint32_t Encoding::intern_set(NameId name, Bits bits) {
  SetKey key{name, std::move(bits)};
  if (const auto found = set_ids_.find(key); found != set_ids_.end()) return found->second;
  const auto id = static_cast<std::uint32_t>(sets_.size());
  sets_.push_back(key);
  set_ids_.emplace(std::move(key), id);
  return id;
}

/// The candidates left that a spec accepts.
std::uint32_t Encoding::accepted_set(SpecId spec) {
  std::uint32_t& known = spec_sets_[spec];
  if (known == no_id) {
    const NameId name = universe_.spec(spec).name;
    Bits accepted = universe_.matching(spec);
    accepted &= states_[name].alive;
    known = intern_set(name, std::move(accepted));
  }
  return known;
}

/// Specs on one name are joined into the set of candidates that all of them accept.
void Encoding::collect_demands() {
  sets_.clear();
  set_ids_.clear();
  spec_sets_.assign(universe_.spec_count(), no_id);
  std::vector<std::uint32_t> places(states_.size(), no_id);  // of names in the list being made
  for (const NameId name : reached_) {
    for (const CandidateId id : states_[name].order) {
      auto& demands = demands_[id];
      demands.clear();
      const auto demand = [&](SpecId spec, bool needed) {
        const NameId neighbour = universe_.spec(spec).name;
        if (universe_.spec(spec).condition || !states_[neighbour].reached) return;
        const std::uint32_t accepted = accepted_set(spec);
        if (places[neighbour] == no_id) {
          places[neighbour] = static_cast<std::uint32_t>(demands.size());
          demands.push_back({neighbour, accepted, needed});
          return;
        }
        Demand& known = demands[places[neighbour]];
        if (known.accepted != accepted) {
          Bits both = sets_[known.accepted].bits;
          both &= sets_[accepted].bits;
          known.accepted = intern_set(neighbour, std::move(both));
        }
        known.needed = known.needed || needed;
      };
      for (const SpecId spec : universe_.candidate(id).depends) demand(spec, true);
      for (const SpecId spec : universe_.candidate(id).constrains) demand(spec, false);
      for (const Demand& made : demands) places[made.name] = no_id;
      std::erase_if(demands, [&](const Demand& made) {
        return !made.needed && sets_[made.accepted].bits == states_[made.name].alive;  // tolerates all
      });
      std::sort(demands.begin(), demands.end(), [](const Demand& x, const Demand& y) { return x.name < y.name; });
    }
  }
}

/// True when whatever `weak` asks for is also asked for by `strong`, so that a solution with the
/// latter bears the former.
bool Encoding::asks_no_more(const std::vector<Demand>& weak, const std::vector<Demand>& strong) const {
  auto other = strong.begin();
  for (const Demand& demand : weak) {
    while (other != strong.end() && other->name < demand.name) ++other;
    if (other == strong.end() || other->name != demand.name) return false;
    if (demand.needed && !other->needed) return false;
    if (demand.accepted != other->accepted && !sets_[demand.accepted].bits.contains(sets_[other->accepted].bits))
      return false;
  }
  return true;
}

/// Drops candidates that a better one of the same name can always stand in for: it asks for no
/// more, and every set in play that has the worse one has the better one too. True when something
/// was dropped.
bool Encoding::drop_dominated() {
  std::vector<std::vector<std::uint32_t>> sets_of_name(states_.size());
  for (std::uint32_t i = 0; i < sets_.size(); ++i) sets_of_name[sets_[i].name].push_back(i);
  // Conditions look at names too, and more matches are not always better there.
  std::vector<std::vector<const Bits*>> conditions_of_name(states_.size());
  std::unordered_map<CandidateId, std::vector<SpecId>> conditional;
  const std::function<void(const Condition&)> visit = [&](const Condition& condition) {
    if (condition.kind == Condition::Kind::atom) {
      const NameId name = universe_.spec(condition.spec).name;
      if (name < states_.size() && states_[name].reached)
        conditions_of_name[name].push_back(&universe_.matching(condition.spec));
    }
    for (const auto& part : condition.parts) visit(part);
  };
  for (const NameId name : reached_)
    for (const CandidateId id : states_[name].order)
      for (const SpecId spec : universe_.candidate(id).depends)
        if (universe_.spec(spec).condition) {
          visit(*universe_.spec(spec).condition);
          conditions_of_name[universe_.spec(spec).name].push_back(&universe_.matching(spec));
          conditional[id].push_back(spec);
        }
  const auto conditions_of = [&](CandidateId id) {
    const auto found = conditional.find(id);
    return found == conditional.end() ? std::vector<SpecId>{} : found->second;
  };

  bool dropped = false;
  for (const NameId name_id : reached_) {
    State& state = states_[name_id];
    if (state.order.size() < 2) continue;
    const CandidateId first = universe_.name(name_id).first;
    const auto& sets = sets_of_name[name_id];
    std::vector<Bits> membership(universe_.name(name_id).count);
    for (const CandidateId id : state.order) membership[id - first] = Bits(sets.size());
    for (std::size_t i = 0; i < sets.size(); ++i)
      sets_[sets[i]].bits.for_each([&](std::size_t local) { membership[local].set(i); });
    std::vector<CandidateId> kept;
    for (const CandidateId id : state.order) {
      const std::size_t local = id - first;
      const bool stood_in = std::any_of(kept.begin(), kept.end(), [&](CandidateId better) {
        return membership[better - first].contains(membership[local]) && asks_no_more(demands_[better], demands_[id]) &&
               std::all_of(conditions_of_name[name_id].begin(), conditions_of_name[name_id].end(),
                           [&](const Bits* bits) { return bits->test(better - first) == bits->test(local); }) &&
               (conditional.empty() || conditions_of(better) == conditions_of(id));
      });
      if (stood_in) {
        state.alive.reset(local);
        dropped = true;
      } else {
        kept.push_back(id);
      }
    }
    state.order = std::move(kept);
  }
  return dropped;
}

/// Names with those on top of the stack first: how new they are matters more to the user than how
/// new what they stand on is. Whatever stands on another name has more below it than that one.
std::vector<NameId> Encoding::from_the_top(std::vector<NameId> names) const {
  std::vector<std::tuple<std::size_t, std::string_view, NameId>> keyed;
  std::vector<NameId> seen_for(states_.size(), no_id);
  for (const NameId name : names) {
    std::vector<NameId> below{name};
    seen_for[name] = name;
    for (std::size_t i = 0; i < below.size(); ++i) {
      if (states_[below[i]].order.empty()) continue;
      for (const SpecId spec : universe_.candidate(states_[below[i]].order.front()).depends) {
        const NameId next = universe_.spec(spec).name;
        if (seen_for[next] == name) continue;
        seen_for[next] = name;
        below.push_back(next);
      }
    }
    keyed.emplace_back(~below.size(), universe_.name(name).text, name);
  }
  std::sort(keyed.begin(), keyed.end());
  for (std::size_t i = 0; i < names.size(); ++i) names[i] = std::get<NameId>(keyed[i]);
  return names;
}

std::optional<std::vector<CandidateId>> Encoding::solve(const std::vector<NameId>& wanted) {
  reach(wanted);
  for (const NameId name : reached_) rank(name);
  collect_demands();
  // A third round finds next to nothing.
  for (int round = 0; round < 2 && drop_dominated(); ++round) collect_demands();

  SatProblem problem;
  std::vector<CandidateId> candidates;
  std::vector<SatProblem::PackageId> packages(demands_.size(), no_id);
  for (const NameId name : reached_) {
    const auto& order = states_[name].order;
    for (std::size_t i = 0; i < order.size(); ++i) {
      packages[order[i]] = problem.add_package(name, static_cast<std::uint32_t>(order.size() - i));
      candidates.push_back(order[i]);
    }
  }
  candidate_count_ = candidates.size();
  const auto to_set = [&](NameId name, const Bits& bits) {
    std::vector<SatProblem::PackageId> members;
    const CandidateId first = universe_.name(name).first;
    bits.for_each([&](std::size_t local) {
      const auto package = packages[first + static_cast<CandidateId>(local)];
      if (package != no_id) members.push_back(package);
    });
    std::sort(members.begin(), members.end());
    return problem.set_of(members);
  };
  const auto matching_set = [&](SpecId spec) {
    const NameId name = universe_.spec(spec).name;
    if (name >= states_.size() || !states_[name].reached) return problem.set_of({});
    return to_set(name, universe_.matching(spec));
  };
  std::vector<SatProblem::SetId> accepted_sets, refused_sets;
  for (const SetKey& set : sets_) {
    accepted_sets.push_back(to_set(set.name, set.bits));
    Bits refused = states_[set.name].alive;
    refused.subtract(set.bits);
    refused_sets.push_back(refused.none() ? no_id : to_set(set.name, refused));
  }
  const std::function<SatProblem::SetId(const Condition&)> condition_set = [&](const Condition& condition) {
    if (condition.kind == Condition::Kind::atom) return matching_set(condition.spec);
    std::optional<SatProblem::SetId> joined;
    for (const Condition& part : condition.parts) {
      // What the machine alone decides has no say any more: otherwise the whole would be decided.
      if (universe_.condition_value(part)) continue;
      const auto set = condition_set(part);
      if (!joined) joined = set;
      else joined = condition.kind == Condition::Kind::all_of ? problem.both(*joined, set) : problem.either(*joined, set);
    }
    return joined ? *joined : problem.set_of({});
  };
  bool conditional_root = false;
  for (const NameId name : reached_)
    for (const CandidateId id : states_[name].order) {
      for (const Demand& demand : demands_[id]) {
        if (demand.needed) problem.need(packages[id], accepted_sets[demand.accepted]);
        else if (refused_sets[demand.accepted] != no_id)
          problem.forbid(packages[id], refused_sets[demand.accepted]);
      }
      for (const SpecId spec : universe_.candidate(id).depends)
        if (universe_.spec(spec).condition) {
          conditional_root = conditional_root || id == universe_.root();
          const Condition& condition = *universe_.spec(spec).condition;
          const auto value = universe_.condition_value(condition);
          if (value && !*value) continue;
          const auto what = matching_set(spec);
          problem.need(packages[id], value ? what : problem.when(what, condition_set(condition)));
        }
    }
  std::map<NameId, Bits> wishes;
  std::vector<NameId> wished;
  for (const SpecId spec : universe_.candidate(universe_.root()).depends) {
    if (universe_.spec(spec).condition) continue;
    const auto [found, added] = wishes.try_emplace(universe_.spec(spec).name, universe_.matching(spec));
    if (added) wished.push_back(found->first);
    else found->second &= universe_.matching(spec);
  }
  wished = from_the_top(std::move(wished));
  const std::vector<NameId> keep = from_the_top(wanted);

  // First the versions of all wishes, then their builds: the best build of the first wish (for the
  // newest python, say) must not cost the next one its newest version. A version is a package that
  // needs any of its builds.
  auto next_name = static_cast<std::uint32_t>(states_.size());
  const auto versions_of = [&](NameId name, const Bits& accepted) -> std::optional<SatProblem::SetId> {
    if (universe_.name(name).kind != Name::Kind::package) return std::nullopt;
    std::vector<std::vector<SatProblem::PackageId>> versions;
    const Candidate* last = nullptr;
    for (const CandidateId id : states_[name].order) {
      if (!accepted.test(universe_.local(id))) continue;
      const Candidate& candidate = universe_.candidate(id);
      if (last == nullptr || !same_preference(*last, candidate)) versions.emplace_back();
      versions.back().push_back(packages[id]);
      last = &candidate;
    }
    if (versions.size() < 2) return std::nullopt;
    std::vector<SatProblem::PackageId> any;
    for (std::size_t i = 0; i < versions.size(); ++i) {
      any.push_back(problem.add_package(next_name, static_cast<std::uint32_t>(versions.size() - i)));
      std::sort(versions[i].begin(), versions[i].end());
      problem.need(any.back(), problem.set_of(versions[i]));
    }
    ++next_name;
    return problem.set_of(any);
  };
  for (const NameId name : wished)
    if (const auto versions = versions_of(name, wishes.at(name))) problem.require(*versions);
  for (const NameId name : wished) problem.require(to_set(name, wishes.at(name)));
  if (conditional_root) problem.require(problem.set_of({packages[universe_.root()]}));
  for (const NameId name : keep)
    if (universe_.is_update(universe_.name(name).text))
      if (const auto versions = versions_of(name, states_[name].alive)) problem.wish(*versions);
  for (const NameId name : keep) {
    std::vector<SatProblem::PackageId> any;
    for (const CandidateId id : states_[name].order) any.push_back(packages[id]);
    std::sort(any.begin(), any.end());
    if (!any.empty()) problem.wish(problem.set_of(any));
  }
  const auto chosen = problem.solve();
  if (!chosen) return std::nullopt;
  std::vector<CandidateId> result;
  for (const auto package : *chosen)
    if (package < candidates.size()) result.push_back(candidates[package]);
  return result;
}

}  // namespace envtool::solving
