#include "narrowing.hpp"

#include <algorithm>
#include <unordered_map>

namespace envtool::solving {

Narrowing::Narrowing(Universe& universe) : universe_(universe) {}

/// Names, specs and candidates appear while we look at others.
void Narrowing::grow() {
  if (alive_.size() == universe_.name_count() && causes_.size() == universe_.candidate_count() &&
      support_.size() == universe_.spec_count())
    return;
  alive_.resize(universe_.name_count());
  known_.resize(universe_.name_count());
  certain_.resize(universe_.name_count());
  queued_.resize(universe_.name_count());
  conditional_.resize(universe_.name_count());
  needed_by_.resize(universe_.name_count(), no_id);
  certain_since_.resize(universe_.name_count());
  registered_.resize(universe_.candidate_count());
  causes_.resize(universe_.candidate_count());
  support_.resize(universe_.spec_count());
  watched_.resize(universe_.spec_count());
  dependents_.resize(universe_.spec_count());
}

void Narrowing::discover(NameId name) {
  universe_.load(name);
  grow();
  if (known_[name]) return;
  known_[name] = 1;
  alive_[name] = Bits(universe_.name(name).count, true);
  reachable_.push_back(name);
  const Name& loaded = universe_.name(name);
  for (CandidateId id = loaded.first; id < loaded.first + loaded.count; ++id)
    if (universe_.candidate(id).exclusion != Exclusion::none) kill(id, Cause::Kind::excluded, no_id);
}

bool Narrowing::run(const std::vector<NameId>& wanted) {
  discover(universe_.candidate(universe_.root()).name);
  make_certain(0, no_id);
  settle();
  for (const NameId name : wanted) discover(name);
  // `reachable_` grows while we walk it: breadth first from the root.
  for (std::size_t i = 0; i < reachable_.size() && !failed_; ++i) {
    const Name& name = universe_.name(reachable_[i]);
    for (std::uint32_t k = 0; k < name.count; ++k)
      if (alive_[reachable_[i]].test(k)) register_candidate(name.first + k);
    settle();
  }
  // Constraints on names that were not known when their owner was looked at.
  for (NameId name = 0; name < certain_.size() && !failed_; ++name)
    if (certain_[name] && !queued_[name]) {
      queued_[name] = 1;
      certain_queue_.push_back(name);
    }
  settle();
  return !failed_;
}

void Narrowing::register_candidate(CandidateId id) {
  grow();
  if (registered_[id]) return;
  registered_[id] = 1;
  const bool possible = universe_.expand(id);
  grow();
  if (!possible) {
    kill(id, Cause::Kind::metadata, no_id);
    return;
  }
  for (std::size_t i = 0; i < universe_.candidate(id).depends.size(); ++i) {
    const SpecId spec_id = universe_.candidate(id).depends[i];
    const NameId name = universe_.spec(spec_id).name;
    discover(name);
    if (universe_.spec(spec_id).condition) continue;
    if (!watched_[spec_id]) {
      watched_[spec_id] = 1;
      Bits left = universe_.matching(spec_id);
      left &= alive_[name];
      support_[spec_id] = static_cast<std::uint32_t>(left.count());
      // Those whose end has not been told around yet will be subtracted when it is.
      for (const CandidateId dying : dying_)
        if (universe_.candidate(dying).name == name && universe_.spec(spec_id).matching.test(universe_.local(dying)))
          ++support_[spec_id];
    }
    dependents_[spec_id].push_back(id);
    if (support_[spec_id] == 0) {
      kill(id, Cause::Kind::dependency, spec_id);
      return;
    }
  }
}

bool Narrowing::assume(CandidateId id) {
  const Name& name = universe_.name(universe_.candidate(id).name);
  for (CandidateId other = name.first; other < name.first + name.count; ++other)
    if (other != id) kill(other, Cause::Kind::assumed, no_id);
  settle();
  return !failed_;
}

void Narrowing::fail(NameId name) {
  if (!failed_) failed_name_ = name;
  failed_ = true;
}

void Narrowing::kill(CandidateId id, Cause::Kind why, std::uint32_t because) {
  const NameId name = universe_.candidate(id).name;
  const std::uint32_t local = universe_.local(id);
  if (!alive_[name].test(local)) return;
  alive_[name].reset(local);
  causes_[id] = {why, because, ++clock_};
  dying_.push_back(id);
}

/// What is known by now: a name that must be installed and can only match, or one that cannot.
std::optional<bool> Narrowing::condition_value(const Condition& condition) const {
  if (condition.kind == Condition::Kind::atom) {
    if (const auto value = universe_.condition_value(condition)) return value;
    const NameId name = universe_.spec(condition.spec).name;
    if (!is_known(name)) return std::nullopt;
    const Bits& matching = universe_.matching(condition.spec);
    if (!matching.intersects(alive_[name])) return false;
    if (certain_[name] && matching.contains(alive_[name])) return true;
    return std::nullopt;
  }
  const bool decides = condition.kind == Condition::Kind::any_of;
  bool open = false;
  for (const Condition& part : condition.parts) {
    const auto value = condition_value(part);
    if (!value) open = true;
    else if (*value == decides) return decides;
  }
  if (open) return std::nullopt;
  return !decides;
}

void Narrowing::settle() {
  std::uint32_t seen = ~std::uint32_t{0};
  for (;;) {
    settle_unconditional();
    if (failed_ || conditional_names_.empty() || seen == clock_) return;
    // Anything may have decided a condition.
    seen = clock_;
    for (const NameId name : conditional_names_)
      if (certain_[name] && !queued_[name]) {
        queued_[name] = 1;
        certain_queue_.push_back(name);
      }
  }
}

void Narrowing::settle_unconditional() {
  while (!failed_ && (!dying_.empty() || !certain_queue_.empty())) {
    if (dying_.empty()) {
      const NameId name = certain_queue_.back();
      certain_queue_.pop_back();
      queued_[name] = 0;
      restrict_neighbours(name);
      continue;
    }
    const CandidateId dead = dying_.back();
    dying_.pop_back();
    const NameId name = universe_.candidate(dead).name;
    const std::uint32_t local = universe_.local(dead);
    for (const SpecId spec_id : universe_.name(name).specs) {
      if (spec_id >= watched_.size() || !watched_[spec_id]) continue;
      if (!universe_.spec(spec_id).matching.test(local)) continue;
      if (--support_[spec_id] == 0)
        for (const CandidateId dependent : dependents_[spec_id])
          kill(dependent, Cause::Kind::dependency, spec_id);
    }
    if (certain_[name]) {
      if (alive_[name].none()) fail(name);
      if (!queued_[name]) {
        queued_[name] = 1;
        certain_queue_.push_back(name);
      }
    }
  }
}

void Narrowing::make_certain(NameId name, NameId needed_by) {
  if (certain_[name]) return;
  certain_[name] = 1;
  needed_by_[name] = needed_by;
  certain_since_[name] = ++clock_;
  if (alive_[name].none()) fail(name);
  if (!queued_[name]) {
    queued_[name] = 1;
    certain_queue_.push_back(name);
  }
}

/// Whatever candidate of a certain name gets chosen, its specs hold for the neighbours: a
/// neighbour's candidate that none of them accepts is out.
void Narrowing::restrict_neighbours(NameId name_id) {
  struct Demand {
    NameId name;
    Bits accepted;          ///< by any of the candidates
    std::uint32_t makers;   ///< how many candidates say something about the name
    std::uint32_t needers;  ///< how many of them need it
  };
  std::vector<Demand> all;
  std::unordered_map<NameId, std::size_t> positions;
  struct Own {
    NameId name;
    SpecId spec;
    bool needed;
  };
  std::vector<Own> own;
  const CandidateId begin = universe_.name(name_id).first;
  std::uint32_t count = 0;
  for (std::uint32_t k = 0; k < universe_.name(name_id).count; ++k) {
    if (!alive_[name_id].test(k)) continue;
    register_candidate(begin + k);
    if (!alive_[name_id].test(k)) continue;
    const Candidate& candidate = universe_.candidate(begin + k);
    own.clear();
    const auto collect = [&](std::span<const SpecId> specs, bool needed) {
      for (const SpecId spec : specs) {
        const NameId neighbour = universe_.spec(spec).name;
        if (!is_known(neighbour)) continue;
        if (const auto& condition = universe_.spec(spec).condition) {
          if (!conditional_[name_id]) conditional_names_.push_back(name_id);
          conditional_[name_id] = 1;
          if (condition_value(*condition) != true) continue;
        }
        own.push_back({neighbour, spec, needed});
      }
    };
    collect(candidate.depends, true);
    collect(candidate.constrains, false);
    std::sort(own.begin(), own.end(), [](const Own& a, const Own& b) { return a.name < b.name; });
    for (std::size_t i = 0; i < own.size();) {
      const NameId neighbour = own[i].name;
      const auto [found, added] = positions.try_emplace(neighbour, all.size());
      // What not all of the candidates before spoke of restricts nothing.
      const bool counts = added ? count == 0 : all[found->second].makers == count;
      if (added) all.push_back({neighbour, Bits(universe_.name(neighbour).count), 0, 0});
      Demand& demand = all[found->second];
      std::size_t end = i + 1;
      bool needed = own[i].needed;
      while (end < own.size() && own[end].name == neighbour) needed = own[end++].needed || needed;
      if (counts) {
        if (end == i + 1) {
          demand.accepted |= universe_.matching(own[i].spec);
        } else {
          Bits accepted = universe_.matching(own[i].spec);
          for (std::size_t m = i + 1; m < end; ++m) accepted &= universe_.matching(own[m].spec);
          demand.accepted |= accepted;
        }
        ++demand.makers;
        demand.needers += needed ? 1U : 0U;
      }
      i = end;
    }
    ++count;
  }
  for (const Demand& demand : all) {
    if (demand.makers != count) continue;
    Bits refused = alive_[demand.name];
    refused.subtract(demand.accepted);
    const CandidateId neighbours = universe_.name(demand.name).first;
    refused.for_each([&](std::size_t local) {
      kill(neighbours + static_cast<CandidateId>(local), Cause::Kind::refused, name_id);
    });
    if (demand.needers == count) make_certain(demand.name, name_id);
  }
}

}  // namespace envtool::solving
