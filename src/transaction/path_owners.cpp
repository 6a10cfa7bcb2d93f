#include "path_owners.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool::detail {

std::string content_identity(const Claim& claim) {
  const PathEntry& entry = *claim.entry;
  const auto of_owner = [&] { return "owner:" + claim.owner->dist(); };
  // A file that is parked has its digest in `sha256`.
  const auto& script = entry.sha256_in_prefix ? entry.sha256_in_prefix : entry.sha256;
  switch (entry.path_type) {
    case PathType::pyc_file:
      return "pyc";
    case PathType::unix_python_entry_point:
    case PathType::windows_python_entry_point_script:
    case PathType::windows_python_entry_point_exe:
      return script ? "script:" + script->hex() : of_owner();
    default:
      break;
  }
  if (!entry.sha256) return of_owner();
  std::string identity = entry.path_type == PathType::softlink ? "link:" : "file:";
  identity += entry.sha256->hex();
  // Within one prefix the same source and placeholder give the same content.
  if (!entry.prefix_placeholder.empty() && entry.path_type != PathType::softlink)
    identity += (entry.file_mode == FileMode::binary ? ":binary:" : ":text:") + entry.prefix_placeholder;
  return identity;
}

std::string place_of(std::string_view path, std::string_view identity) {
  return std::string(parking_folder) + "/" + sha256(std::string(path) + '\n' + std::string(identity)).hex().substr(0, 40);
}

/// The claims to one path that bring the same content.
struct PathSettlement::Group {
  std::string identity;
  std::string place;
  bool parked = false;
  std::vector<const Claim*> claims;

  /// The claim that stays after the change, or null; a kept one is preferred (nothing to do for it).
  const Claim* survivor() const {
    for (const Claim* claim : claims)
      if (claim->side == Claim::Side::kept) return claim;
    for (const Claim* claim : claims)
      if (claim->side == Claim::Side::linked) return claim;
    return nullptr;
  }
  bool survives() const { return survivor() != nullptr; }
  bool was_there() const {
    return std::any_of(claims.begin(), claims.end(), [](const Claim* c) { return c->side != Claim::Side::linked; });
  }
  std::uint32_t old_rank() const {
    std::uint32_t rank = 0;
    for (const Claim* claim : claims)
      if (claim->side != Claim::Side::linked) rank = std::max(rank, claim->old_rank + 1);
    return rank;
  }
  std::uint32_t new_rank() const {
    std::uint32_t rank = 0;
    for (const Claim* claim : claims)
      if (claim->side != Claim::Side::leaving) rank = std::max(rank, claim->new_rank + 1);
    return rank;
  }
  OwnedPath owned(const std::string& path) const {
    for (const Claim* claim : claims)
      if (claim->side != Claim::Side::linked) return {path, *claim->entry, claim->owner->dist()};
    return {path, *claims.front()->entry, claims.front()->owner->dist()};
  }
};

void PathSettlement::note_conflict(const std::string& path, const Claim& winner, const std::vector<Group>& groups) {
  PathConflict conflict{path, winner.owner->dist(), {}};
  bool news = false;
  for (const Group& group : groups) {
    if (group.identity == "pyc") return;
    for (const Claim* claim : group.claims) {
      news = news || claim->side == Claim::Side::linked;
      if (claim->side != Claim::Side::leaving && claim->owner != winner.owner &&
          group.identity != content_identity(winner))
        conflict.losers.push_back(claim->owner->dist());
    }
  }
  if (conflict.losers.empty() || !news) return;
  std::sort(conflict.losers.begin(), conflict.losers.end());
  if (options_.conflicts == PathConflictPolicy::prevent) {
    std::vector<std::string> owners = conflict.losers;
    owners.push_back(conflict.winner);
    throw Error("two packages bring different content for one path", ErrorKind::clobber)
        .at(path)
        .because("it is in `" + join(owners, "`, `") + "`")
        .with("packages", owners)
        .hint("set `path_conflict` to `clobber` or `warn` to let `" + conflict.winner + "` have it");
  }
  plan_.conflicts.push_back(std::move(conflict));
}

void forget_digest(PathEntry& entry) {
  const bool is_script = entry.path_type == PathType::unix_python_entry_point;
  if (is_script && !entry.sha256) entry.sha256 = entry.sha256_in_prefix;
  entry.sha256_in_prefix.reset();
}

void PathSettlement::note_lost(const std::string& path, const Group& group) {
  for (const Claim* claim : group.claims) {
    if (claim->side == Claim::Side::linked)
      forget_digest(plan_.packages[claim->package].record.paths[claim->entry_index]);
    else if (claim->side == Claim::Side::kept && claim->entry->sha256_in_prefix)
      plan_.lost_paths[claim->owner->dist()].push_back(path);
  }
}

void PathSettlement::settle(const std::string& path, std::vector<Claim>& claims, std::vector<char>& dropped) {
  // The common cases first: one package, coming, staying or going.
  std::vector<Group> groups;
  for (const Claim& claim : claims) {
    std::string identity = claims.size() == 1 ? std::string() : content_identity(claim);
    auto found = std::find_if(groups.begin(), groups.end(), [&](const Group& g) { return g.identity == identity; });
    if (found == groups.end()) {
      groups.push_back({std::move(identity), {}, false, {}});
      found = std::prev(groups.end());
    }
    found->claims.push_back(&claim);
  }
  // Parking places exist only where packages were in conflict, so most prefixes have none to look for.
  if (groups.size() > 1 || !options_.parked.empty())
    for (Group& group : groups) {
      if (group.identity.empty()) group.identity = content_identity(*group.claims.front());
      group.place = place_of(path, group.identity);
      group.parked = options_.parked.contains(group.place);
    }

  const Group* holder = nullptr;
  const Group* winner_group = nullptr;
  for (const Group& group : groups) {
    if (group.was_there() && !group.parked && (holder == nullptr || group.old_rank() > holder->old_rank())) holder = &group;
    if (group.survives() && (winner_group == nullptr || group.new_rank() > winner_group->new_rank())) winner_group = &group;
    if (group.parked && !group.survives()) plan_.forgotten_parked.push_back(group.place);
  }

  if (winner_group == nullptr) {
    if (holder != nullptr) plan_.removals.push_back(holder->owned(path));
    return;
  }

  const Claim& winner = *winner_group->survivor();
  if (groups.size() > 1) note_conflict(path, winner, groups);

  // Whoever survives without the path keeps a parked copy; of several new packages with the same content
  // one action is enough.
  for (const Group& group : groups) {
    const Claim* acting = nullptr;
    const Claim* kept = group.survivor() != nullptr && group.survivor()->side == Claim::Side::kept ? group.survivor() : nullptr;
    for (const Claim* claim : group.claims) {
      if (claim->side != Claim::Side::linked) continue;
      if (kept != nullptr) {
        // A file that is there already: on its path or parked. The record learns its digest.
        plan_.packages[claim->package].record.paths[claim->entry_index].sha256_in_prefix = kept->entry->sha256_in_prefix;
        dropped[claim->action] = 1;
      } else if (acting == nullptr) {
        acting = claim;
        if (&group != winner_group) plan_.files[claim->action].target = group.place;
      } else {
        plan_.shared.push_back({claim->package, claim->entry_index, acting->package, acting->entry_index});
        dropped[claim->action] = 1;
      }
    }
  }

  const bool winner_is_new = winner.side == Claim::Side::linked;
  if (groups.size() > 1)
    for (const Group& group : groups)
      if (&group != winner_group) note_lost(path, group);
  if (winner_is_new && winner_group->parked) plan_.forgotten_parked.push_back(winner_group->place);
  if (holder == winner_group && !winner_is_new) return;
  if (!winner_is_new) {
    if (!winner_group->parked) {
      plan_.warnings.push_back("`" + path + "` should be that of `" + winner.owner->dist() +
                               "`, whose file is not kept; reinstall that package to get it");
      return;
    }
    plan_.unparks.push_back({{path, *winner.entry, winner.owner->dist()}, winner_group->place});
    for (const Claim* claim : winner_group->claims)
      if (claim->side != Claim::Side::leaving) plan_.unparks.back().owners.push_back(claim->owner->dist());
  }
  if (holder == nullptr) return;
  if (holder != winner_group && holder->survives()) {
    const Claim& loser = *holder->survivor();
    if (loser.side == Claim::Side::kept)
      plan_.parks.push_back({holder->owned(path), holder->place});
    else
      plan_.replaced.emplace(path, holder->owned(path));
  } else {
    plan_.replaced.emplace(path, holder->owned(path));
  }
}

}  // namespace envtool::detail

namespace envtool {

std::string parking_place(const PathEntry& entry, const PackageRecord& owner) {
  detail::Claim claim;
  claim.entry = &entry;
  claim.owner = &owner;
  return detail::place_of(entry.path, detail::content_identity(claim));
}

}  // namespace envtool
