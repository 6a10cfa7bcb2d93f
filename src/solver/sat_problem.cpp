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

}  // namespace

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

std::optional<std::vector<SatProblem::PackageId>> SatProblem::solve() const {
  const std::unique_ptr<Pool, PoolDeleter> pool_owner(pool_create());
  Pool* pool = pool_owner.get();
  Repo* repo = repo_create(pool, "candidates");

  // Strings first: the table of providers has to be large enough for all of them.
  std::vector<Id> set_ids(sets_.size());
  for (std::size_t i = 0; i < sets_.size(); ++i) {
    const Set& set = sets_[i];
    if (set.operation == Operation::plain) {
      set_ids[i] = text_id(pool, 's', i);
      continue;
    }
    const int flags = set.operation == Operation::both     ? REL_AND
                      : set.operation == Operation::either ? REL_OR
                                                           : REL_COND;
    set_ids[i] = pool_rel2id(pool, set_ids[set.left], set_ids[set.right], flags, 1);
  }
  // That of one name only one is chosen would take a rule for each pair. Instead each candidate
  // fixes the bits of its number: two candidates differ in one bit at least. Bits are packages
  // that are there or not; they come below the others, so that nothing is decided by them.
  std::map<std::uint32_t, std::vector<PackageId>> by_name;
  for (PackageId package = 0; package < names_.size(); ++package) by_name[names_[package]].push_back(package);
  struct Digits {
    int first_bit = 0;
    int bits = 0;
  };
  std::unordered_map<std::uint32_t, Digits> digits;
  int bit_count = 0;
  for (const auto& [name, members] : by_name) {
    if (members.size() < 2) continue;
    const int bits = static_cast<int>(std::bit_width(members.size() - 1));
    digits.emplace(name, Digits{bit_count, bits});
    bit_count += bits;
  }
  const Id bit_block = bit_count == 0 ? 0 : repo_add_solvable_block(repo, bit_count);
  std::vector<Id> bit_ids(static_cast<std::size_t>(bit_count));
  for (int i = 0; i < bit_count; ++i) {
    Solvable* bit = pool_id2solvable(pool, bit_block + i);
    bit->name = bit_ids[static_cast<std::size_t>(i)] = text_id(pool, 'b', static_cast<std::size_t>(i));
    bit->arch = ARCH_NOARCH;
    bit->evr = ID_EMPTY;
  }
  const auto count = static_cast<int>(names_.size());
  const Id first = count == 0 ? 0 : repo_add_solvable_block(repo, count);
  // libsolv walks its rules from the highest solvable down, so the numbers are turned round: what
  // was added first gets decided first.
  const auto to_solvable = [&](PackageId package) { return first + (count - 1 - static_cast<int>(package)); };
  for (PackageId package = 0; package < names_.size(); ++package) {
    Solvable* solvable = pool_id2solvable(pool, to_solvable(package));
    solvable->name = text_id(pool, 'n', names_[package]);
    solvable->arch = ARCH_NOARCH;
    solvable->evr = pool_str2id(pool, std::to_string(preferences_[package]).c_str(), 1);
    for (const SetId set : needs_[package])
      solvable->dep_requires = repo_addid_dep(repo, solvable->dep_requires, set_ids[set], 0);
    for (const SetId set : forbids_[package])
      solvable->dep_conflicts = repo_addid_dep(repo, solvable->dep_conflicts, set_ids[set], 0);
  }
  for (const auto& [name, members] : by_name) {
    const auto found = digits.find(name);
    if (found == digits.end()) continue;
    for (std::size_t number = 0; number < members.size(); ++number) {
      Solvable* solvable = pool_id2solvable(pool, to_solvable(members[number]));
      for (int bit = 0; bit < found->second.bits; ++bit) {
        const Id id = bit_ids[static_cast<std::size_t>(found->second.first_bit + bit)];
        Offset& list = ((number >> bit) & 1U) != 0 ? solvable->dep_requires : solvable->dep_conflicts;
        list = repo_addid_dep(repo, list, id, 0);
      }
    }
  }
  pool_createwhatprovides(pool);
  IdQueue providers;
  const auto provide = [&](Id id, const std::vector<PackageId>& members) {
    providers.clear();
    // Ascending for libsolv means descending for us.
    for (auto it = members.rbegin(); it != members.rend(); ++it) providers.push(to_solvable(*it));
    pool_set_whatprovides(pool, id, pool_queuetowhatprovides(pool, providers.get()));
  };
  for (std::size_t i = 0; i < sets_.size(); ++i)
    if (sets_[i].operation == Operation::plain) provide(set_ids[i], sets_[i].members);
  for (const auto& [name, members] : by_name) provide(text_id(pool, 'n', name), members);

  for (int i = 0; i < bit_count; ++i) {
    providers.clear();
    providers.push(bit_block + i);
    pool_set_whatprovides(pool, bit_ids[static_cast<std::size_t>(i)], pool_queuetowhatprovides(pool, providers.get()));
  }

  IdQueue jobs;
  // Tells libsolv not to add its rules for pairs.
  jobs.push(SOLVER_MULTIVERSION | SOLVER_SOLVABLE_ALL, 0);
  for (const Job& job : jobs_)
    jobs.push(SOLVER_INSTALL | SOLVER_SOLVABLE_PROVIDES | (job.weak ? SOLVER_WEAK : 0), set_ids[job.set]);
  const std::unique_ptr<Solver, SolverDeleter> solver(solver_create(pool));
  if (solver_solve(solver.get(), jobs.get()) != 0) return std::nullopt;
  IdQueue decisions;
  solver_get_decisionqueue(solver.get(), decisions.get());
  std::vector<PackageId> chosen;
  for (int i = 0; i < decisions.size(); ++i)
    if (decisions[i] >= first && decisions[i] < first + count && count != 0)
      chosen.push_back(static_cast<PackageId>(first + count - 1 - decisions[i]));
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

}  // namespace envtool::solving
