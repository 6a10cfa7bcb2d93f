#include "version_list.hpp"

#include <set>

namespace envtool::solving {

std::string version_list(const Universe& universe, NameId name_id, const Bits& candidates) {
  const Name& name = universe.name(name_id);
  std::vector<const std::string*> versions;
  std::uint32_t last = no_id;
  // Positions go from the highest version down.
  std::set<std::uint32_t, std::greater<>> ranks;
  candidates.for_each([&](std::size_t local) {
    ranks.insert(universe.candidate(name.first + static_cast<CandidateId>(local)).version_rank);
  });
  for (const std::uint32_t rank : ranks)
    if (rank != last) versions.push_back(&name.versions[last = rank].str());
  std::string text;
  constexpr std::size_t shown = 4;
  for (std::size_t i = 0; i < versions.size(); ++i) {
    if (versions.size() > shown && i >= 2 && i + 1 < versions.size()) {
      if (i == 2) text += ", ...";
      continue;
    }
    if (!text.empty()) text += ", ";
    text += *versions[i];
  }
  return text;
}

}  // namespace envtool::solving
