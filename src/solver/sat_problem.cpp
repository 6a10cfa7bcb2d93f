#include "sat_problem.hpp"

#include <algorithm>
#include <bit>
#include <map>
#include <memory>
#include <string>

#include "solv_headers.hpp"

namespace envtool::solving {
namespace {

struct PoolDeleter {
  void operator()(Pool* pool) const { pool_free(pool); }
};
struct SolverDeleter {
  void operator()(Solver* solver) const { solver_free(solver); }
};

/// libsolv's queue, freed at the end.
class IdQueue {
 public:
  IdQueue() { queue_init(&queue_); }
  ~IdQueue() { queue_free(&queue_); }
  IdQueue(const IdQueue&) = delete;
  IdQueue& operator=(const IdQueue&) = delete;
  Queue* get() { return &queue_; }
  void clear() { queue_empty(&queue_); }
  void push(Id id) { queue_push(&queue_, id); }
  void push(Id first, Id second) { queue_push2(&queue_, first, second); }
  int size() const { return queue_.count; }
  Id operator[](int i) const { return queue_.elements[i]; }

 private:
  Queue queue_;
};

Id text_id(Pool* pool, char kind, std::size_t number) {
  const std::string text = kind + std::to_string(number);
  return pool_str2id(pool, text.c_str(), 1);
}

/// A block of solvables, the first of which gets the highest number: libsolv walks its rules from
/// the highest solvable down, so what comes first gets decided first.
struct Block {
  Id first = 0;
  int count = 0;

  Block(Repo* repo, std::size_t size) : count(static_cast<int>(size)) {
    if (count > 0) first = repo_add_solvable_block(repo, count);
  }
  Id at(std::size_t position) const { return first + (count - 1 - static_cast<int>(position)); }
  bool has(Id id) const { return id >= first && id < first + count; }
  std::size_t position(Id id) const { return static_cast<std::size_t>(first + count - 1 - id); }
};

}  // namespace

/// The problem in libsolv's terms.
class SatProblem::Translation {
 public:
  explicit Translation(const SatProblem& problem)
      : problem_(problem), owner_(pool_create()), pool_(owner_.get()), repo_(repo_create(pool_, "candidates")) {
    find_shared_sets();
    number_candidates();
    name_sets();
    add_packages();
    add_bits();
    pool_createwhatprovides(pool_);
    fill_providers();
  }

  std::optional<std::vector<PackageId>> solve();

 private:
  /// Where a name's bits begin, and how many there are.
  struct Digits {
    std::size_t first = 0;
    std::size_t count = 0;
  };

  void find_shared_sets();
  void number_candidates();
  void name_sets();
  void add_packages();
  void add_bits();
  void fill_providers();
  Solvable* prepare(Id id, Id name);
  void need(Solvable* solvable, Id what) { solvable->dep_requires = repo_addid_dep(repo_, solvable->dep_requires, what, 0); }
  void forbid(Solvable* solvable, Id what) {
    solvable->dep_conflicts = repo_addid_dep(repo_, solvable->dep_conflicts, what, 0);
  }
  void provide(Id what, const std::vector<Id>& solvables);

  const SatProblem& problem_;
  std::unique_ptr<Pool, PoolDeleter> owner_;
  Pool* pool_;
  Repo* repo_;
  std::vector<Id> set_ids_;
  /// Sets that several packages need or forbid. Each becomes a package of its own that they need:
  /// what libsolv learns about it then holds for all of them at once.
  std::vector<SetId> shared_needs_, shared_forbids_;
  std::unordered_map<SetId, std::size_t> need_positions_, forbid_positions_;
  std::map<std::uint32_t, std::vector<PackageId>> by_name_;
  std::map<std::uint32_t, Digits> digits_;
  std::size_t bit_count_ = 0;
  std::vector<Id> bit_ids_, need_ids_, forbid_ids_;
  // Numbers go up from block to block, so the packages themselves are decided first.
  std::optional<Block> bits_, forbids_, needs_, packages_;
};

SatProblem::PackageId SatProblem::add_package(std::uint32_t name, std::uint32_t preference) {
  names_.push_back(name);
  preferences_.push_back(preference);
  needs_.emplace_back();
  forbids_.emplace_back();
  return static_cast<PackageId>(names_.size() - 1);
}

SatProblem::SetId SatProblem::set_of(const std::vector<PackageId>& members) {
  std::size_t hash = members.size();
  for (const auto member : members) hash = hash * 1099511628211ULL + member;
  const auto [begin, end] = plain_sets_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (sets_[it->second].members == members) return it->second;
  const SetId id = static_cast<SetId>(sets_.size());
  sets_.push_back({Operation::plain, members, 0, 0});
  plain_sets_.emplace(hash, id);
  return id;
}

SatProblem::SetId SatProblem::combine(Operation operation, SetId left, SetId right) {
  sets_.push_back({operation, {}, left, right});
  return static_cast<SetId>(sets_.size() - 1);
}
SatProblem::SetId SatProblem::both(SetId a, SetId b) { return combine(Operation::both, a, b); }
SatProblem::SetId SatProblem::either(SetId a, SetId b) { return combine(Operation::either, a, b); }
SatProblem::SetId SatProblem::when(SetId what, SetId condition) {
  return combine(Operation::when, what, condition);
}

void SatProblem::Translation::find_shared_sets() {
  const auto find = [&](const std::vector<std::vector<SetId>>& lists, std::vector<SetId>& shared,
                        std::unordered_map<SetId, std::size_t>& positions) {
    std::vector<int> uses(problem_.sets_.size());
    std::vector<SetId> order;
    for (const auto& list : lists)
      for (const SetId set : list)
        if (++uses[set] == 1) order.push_back(set);
    for (const SetId set : order) {
      const Set& what = problem_.sets_[set];
      if (uses[set] < 2 || what.operation != Operation::plain || what.members.size() < 2) continue;
      positions.emplace(set, shared.size());
      shared.push_back(set);
    }
  };
  find(problem_.needs_, shared_needs_, need_positions_);
  find(problem_.forbids_, shared_forbids_, forbid_positions_);
}

/// That only one of a name is chosen would take a rule for each pair. Instead each candidate fixes
/// the bits of its number: two candidates differ in one bit at least. A bit is a package that is
/// there or not.
void SatProblem::Translation::number_candidates() {
  for (PackageId package = 0; package < problem_.names_.size(); ++package)
    by_name_[problem_.names_[package]].push_back(package);
  for (const auto& [name, members] : by_name_) {
    if (members.size() < 2) continue;
    const auto count = static_cast<std::size_t>(std::bit_width(members.size() - 1));
    digits_.emplace(name, Digits{bit_count_, count});
    bit_count_ += count;
  }
}

/// All strings come first: the table of providers has to be large enough for them.
void SatProblem::Translation::name_sets() {
  set_ids_.resize(problem_.sets_.size());
  for (std::size_t i = 0; i < set_ids_.size(); ++i) {
    const Set& set = problem_.sets_[i];
    if (set.operation == Operation::plain) {
      set_ids_[i] = text_id(pool_, 's', i);
      continue;
    }
    const int flags = set.operation == Operation::both     ? REL_AND
                      : set.operation == Operation::either ? REL_OR
                                                           : REL_COND;
    set_ids_[i] = pool_rel2id(pool_, set_ids_[set.left], set_ids_[set.right], flags, 1);
  }
}

Solvable* SatProblem::Translation::prepare(Id id, Id name) {
  Solvable* solvable = pool_id2solvable(pool_, id);
  solvable->name = name;
  solvable->arch = ARCH_NOARCH;
  solvable->evr = ID_EMPTY;
  return solvable;
}

void SatProblem::Translation::add_packages() {
  for (std::size_t i = 0; i < shared_needs_.size(); ++i) need_ids_.push_back(text_id(pool_, 'r', i));
  for (std::size_t i = 0; i < shared_forbids_.size(); ++i) forbid_ids_.push_back(text_id(pool_, 'c', i));
  for (std::size_t i = 0; i < bit_count_; ++i) bit_ids_.push_back(text_id(pool_, 'b', i));
  bits_.emplace(repo_, bit_count_);
  forbids_.emplace(repo_, shared_forbids_.size());
  needs_.emplace(repo_, shared_needs_.size());
  packages_.emplace(repo_, problem_.names_.size());
  for (std::size_t i = 0; i < shared_needs_.size(); ++i)
    need(prepare(needs_->at(i), need_ids_[i]), set_ids_[shared_needs_[i]]);
  for (std::size_t i = 0; i < shared_forbids_.size(); ++i)
    forbid(prepare(forbids_->at(i), forbid_ids_[i]), set_ids_[shared_forbids_[i]]);
  for (PackageId package = 0; package < problem_.names_.size(); ++package) {
    Solvable* solvable = prepare(packages_->at(package), text_id(pool_, 'n', problem_.names_[package]));
    solvable->evr = pool_str2id(pool_, std::to_string(problem_.preferences_[package]).c_str(), 1);
    for (const SetId set : problem_.needs_[package]) {
      const auto shared = need_positions_.find(set);
      need(solvable, shared == need_positions_.end() ? set_ids_[set] : need_ids_[shared->second]);
    }
    for (const SetId set : problem_.forbids_[package]) {
      const auto shared = forbid_positions_.find(set);
      if (shared == forbid_positions_.end()) forbid(solvable, set_ids_[set]);
      else need(solvable, forbid_ids_[shared->second]);
    }
  }
}

void SatProblem::Translation::add_bits() {
  for (std::size_t i = 0; i < bit_count_; ++i) prepare(bits_->at(i), bit_ids_[i]);
  for (const auto& [name, digits] : digits_) {
    const auto& members = by_name_.at(name);
    for (std::size_t number = 0; number < members.size(); ++number) {
      Solvable* solvable = pool_id2solvable(pool_, packages_->at(members[number]));
      for (std::size_t bit = 0; bit < digits.count; ++bit) {
        const Id id = bit_ids_[digits.first + bit];
        if (((number >> bit) & 1U) != 0) need(solvable, id);
        else forbid(solvable, id);
      }
    }
  }
}

void SatProblem::Translation::provide(Id what, const std::vector<Id>& solvables) {
  IdQueue providers;
  for (const Id id : solvables) providers.push(id);
  pool_set_whatprovides(pool_, what, pool_queuetowhatprovides(pool_, providers.get()));
}

void SatProblem::Translation::fill_providers() {
  const auto to_ids = [&](const std::vector<PackageId>& members) {
    std::vector<Id> ids;
    // Ascending for libsolv means descending for us.
    for (auto it = members.rbegin(); it != members.rend(); ++it) ids.push_back(packages_->at(*it));
    return ids;
  };
  for (std::size_t i = 0; i < set_ids_.size(); ++i)
    if (problem_.sets_[i].operation == Operation::plain) provide(set_ids_[i], to_ids(problem_.sets_[i].members));
  for (const auto& [name, members] : by_name_) provide(text_id(pool_, 'n', name), to_ids(members));
  for (std::size_t i = 0; i < shared_needs_.size(); ++i) provide(need_ids_[i], {needs_->at(i)});
  for (std::size_t i = 0; i < shared_forbids_.size(); ++i) provide(forbid_ids_[i], {forbids_->at(i)});
  for (std::size_t i = 0; i < bit_count_; ++i) provide(bit_ids_[i], {bits_->at(i)});
}

std::optional<std::vector<SatProblem::PackageId>> SatProblem::Translation::solve() {
  IdQueue jobs;
  // Tells libsolv not to add its own rules for pairs of one name.
  jobs.push(SOLVER_MULTIVERSION | SOLVER_SOLVABLE_ALL, 0);
  for (const Job& job : problem_.jobs_)
    jobs.push(SOLVER_INSTALL | SOLVER_SOLVABLE_PROVIDES | (job.weak ? SOLVER_WEAK : 0), set_ids_[job.set]);
  const std::unique_ptr<Solver, SolverDeleter> solver(solver_create(pool_));
  if (solver_solve(solver.get(), jobs.get()) != 0) return std::nullopt;
  IdQueue decisions;
  solver_get_decisionqueue(solver.get(), decisions.get());
  std::vector<PackageId> chosen;
  for (int i = 0; i < decisions.size(); ++i)
    if (packages_->has(decisions[i])) chosen.push_back(static_cast<PackageId>(packages_->position(decisions[i])));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::optional<std::vector<SatProblem::PackageId>> SatProblem::solve() const { return Translation(*this).solve(); }

}  // namespace envtool::solving
