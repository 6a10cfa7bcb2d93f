#include "reason_tree.hpp"

#include <algorithm>
#include <functional>
#include <map>

#include "condition.hpp"
#include "envtool/base/error.hpp"
#include "spec_texts.hpp"
#include "version_list.hpp"

namespace envtool::solving {
namespace {

using Kind = ConflictReason::Kind;
using Cause = Narrowing::Cause;

// Far beyond what anybody reads; keeps a strange world from filling the screen.
constexpr int max_depth = 12;
constexpr std::size_t max_nodes = 80;
// How much of each end of a long way of dependencies is told.
constexpr std::size_t told_way_end = 8;

bool is_virtual(std::string_view name) { return name.starts_with("__"); }

/// Builds of a package for another operating system.
bool names_operating_system(std::string_view virtual_name) {
  return virtual_name == "__win" || virtual_name == "__unix" || virtual_name == "__linux" || virtual_name == "__osx";
}

/// What a virtual package stands for, to say that the machine is something else.
std::string_view operating_system(std::string_view virtual_name) {
  return virtual_name == "__win" ? "Windows" : virtual_name == "__osx" ? "macOS" : virtual_name == "__linux" ? "Linux" : "Unix";
}

/// Inside of the quotes that the renderer puts.
std::string unquoted(std::string text) {
  return text.size() >= 2 ? text.substr(1, text.size() - 2) : text;
}

}  // namespace

std::string ReasonTree::exclusion_text(NameId name, Exclusion exclusion, const Bits& candidates) const {
  const Name& owner = universe_.name(name);
  const SolveRequest& request = universe_.request();
  switch (exclusion) {
    case Exclusion::frozen: {
      const auto* installed = universe_.installed(owner.text);
      if (installed == nullptr) return "the installed one must stay";
      bool same_version = false;
      candidates.for_each([&](std::size_t local) {
        same_version = same_version || universe_.record(owner.first + static_cast<CandidateId>(local)).version == installed->version;
      });
      return installed->name + " " + installed->version + (same_version ? " " + installed->build : "") + " is installed and must stay";
    }
    case Exclusion::removed: return "`" + owner.text + "` is to be removed";
    case Exclusion::channel_priority: {
      std::uint32_t first = no_id;
      for (const auto& entry : request.candidates->find(owner.text)) first = std::min(first, entry.channel);
      const auto& channels = request.candidates->channels();
      return first < channels.size() ? "the channel `" + channels[first] + "` has the package too and comes first (strict channel priority)"
                                     : "a channel of higher priority has the package too";
    }
    case Exclusion::too_new: {
      std::uint64_t limit = 0;
      candidates.for_each([&](std::size_t local) {
        limit = std::max(limit, request.options.date_limit(owner.text, universe_.candidate(owner.first + static_cast<CandidateId>(local)).channel));
      });
      return "newer than the date limit, " + day(limit);
    }
    case Exclusion::pin: {
      std::vector<std::string> pins;
      for (const auto* pin : universe_.pins(owner.text)) pins.push_back(spec_text(*pin));
      return all_of(pins) + (pins.size() == 1 ? " is pinned" : " are pinned");
    }
    case Exclusion::request:
    case Exclusion::invalid:
    case Exclusion::none: break;
  }
  return {};
}

/// The first dependency that is no spec.
std::string ReasonTree::unreadable_text(const RepoDataRecord& record) const {
  for (const auto* list : {&record.depends, &record.constrains})
    for (const auto& text : *list) {
      try {
        const MatchSpec spec = MatchSpec::parse(text);
        if (!spec.when.empty()) parse_condition(spec.when);
        if (!spec.name_matcher && spec.name != "*") continue;
      } catch (const Error&) {
        // This is it.
      }
      return text;
    }
  return {};
}

ReasonTree::ReasonTree(Universe& universe, const Narrowing& narrowing)
    : universe_(universe), narrowing_(narrowing), nodes_(1) {}

std::size_t ReasonTree::add(std::size_t parent, ConflictReason reason) {
  for (const std::size_t child : nodes_[parent].children) {
    const ConflictReason& known = nodes_[child].reason;
    if (known.kind == reason.kind && known.package == reason.package && known.spec == reason.spec &&
        known.detail == reason.detail)
      return child;
  }
  nodes_.push_back({std::move(reason), {}});
  nodes_[parent].children.push_back(nodes_.size() - 1);
  return nodes_.size() - 1;
}

Bits ReasonTree::alive_at(NameId name, std::uint32_t time) const {
  const Name& owner = universe_.name(name);
  Bits alive(owner.count);
  for (std::uint32_t i = 0; i < owner.count; ++i) {
    const Cause& cause = narrowing_.cause(owner.first + i);
    // What a case was split off from is no part of it, whenever that was.
    if (cause.kind == Cause::Kind::none || (cause.time >= time && cause.kind != Cause::Kind::assumed)) alive.set(i);
  }
  return alive;
}

std::string ReasonTree::package_text(NameId name, const Bits& candidates) const {
  const std::string versions = version_list(universe_, name, candidates);
  const std::string& text = universe_.name(name).text;
  return versions.empty() ? text : text + " " + versions;
}

ReasonTree::Demand ReasonTree::demand(CandidateId id, NameId about) {
  universe_.expand(id);
  Demand result{{}, Bits(universe_.name(about).count, true), false};
  std::string bare;
  for (const auto* list : {&universe_.candidate(id).depends, &universe_.candidate(id).constrains})
    for (const SpecId spec : *list) {
      if (universe_.spec(spec).name != about) continue;
      if (!universe_.spec(spec).condition) {
        result.accepted &= universe_.matching(spec);
        result.always = true;
      }
      std::string text = spec_text(universe_.spec(spec).match);
      if (universe_.spec(spec).match.is_name_only()) bare = std::move(text);
      else if (std::find(result.texts.begin(), result.texts.end(), text) == result.texts.end()) result.texts.push_back(std::move(text));
    }
  result.texts = intersected_ranges(std::move(result.texts));
  // The bare name says nothing beside the others.
  if (result.texts.empty() && !bare.empty()) result.texts.push_back(std::move(bare));
  return result;
}

/// What at least one of the holders accepts.
Bits ReasonTree::accepted_by(NameId speaker, const Bits& holders, NameId about) {
  Bits accepted(universe_.name(about).count);
  holders.for_each([&](std::size_t local) {
    accepted |= demand(universe_.name(speaker).first + static_cast<CandidateId>(local), about).accepted;
  });
  return accepted;
}

/// True when the candidate would be a way out: it says nothing about the other name, or accepts
/// one of those that its siblings refuse.
bool ReasonTree::bears(CandidateId id, NameId about, const Bits& refused) {
  const Demand own = demand(id, about);
  return !own.always || own.accepted.intersects(refused);
}

/// What the holders say about the other name.
std::string ReasonTree::specs_text(NameId speaker, const Bits& holders, NameId about) {
  std::vector<std::string> single, several;
  holders.for_each([&](std::size_t local) {
    Demand own = demand(universe_.name(speaker).first + static_cast<CandidateId>(local), about);
    if (own.texts.size() == 1) single.push_back(std::move(own.texts[0]));
    else if (!own.texts.empty()) several.push_back(unquoted(all_of(std::move(own.texts))));
  });
  single = merged_ranges(std::move(single));
  single.insert(single.end(), several.begin(), several.end());
  return unquoted(either_of(std::move(single)));
}

/// The node that says that the user, a pin's owner or a frozen package wants the name.
std::size_t ReasonTree::wish_node(NameId name) {
  std::size_t node = 0;
  for (const SpecId spec : universe_.candidate(universe_.root()).depends) {
    if (universe_.spec(spec).name != name) continue;
    ConflictReason reason;
    const std::string& text = universe_.name(name).text;
    reason.kind = universe_.is_frozen(text) && universe_.spec(spec).match.is_name_only() ? Kind::frozen : Kind::requested;
    reason.spec = spec_text(universe_.spec(spec).match);
    if (reason.kind == Kind::frozen) reason.spec = text + " " + universe_.installed(text)->version;
    node = add(0, std::move(reason));
  }
  return node;
}

/// The node below which everything about a name that must be installed is told: the way from a
/// wish to it. The middle of a long way is left out.
std::size_t ReasonTree::branch(NameId name) {
  std::vector<NameId> way;  // from the name up to the wished one
  const NameId root = universe_.candidate(universe_.root()).name;
  for (NameId at = name; at != root; at = narrowing_.needed_by(at)) {
    if (at == no_id) return 0;
    way.push_back(at);
  }
  if (way.empty()) return 0;
  std::size_t node = wish_node(way.back());
  const bool whole = way.size() <= 2 * told_way_end + 2;
  for (std::size_t i = way.size() - 1; i-- > 0;) {
    if (!whole && way.size() - 1 - i > told_way_end && i >= told_way_end) {
      ConflictReason more;
      more.kind = Kind::more;
      more.detail = "... and " + std::to_string(i + 1 - told_way_end) + " more dependencies, each of the one before";
      node = add(node, std::move(more));
      i = told_way_end;
      continue;
    }
    node = link(node, way[i + 1], way[i], narrowing_.certain_since(way[i]));
  }
  return node;
}

/// `speaker 1.0, 1.1 needs about >=2`, told below the way to the speaker.
std::size_t ReasonTree::statement(NameId speaker, NameId about, std::uint32_t time) {
  if (speaker == universe_.candidate(universe_.root()).name) return wish_node(about);
  return link(branch(speaker), speaker, about, time);
}

/// The statement itself, below a node that is there.
std::size_t ReasonTree::link(std::size_t above, NameId speaker, NameId about, std::uint32_t time) {
  const Bits holders = alive_at(speaker, time);
  ConflictReason reason;
  reason.kind = Kind::forbids;
  holders.for_each([&](std::size_t local) {
    for (const SpecId spec : universe_.candidate(universe_.name(speaker).first + static_cast<CandidateId>(local)).depends)
      if (universe_.spec(spec).name == about) reason.kind = Kind::needs;
  });
  reason.package = package_text(speaker, holders);
  reason.spec = specs_text(speaker, holders, about);
  const std::size_t node = add(above, std::move(reason));
  explain_escapes(speaker, about, time, above);
  return node;
}

/// Candidates of the speaker that would be a way out: why are they out themselves?
void ReasonTree::explain_escapes(NameId speaker, NameId about, std::uint32_t time, std::size_t node) {
  if (nodes_.size() > max_nodes || escape_depth_ >= max_depth) return;
  const bool in_full = escape_level_ == 0;  // on the main line; the reasons of reasons stay short
  const NameId parent = narrowing_.needed_by(speaker);
  const Bits holders = alive_at(speaker, time);
  if (!escapes_told_.emplace(speaker, about, holders.count(), in_full).second) return;
  const Name& owner = universe_.name(speaker);
  const Name& other = universe_.name(about);
  Bits refused(other.count);
  if (in_full)
    for (std::uint32_t i = 0; i < other.count; ++i) {
      const Cause& cause = narrowing_.cause(other.first + i);
      if (cause.kind == Cause::Kind::refused && cause.id == speaker) refused.set(i);
    }
  Bits escapes(owner.count);
  std::uint32_t later = 0;
  for (std::uint32_t i = 0; i < owner.count; ++i) {
    const Cause& cause = narrowing_.cause(owner.first + i);
    if (holders.test(i) || cause.kind == Cause::Kind::assumed || !bears(owner.first + i, about, refused)) continue;
    if (cause.kind != Cause::Kind::refused || cause.id != parent) escapes.set(i);
    // Refused by what was left of the parent by then, which is less than what needs the speaker.
    else if (alive_at(parent, cause.time) != alive_at(parent, narrowing_.certain_since(speaker)))
      later = std::max(later, cause.time);
  }
  if (in_full && later != 0) {
    ++escape_depth_;
    statement(parent, speaker, later);
    --escape_depth_;
  }
  if (escapes.none()) return;
  ++escape_level_;
  explain_set(node, speaker, escapes, Refusals::tell_many);
  --escape_level_;
}

/// The short form of what stands against a name's candidates, and its long form in its own branch.
std::string ReasonTree::refusal(NameId speaker, NameId about, std::uint32_t time) {
  const std::size_t node = statement(speaker, about, time);
  const ConflictReason& reason = nodes_[node].reason;
  if (node == 0) return {};
  if (reason.kind == Kind::requested) return "but `" + reason.spec + "` is requested";
  if (reason.kind == Kind::frozen) return "but `" + reason.spec + "` is installed and must stay";
  const std::string who = reason.package;
  return "but " + who + (reason.kind == Kind::needs ? " needs `" : " works only with `") + reason.spec + "`";
}

/// Tells for candidates that are out why they are, those of one reason together.
void ReasonTree::explain_set(std::size_t parent, NameId name, const Bits& candidates, Refusals refusals) {
  if (depth_ >= max_depth || nodes_.size() > max_nodes) return;
  ++depth_;
  const Name& owner = universe_.name(name);
  std::map<NameId, Bits> by_demand;
  std::map<NameId, std::pair<Bits, std::uint32_t>> by_refusal;
  std::map<Exclusion, Bits> by_exclusion;
  Bits unreadable(owner.count);
  candidates.for_each([&](std::size_t local) {
    const CandidateId id = owner.first + static_cast<CandidateId>(local);
    const Cause& cause = narrowing_.cause(id);
    switch (cause.kind) {
      case Cause::Kind::dependency:
        by_demand.try_emplace(universe_.spec(cause.id).name, Bits(owner.count)).first->second.set(local);
        break;
      case Cause::Kind::refused: {
        auto& [refused, time] = by_refusal.try_emplace(cause.id, Bits(owner.count), cause.time).first->second;
        refused.set(local);
        time = std::min(time, cause.time);
        break;
      }
      case Cause::Kind::excluded:
        by_exclusion.try_emplace(universe_.candidate(id).exclusion, Bits(owner.count)).first->second.set(local);
        break;
      case Cause::Kind::metadata: unreadable.set(local); break;
      case Cause::Kind::none:
      case Cause::Kind::assumed: break;
    }
  });
  // A build for another system is no news when other builds of those versions are told of anyway.
  if (by_demand.size() + by_refusal.size() + by_exclusion.size() > 1)
    std::erase_if(by_demand, [&](const auto& entry) { return names_operating_system(universe_.name(entry.first).text); });
  for (const auto& [about, holders] : by_demand) explain_demand(parent, name, holders, about);
  const bool all = refusals == Refusals::tell_all || !by_demand.empty() || !by_exclusion.empty() || by_refusal.size() > 2;
  std::map<NameId, std::string> details;
  for (const auto& [speaker, refused] : by_refusal) details[speaker] = refusal(speaker, name, refused.second);
  for (const auto& [speaker, refused] : by_refusal) {
    // When the refusal is this very branch, it has just been said.
    if (!all || details[speaker].empty() || (refusals == Refusals::tell_many && narrowing_.needed_by(name) == speaker)) continue;
    ConflictReason reason;
    reason.kind = Kind::excluded;
    reason.package = package_text(name, refused.first);
    reason.detail = details[speaker];
    add(parent, std::move(reason));
  }
  // Two that face each other: one says what the other does.
  if (!all && by_refusal.size() == 2) {
    const auto& [one, one_refused] = *by_refusal.begin();
    const auto& [other, other_refused] = *by_refusal.rbegin();
    for (const auto& [speaker, time, opponent] : {std::tuple(one, one_refused.second, other), std::tuple(other, other_refused.second, one)}) {
      ConflictReason& said = nodes_[statement(speaker, name, time)].reason;
      if ((said.kind != Kind::needs && said.kind != Kind::forbids) || !said.detail.empty() || details[opponent].empty()) continue;
      said.detail = details[opponent];
      break;
    }
  }
  for (const auto& [exclusion, excluded] : by_exclusion) {
    ConflictReason reason;
    reason.kind = Kind::excluded;
    reason.package = package_text(name, excluded);
    reason.detail = exclusion_text(name, exclusion, excluded);
    add(parent, std::move(reason));
  }
  if (!unreadable.none()) {
    ConflictReason reason;
    reason.kind = Kind::invalid;
    reason.package = package_text(name, unreadable);
    unreadable.for_each([&](std::size_t local) {
      if (reason.spec.empty()) reason.spec = unreadable_text(universe_.record(owner.first + static_cast<CandidateId>(local)));
    });
    add(parent, std::move(reason));
  }
  --depth_;
}

/// `name 1.0, 1.1 needs x >=2`, and why nothing answers that.
void ReasonTree::explain_demand(std::size_t parent, NameId name, const Bits& holders, NameId about) {
  const Name& wanted = universe_.name(about);
  std::vector<SpecId> specs;
  holders.for_each([&](std::size_t local) {
    const CandidateId id = universe_.name(name).first + static_cast<CandidateId>(local);
    universe_.expand(id);
    for (const SpecId spec : universe_.candidate(id).depends)
      if (universe_.spec(spec).name == about && std::find(specs.begin(), specs.end(), spec) == specs.end()) specs.push_back(spec);
  });
  const Bits answering = accepted_by(name, holders, about);
  ConflictReason reason;
  reason.kind = Kind::needs;
  reason.package = package_text(name, holders);
  reason.spec = specs_text(name, holders, about);
  const bool nothing = answering.none();
  // One single refusal fits into the same line.
  NameId speaker = no_id;
  std::uint32_t time = no_id;
  bool single = !nothing;
  answering.for_each([&](std::size_t local) {
    const Cause& cause = narrowing_.cause(wanted.first + static_cast<CandidateId>(local));
    if (cause.kind != Cause::Kind::refused || (speaker != no_id && speaker != cause.id)) single = false;
    speaker = cause.id;
    time = std::min(time, cause.time);
  });
  if (single) {
    reason.detail = refusal(speaker, about, time);
    add(parent, std::move(reason));
    return;
  }
  const std::size_t node = add(parent, std::move(reason));
  if (nothing) add(node, absence(about, specs));
  else explain_set(node, about, answering, Refusals::tell_all);
}

/// Why nothing answers a demand on that name.
ConflictReason ReasonTree::absence(NameId name, const std::vector<SpecId>& specs) {
  const Name& wanted = universe_.name(name);
  ConflictReason why;
  why.spec = wanted.text;
  if (is_virtual(wanted.text)) {
    why.kind = Kind::missing_virtual;
    const auto* offered = universe_.virtual_package(wanted.text);
    if (offered == nullptr)
      why.detail = names_operating_system(wanted.text) ? "this is not " + std::string(operating_system(wanted.text))
                   : wanted.text == "__cuda"           ? "this machine has no `__cuda` (no NVIDIA driver was found)"
                                                       : "this machine has no `" + wanted.text + "`";
    else
      why.detail = "this machine has " + (wanted.text == "__archspec" ? offered->build : offered->version);
  } else if (wanted.count == 0) {
    why.kind = Kind::not_found;
  } else {
    why.kind = Kind::no_version;
    const Bits all(wanted.count, true);
    // Is it the version, or is it the build?
    bool version_fits = false;
    for (const SpecId spec : specs) {
      MatchSpec version_only = MatchSpec::from_name(wanted.text);
      version_only.version = universe_.spec(spec).match.version;
      version_fits = version_fits || !universe_.matching(universe_.intern_spec(version_only)).none();
    }
    why.detail = (version_fits ? "no build of it is like that (there is " : "there is only ") + package_text(name, all) +
                 (version_fits ? ")" : "");
  }
  return why;
}

ConflictReason ReasonTree::to_reason(std::size_t node) const {
  ConflictReason reason = nodes_[node].reason;
  for (const std::size_t child : nodes_[node].children) reason.causes.push_back(to_reason(child));
  // What is told quickly comes first.
  const std::function<std::size_t(const ConflictReason&)> size = [&](const ConflictReason& tree) {
    std::size_t sum = 1;
    for (const auto& cause : tree.causes) sum += size(cause);
    return sum;
  };
  std::stable_sort(reason.causes.begin(), reason.causes.end(),
                   [&](const ConflictReason& a, const ConflictReason& b) { return size(a) < size(b); });
  return reason;
}

std::vector<ConflictReason> ReasonTree::build() {
  const NameId failed = narrowing_.failed_name();
  if (failed == universe_.candidate(universe_.root()).name) {
    // A wish that nothing answers.
    const SpecId spec = narrowing_.cause(universe_.root()).id;
    const NameId name = universe_.spec(spec).name;
    const std::size_t node = wish_node(name);
    if (universe_.matching(spec).none()) add(node, absence(name, {spec}));
    else explain_set(node, name, universe_.matching(spec), Refusals::tell_all);
    return to_reason(0).causes;
  }
  const std::size_t node = branch(failed);
  Bits candidates(universe_.name(failed).count, true);
  if (universe_.name(failed).count == 0) add(node, absence(failed, {}));
  // What is out by itself is of interest only where it would answer the demand.
  const NameId parent = narrowing_.needed_by(failed);
  if (parent != no_id) {
    const Bits accepted = accepted_by(parent, alive_at(parent, narrowing_.certain_since(failed)), failed);
    for (std::uint32_t i = 0; i < universe_.name(failed).count; ++i)
      if (!accepted.test(i) && narrowing_.cause(universe_.name(failed).first + i).kind == Cause::Kind::excluded) candidates.reset(i);
  }
  explain_set(node, failed, candidates, Refusals::tell_many);
  return to_reason(0).causes;
}

}  // namespace envtool::solving
