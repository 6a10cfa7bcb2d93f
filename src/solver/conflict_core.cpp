#include "conflict_core.hpp"

#include <algorithm>

#include "explanation.hpp"

namespace envtool::solving {
namespace {

/// One thing that the user (or a configuration) asked for.
struct Wish {
  enum class Kind { spec, pin, frozen };
  Kind kind;
  std::size_t index;
};
using Wishes = std::vector<Wish>;

class CoreFinder {
 public:
  explicit CoreFinder(const SolveRequest& request) : request_(request) {
    frozen_ = request.installed.freeze;
    if (request.installed.freeze_all) {
      frozen_.clear();
      for (const auto* record : request.installed.records) frozen_.push_back(record->name);
    }
    std::sort(frozen_.begin(), frozen_.end());
  }

  SolveRequest run() {
    // In an order of our own, so that the same wishes in another order give the same core.
    Wishes all;
    for (std::size_t i = 0; i < frozen_.size(); ++i) all.push_back({Wish::Kind::frozen, i});
    for (const std::size_t i : by_text(request_.pins)) all.push_back({Wish::Kind::pin, i});
    for (const std::size_t i : by_text(request_.specs)) all.push_back({Wish::Kind::spec, i});
    // The empty background is solvable: nothing wanted, nothing wrong.
    return make_request(shrink({}, {}, all));
  }

 private:
  static std::vector<std::size_t> by_text(const std::vector<MatchSpec>& specs) {
    std::vector<std::pair<std::string, std::size_t>> keyed;
    for (std::size_t i = 0; i < specs.size(); ++i) keyed.emplace_back(specs[i].str(), i);
    std::sort(keyed.begin(), keyed.end());
    std::vector<std::size_t> order;
    for (const auto& [text, index] : keyed) order.push_back(index);
    return order;
  }

  SolveRequest make_request(const Wishes& wishes) const {
    SolveRequest result;
    result.candidates = request_.candidates;
    result.virtual_packages = request_.virtual_packages;
    result.options = request_.options;
    result.installed = request_.installed;
    result.installed.freeze.clear();
    result.installed.freeze_all = false;
    // What would like to stay gives way anyway.
    result.installed.prune_orphans = true;
    for (const Wish& wish : wishes) {
      if (wish.kind == Wish::Kind::spec) result.specs.push_back(request_.specs[wish.index]);
      if (wish.kind == Wish::Kind::pin) result.pins.push_back(request_.pins[wish.index]);
      if (wish.kind == Wish::Kind::frozen) result.installed.freeze.push_back(frozen_[wish.index]);
    }
    return result;
  }

  bool solvable(const Wishes& wishes) const { return find_solution(make_request(wishes), nullptr).has_value(); }

  static Wishes joined(const Wishes& a, const Wishes& b) {
    Wishes all = a;
    all.insert(all.end(), b.begin(), b.end());
    return all;
  }

  /// QuickXplain (Junker 2004): a minimal part of `rest` that conflicts with `background`;
  /// `added` is what the background grew by last.
  Wishes shrink(const Wishes& background, const Wishes& added, const Wishes& rest) {
    if (!added.empty() && !solvable(background)) return {};
    if (rest.size() <= 1) return rest;
    const auto middle = rest.begin() + static_cast<std::ptrdiff_t>(rest.size() / 2);
    const Wishes first(rest.begin(), middle), second(middle, rest.end());
    const Wishes from_second = shrink(joined(background, first), first, second);
    const Wishes from_first = shrink(joined(background, from_second), from_second, first);
    return joined(from_first, from_second);
  }

  const SolveRequest& request_;
  std::vector<std::string> frozen_;
};

}  // namespace

SolveRequest smallest_unsolvable(const SolveRequest& request) { return CoreFinder(request).run(); }

}  // namespace envtool::solving
