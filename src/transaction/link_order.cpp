#include "envtool/transaction/link_order.hpp"

#include <algorithm>
#include <limits>
#include <numeric>
#include <unordered_map>

#include "envtool/base/text.hpp"

namespace envtool {

namespace {
/// The package name that a dependency string is about: `python >=3.8` gives `python`.
std::string_view dependency_name(std::string_view depends) {
  depends = strip(depends);
  // `channel/subdir::name`: the name follows the last `::`.
  if (const std::size_t colons = depends.rfind("::"); colons != std::string_view::npos) depends.remove_prefix(colons + 2);
  const std::size_t end = depends.find_first_of(" \t=<>!~[");
  return depends.substr(0, end);
}

constexpr std::size_t unvisited = std::numeric_limits<std::size_t>::max();

/// Tarjan's strongly connected components without recursion: environments have long chains.
class Components {
 public:
  explicit Components(const std::vector<std::vector<std::size_t>>& edges)
      : edges_(edges), index_(edges.size(), unvisited), low_(edges.size(), 0), component_(edges.size(), unvisited) {
    for (std::size_t node = 0; node < edges.size(); ++node)
      if (index_[node] == unvisited) visit(node);
  }
  /// Components are numbered so that a component's dependencies have smaller numbers.
  std::size_t of(std::size_t node) const { return component_[node]; }
  std::size_t count() const { return count_; }

 private:
  struct Frame {
    std::size_t node;
    std::size_t next = 0;
  };

  void visit(std::size_t root) {
    std::vector<Frame> frames{{root}};
    open(root);
    while (!frames.empty()) {
      Frame& frame = frames.back();
      if (frame.next < edges_[frame.node].size()) {
        const std::size_t target = edges_[frame.node][frame.next++];
        if (index_[target] == unvisited) {
          open(target);
          frames.push_back({target});
        } else if (component_[target] == unvisited) {
          low_[frame.node] = std::min(low_[frame.node], index_[target]);
        }
        continue;
      }
      const std::size_t node = frame.node;
      frames.pop_back();
      if (!frames.empty()) low_[frames.back().node] = std::min(low_[frames.back().node], low_[node]);
      if (low_[node] == index_[node]) close(node);
    }
  }

  void open(std::size_t node) {
    index_[node] = low_[node] = counter_++;
    stack_.push_back(node);
  }

  void close(std::size_t root) {
    std::size_t node = 0;
    do {
      node = stack_.back();
      stack_.pop_back();
      component_[node] = count_;
    } while (node != root);
    ++count_;
  }

  const std::vector<std::vector<std::size_t>>& edges_;
  std::vector<std::size_t> index_, low_, component_, stack_;
  std::size_t counter_ = 0;
  std::size_t count_ = 0;
};
}  // namespace

std::vector<std::size_t> dependency_depths(std::span<const PackageRecord* const> records) {
  std::unordered_map<std::string_view, std::size_t> by_name;
  for (std::size_t i = 0; i < records.size(); ++i) by_name.emplace(records[i]->name, i);
  std::vector<std::vector<std::size_t>> edges(records.size());
  for (std::size_t i = 0; i < records.size(); ++i)
    for (const std::string& depends : records[i]->depends)
      if (auto found = by_name.find(dependency_name(depends)); found != by_name.end() && found->second != i)
        edges[i].push_back(found->second);

  const Components components(edges);
  std::vector<std::vector<std::size_t>> members(components.count());
  for (std::size_t i = 0; i < records.size(); ++i) members[components.of(i)].push_back(i);
  std::vector<std::size_t> depth_of_component(components.count(), 0);
  for (std::size_t component = 0; component < components.count(); ++component)
    for (std::size_t node : members[component])
      for (std::size_t target : edges[node])
        if (components.of(target) != component)
          depth_of_component[component] =
              std::max(depth_of_component[component], depth_of_component[components.of(target)] + 1);

  std::vector<std::size_t> depths(records.size());
  for (std::size_t i = 0; i < records.size(); ++i) depths[i] = depth_of_component[components.of(i)];
  return depths;
}

std::vector<std::size_t> link_order(std::span<const PackageRecord* const> records) {
  const std::vector<std::size_t> depths = dependency_depths(records);
  std::vector<std::size_t> order(records.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    if (depths[a] != depths[b]) return depths[a] < depths[b];
    return records[a]->name < records[b]->name;
  });
  return order;
}

}  // namespace envtool
