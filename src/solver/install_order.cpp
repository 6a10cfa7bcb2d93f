#include "install_order.hpp"

#include <algorithm>
#include <unordered_map>

namespace envtool::solving {

std::vector<CandidateId> install_order(const Universe& universe, const std::vector<CandidateId>& chosen) {
  std::vector<CandidateId> sorted = chosen;
  const auto text = [&](CandidateId id) -> const std::string& { return universe.name(universe.candidate(id).name).text; };
  std::sort(sorted.begin(), sorted.end(), [&](CandidateId a, CandidateId b) { return text(a) < text(b); });
  std::unordered_map<NameId, std::size_t> position;
  for (std::size_t i = 0; i < sorted.size(); ++i) position.emplace(universe.candidate(sorted[i]).name, i);

  std::vector<std::vector<std::size_t>> below(sorted.size());
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    for (const SpecId spec : universe.candidate(sorted[i]).depends)
      if (const auto found = position.find(universe.spec(spec).name); found != position.end() && found->second != i)
        below[i].push_back(found->second);
    std::sort(below[i].begin(), below[i].end());
  }
  // python lists pip and setuptools in some channels: they are written for python, not the reverse.
  for (std::size_t i = 0; i < sorted.size(); ++i)
    if (text(sorted[i]) == "python")
      std::erase_if(below[i], [&](std::size_t k) {
        return std::binary_search(below[k].begin(), below[k].end(), i);
      });

  enum class Mark : char { fresh, open, done };
  std::vector<Mark> marks(sorted.size(), Mark::fresh);
  std::vector<CandidateId> ordered;
  std::vector<std::pair<std::size_t, std::size_t>> stack;  // member, next dependency
  for (std::size_t start = 0; start < sorted.size(); ++start) {
    if (marks[start] != Mark::fresh) continue;
    marks[start] = Mark::open;
    stack.emplace_back(start, 0);
    while (!stack.empty()) {
      auto& [member, next] = stack.back();
      if (next < below[member].size()) {
        const std::size_t dependency = below[member][next++];
        if (marks[dependency] != Mark::fresh) continue;
        marks[dependency] = Mark::open;
        stack.emplace_back(dependency, 0);
        continue;
      }
      marks[member] = Mark::done;
      ordered.push_back(sorted[member]);
      stack.pop_back();
    }
  }
  return ordered;
}

}  // namespace envtool::solving
