#include "reason_tree.hpp"

#include <algorithm>
#include <functional>
#include <map>

#include "version_list.hpp"

namespace envtool::solving {
namespace {

using Kind = ConflictReason::Kind;
using Cause = Narrowing::Cause;

// Far beyond what anybody reads; keeps a strange world from filling the screen.
constexpr int max_depth = 12;
constexpr std::size_t max_nodes = 80;

bool is_virtual(std::string_view name) { return name.starts_with("__"); }

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Numbers inside texts by value: `3.9` before `3.10`.
bool natural_less(std::string_view a, std::string_view b) {
  std::size_t i = 0, k = 0;
  while (i < a.size() && k < b.size()) {
    if (is_digit(a[i]) && is_digit(b[k])) {
      std::size_t i_end = i, k_end = k;
      while (i_end < a.size() && is_digit(a[i_end])) ++i_end;
      while (k_end < b.size() && is_digit(b[k_end])) ++k_end;
      if (i_end - i != k_end - k) return i_end - i < k_end - k;
      const int order = a.substr(i, i_end - i).compare(b.substr(k, k_end - k));
      if (order != 0) return order < 0;
      i = i_end;
      k = k_end;
    } else {
      if (a[i] != b[k]) return a[i] < b[k];
      ++i;
      ++k;
    }
  }
  return a.size() - i < b.size() - k;
}

/// Builds of a package for another operating system.
bool names_operating_system(std::string_view virtual_name) {
  return virtual_name == "__win" || virtual_name == "__unix" || virtual_name == "__linux" || virtual_name == "__osx";
}

std::string exclusion_text(Exclusion exclusion) {
  switch (exclusion) {
    case Exclusion::frozen: return "another build of it is installed and must stay";
    case Exclusion::removed: return "it is to be removed";
    case Exclusion::channel_priority: return "a channel of higher priority has the package too";
    case Exclusion::too_new: return "newer than the date limit";
    case Exclusion::pin:
    case Exclusion::request:
    case Exclusion::invalid:
    case Exclusion::none: break;
  }
  return {};
}

}  // namespace

std::string spec_text(const MatchSpec& spec) {
  MatchSpec plain = MatchSpec::from_name(spec.name);
  plain.version = spec.version;
  plain.build = spec.build;
  return plain == spec ? spec.dependency_str() : spec.str();
}

std::string either_of(std::vector<std::string> texts) {
  std::sort(texts.begin(), texts.end(), natural_less);
  texts.erase(std::unique(texts.begin(), texts.end()), texts.end());
  const std::vector<std::string>& distinct = texts;
  constexpr std::size_t shown = 4;
  std::string result;
  for (std::size_t i = 0; i < distinct.size(); ++i) {
    const bool last = i + 1 == distinct.size();
    if (distinct.size() > shown && i >= 2 && !last) {
      if (i == 2) result += ", ...";
      continue;
    }
    if (i > 0) result += last ? " or " : ", ";
    result += "`" + distinct[i] + "`";
  }
  return result;
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

/// True when the candidate would be a way out: it says nothing about the other name, or accepts
/// one of those that its siblings refuse.
bool ReasonTree::bears(CandidateId id, NameId about, const Bits& refused) {
  universe_.expand(id);
  Bits accepted(refused.size(), true);
  bool speaks = false;
  for (const auto* list : {&universe_.candidate(id).depends, &universe_.candidate(id).constrains})
    for (const SpecId spec : *list)
      if (universe_.spec(spec).name == about && !universe_.spec(spec).condition) {
        accepted &= universe_.matching(spec);
        speaks = true;
      }
  return !speaks || accepted.intersects(refused);
}

/// What the holders say about the other name.
std::string ReasonTree::specs_text(NameId speaker, const Bits& holders, NameId about) {
  std::vector<std::string> texts;
  holders.for_each([&](std::size_t local) {
    const CandidateId id = universe_.name(speaker).first + static_cast<CandidateId>(local);
    universe_.expand(id);
    for (const auto* list : {&universe_.candidate(id).depends, &universe_.candidate(id).constrains})
      for (const SpecId spec : *list)
        if (universe_.spec(spec).name == about) texts.push_back(spec_text(universe_.spec(spec).match));
  });
  std::string text = either_of(std::move(texts));
  // The renderer puts the quotes.
  if (text.size() >= 2) text = text.substr(1, text.size() - 2);
  return text;
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
/// wish to it.
std::size_t ReasonTree::branch(NameId name) {
  const NameId parent = narrowing_.needed_by(name);
  if (parent == no_id) return 0;
  if (parent == universe_.candidate(universe_.root()).name) return wish_node(name);
  return statement(parent, name, narrowing_.certain_since(name));
}

/// `speaker 1.0, 1.1 needs about >=2`, told below the way to the speaker.
std::size_t ReasonTree::statement(NameId speaker, NameId about, std::uint32_t time) {
  if (speaker == universe_.candidate(universe_.root()).name) return wish_node(about);
  const std::size_t above = branch(speaker);
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
  if (nodes_.size() > max_nodes) return;
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
  if (in_full && later != 0) statement(parent, speaker, later);
  if (escapes.none()) return;
  ++escape_level_;
  explain_set(node, speaker, escapes);
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
void ReasonTree::explain_set(std::size_t parent, NameId name, const Bits& candidates) {
  if (depth_ >= max_depth || nodes_.size() > max_nodes) return;
  ++depth_;
  const Name& owner = universe_.name(name);
  std::map<NameId, std::pair<Bits, std::vector<SpecId>>> by_demand;
  std::map<NameId, std::pair<Bits, std::uint32_t>> by_refusal;
  std::map<Exclusion, Bits> by_exclusion;
  Bits unreadable(owner.count);
  candidates.for_each([&](std::size_t local) {
    const CandidateId id = owner.first + static_cast<CandidateId>(local);
    const Cause& cause = narrowing_.cause(id);
    switch (cause.kind) {
      case Cause::Kind::dependency: {
        auto& [holders, specs] = by_demand.try_emplace(universe_.spec(cause.id).name, Bits(owner.count), std::vector<SpecId>{}).first->second;
        holders.set(local);
        if (std::find(specs.begin(), specs.end(), cause.id) == specs.end()) specs.push_back(cause.id);
        break;
      }
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
  for (const auto& [about, demand] : by_demand) explain_demand(parent, name, demand.first, demand.second);
  for (const auto& [speaker, refused] : by_refusal) {
    const std::string detail = refusal(speaker, name, refused.second);
    // When the refusal is this very branch, it has just been said.
    if (detail.empty() || narrowing_.needed_by(name) == speaker) continue;
    if (by_demand.empty() && by_exclusion.empty() && by_refusal.size() <= 2) continue;
    ConflictReason reason;
    reason.kind = Kind::excluded;
    reason.package = package_text(name, refused.first);
    reason.detail = detail;
    add(parent, std::move(reason));
  }
  for (const auto& [exclusion, excluded] : by_exclusion) {
    ConflictReason reason;
    reason.kind = Kind::excluded;
    reason.package = package_text(name, excluded);
    reason.detail = exclusion_text(exclusion);
    if (exclusion == Exclusion::pin) {
      std::vector<std::string> pins;
      for (const auto* pin : universe_.pins(owner.text)) pins.push_back(spec_text(*pin));
      reason.detail = either_of(std::move(pins)) + " is pinned";
    }
    add(parent, std::move(reason));
  }
  if (!unreadable.none()) {
    ConflictReason reason;
    reason.kind = Kind::invalid;
    reason.package = package_text(name, unreadable);
    add(parent, std::move(reason));
  }
  --depth_;
}

/// `name 1.0, 1.1 needs x >=2`, and why nothing answers that.
void ReasonTree::explain_demand(std::size_t parent, NameId name, const Bits& holders, const std::vector<SpecId>& specs) {
  const NameId about = universe_.spec(specs.front()).name;
  const Name& wanted = universe_.name(about);
  std::vector<std::string> texts;
  Bits answering(wanted.count);
  for (const SpecId spec : specs) {
    texts.push_back(spec_text(universe_.spec(spec).match));
    answering |= universe_.matching(spec);
  }
  ConflictReason reason;
  reason.kind = Kind::needs;
  reason.package = package_text(name, holders);
  reason.spec = either_of(texts);
  reason.spec = reason.spec.substr(1, reason.spec.size() - 2);
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
  if (nothing) add(node, absence(about));
  else explain_set(node, about, answering);
}

/// Why nothing answers a demand on that name.
ConflictReason ReasonTree::absence(NameId name) const {
  const Name& wanted = universe_.name(name);
  ConflictReason why;
  why.spec = wanted.text;
  if (is_virtual(wanted.text)) {
    why.kind = Kind::missing_virtual;
    const auto* offered = universe_.virtual_package(wanted.text);
    why.detail = offered == nullptr ? "this machine has no `" + wanted.text + "`" : "this machine has " + offered->version +
                                      (offered->build == "0" ? "" : " " + offered->build);
  } else if (wanted.count == 0) {
    why.kind = Kind::not_found;
  } else {
    why.kind = Kind::no_version;
    why.detail = "available: " + version_list(universe_, name, Bits(wanted.count, true));
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
    if (universe_.matching(spec).none()) add(node, absence(name));
    else explain_set(node, name, universe_.matching(spec));
    return to_reason(0).causes;
  }
  const std::size_t node = branch(failed);
  Bits candidates(universe_.name(failed).count, true);
  explain_set(node, failed, candidates);
  if (universe_.name(failed).count == 0) add(node, absence(failed));
  return to_reason(0).causes;
}

}  // namespace envtool::solving
