#pragma once

#include <cstdint>
#include <optional>
#include <unordered_map>
#include <vector>

namespace envtool::solving {

/// A packaging problem for libsolv, in plain numbers: packages (one of each name at most), sets of
/// packages, and what each package needs and forbids. Built, then solved once.
class SatProblem {
 public:
  using PackageId = std::uint32_t;
  /// A set of packages, or an expression over such sets.
  using SetId = std::uint32_t;

  /// Among packages of one name the one with the highest preference is chosen first.
  PackageId add_package(std::uint32_t name, std::uint32_t preference);
  /// Equal sets of members (ascending) have one id.
  SetId set_of(const std::vector<PackageId>& members);
  SetId both(SetId a, SetId b);
  SetId either(SetId a, SetId b);
  /// `what` if something of `condition` is installed.
  SetId when(SetId what, SetId condition);

  void need(PackageId package, SetId set) { needs_[package].push_back(set); }
  /// `set` is a plain set.
  void forbid(PackageId package, SetId set) { forbids_[package].push_back(set); }
  /// Must hold; earlier ones are decided first.
  void require(SetId set) { jobs_.push_back({set, false}); }
  /// Holds if it can; the last one gives way first.
  void wish(SetId set) { jobs_.push_back({set, true}); }

  /// The chosen packages, ascending, or nothing when it cannot be solved.
  std::optional<std::vector<PackageId>> solve() const;
  std::size_t package_count() const { return names_.size(); }

 private:
  class Translation;
  enum class Operation : std::uint8_t { plain, both, either, when };
  struct Set {
    Operation operation = Operation::plain;
    std::vector<PackageId> members;
    SetId left = 0, right = 0;
  };
  struct Job {
    SetId set;
    bool weak;
  };
  SetId combine(Operation operation, SetId left, SetId right);

  std::vector<std::uint32_t> names_, preferences_;
  std::vector<std::vector<SetId>> needs_, forbids_;
  std::vector<Set> sets_;
  std::unordered_multimap<std::size_t, SetId> plain_sets_;
  std::vector<Job> jobs_;
};

}  // namespace envtool::solving
