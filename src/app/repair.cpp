#include <algorithm>
#include <map>
#include <set>

#include "envtool/app/history.hpp"
#include "envtool/app/verify.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/log.hpp"
#include "envtool/records/record_json.hpp"
#include "history_state.hpp"
#include "install_options.hpp"
#include "pip_distributions.hpp"
#include "record_folder.hpp"

namespace envtool {

namespace {
using namespace detail;
constexpr std::uint64_t record_limit = 16 << 20;

/// What linking a package anew brings back.
bool is_of_files(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::missing:
    case ProblemKind::size:
    case ProblemKind::content:
    case ProblemKind::type:
    case ProblemKind::link:
    case ProblemKind::parked: return true;
    default: return false;
  }
}

class RepairPlanner {
 public:
  RepairPlanner(const AppInputs& inputs, const Prefix& prefix, const VerifyReport& report, bool doubts_cache)
      : inputs_(inputs), report_(report), doubts_cache_(doubts_cache), folder_(read_record_folder(prefix)) {
    repair_.plan.kind = Plan::Kind::modify;
    repair_.plan.prefix = prefix;
  }

  RepairPlan run(const std::vector<Channel>& channels) {
    repair_.plan.channels = channels;
    find_untouchable();
    for (const Problem& problem : report_.problems) decide(problem);
    if (is_blocked()) return std::move(repair_);
    plan_packages();
    plan_pip();
    leave_dependencies();
    return std::move(repair_);
  }

 private:
  const Prefix& prefix() const { return repair_.plan.prefix; }

  void leave(const Problem& problem, std::string hint) { repair_.left.emplace_back(problem, std::move(hint)); }

  /// Packages with files behind symlinks that nobody knows of: what is linked anew could land anywhere.
  void find_untouchable() {
    std::vector<std::string> folders;
    for (const Problem& problem : report_.problems) {
      if (problem.kind == ProblemKind::replaced_by_pip) of_pip_.insert(problem.package);
      if (problem.kind == ProblemKind::outside) untouchable_.insert(problem.package);
      if (problem.kind == ProblemKind::folder) folders.push_back(problem.path + "/");
    }
    if (folders.empty()) return;
    for (const PrefixRecord& record : folder_.records)
      if (std::any_of(record.paths.begin(), record.paths.end(), [&](const PathEntry& entry) {
            return std::any_of(folders.begin(), folders.end(), [&](const std::string& folder) { return entry.path.starts_with(folder); });
          }))
        untouchable_.insert(record.dist());
  }

  void decide(const Problem& problem) {
    const std::string name = name_of_dist(problem.package);
    switch (problem.kind) {
      case ProblemKind::outside: return leave(problem, "remove the symlink that leads out of the environment, then repair again");
      case ProblemKind::folder: return leave(problem, "move what the symlink leads to to its place, then repair again");
      case ProblemKind::unreadable: return leave(problem, "its owner has to give the permissions back");
      case ProblemKind::replaced_by_pip:
        return leave(problem, "on purpose, it seems; `envtool install --force-reinstall " + name + "` brings the package's own files back");
      case ProblemKind::history: return leave(problem, "remove the file to go on without it; there is no way back to that revision");
      case ProblemKind::unfinished: return leave(problem, "run the command that was ended again");
      case ProblemKind::pending: return leave(problem, "`envtool repair` without `--dry-run` finishes or undoes it");
      case ProblemKind::dependency:
      case ProblemKind::constraint: return;  // when it is known what comes back
      case ProblemKind::pip_missing:
      case ProblemKind::pip_content:
      case ProblemKind::pip_record: damaged_pip_[problem.package].push_back(&problem); return;
      case ProblemKind::mode:
        repair_.modes.push_back({problem.path, problem.mode_set, problem.mode_clear});
        return;
      case ProblemKind::record_damaged:
      case ProblemKind::record_missing:
      case ProblemKind::record_twice:
      case ProblemKind::record_name: return decide_record(problem);
      default: break;
    }
    if (!is_of_files(problem.kind)) return;
    if (of_pip_.contains(problem.package))
      return leave(problem, "pip has replaced the package; `envtool install --force-reinstall " + name + "` brings its own files back");
    if (untouchable_.contains(problem.package)) return leave(problem, "some of the package's files lie behind a symlink; see there");
    again_[name].push_back(&problem);
  }

  const BadRecord* bad_record(const Problem& problem) const {
    for (const BadRecord& bad : folder_.bad)
      if ("conda-meta/" + bad.file == problem.path) return &bad;
    return nullptr;
  }

  void decide_record(const Problem& problem) {
    const BadRecord* bad = bad_record(problem);
    if (problem.kind == ProblemKind::record_missing) {
      if (const auto source = find_source(problem.package)) coming_.emplace(source->name, std::pair(*source, &problem));
      else leave(problem, "nobody knows where the package came from; `envtool install " + name_of_dist(problem.package) + "` asks the channels");
      return;
    }
    if (bad == nullptr) return;  // it has changed since
    const std::string aside = bad->file + ".envtool-saved-" + random_name(4);
    if (problem.kind == ProblemKind::record_name) {
      const std::string proper = bad->record->file_name();
      const bool taken = exists_no_follow(prefix() / ("conda-meta/" + proper)) || folder_.find(bad->name) != nullptr;
      repair_.renamed_records.emplace_back(bad->file, taken ? aside : proper);
      return;
    }
    if (problem.kind == ProblemKind::record_twice) {
      // The other record steps aside and comes back with its package, in place of this one.
      const PrefixRecord* right = folder_.find(bad->name);
      if (right == nullptr) return;
      repair_.renamed_records.emplace_back(right->file_name(), right->file_name() + ".envtool-saved-" + random_name(4));
      doubles_.emplace(bad->name, *bad->record);
      again_[bad->name].push_back(&problem);
      return;
    }
    const auto source = find_source(bad->dist);
    if (source && folder_.find(source->name) == nullptr) {
      replaced_.emplace(source->name, std::pair(*source, &problem));
      return;
    }
    blocking_.push_back(&problem);
    leave(problem, bad->dist.empty() || source ? "remove the file when it is of no use"
                                               : "nobody knows where the package came from; remove the file, then `envtool install " + bad->name + "`");
  }

  /// While a record that nobody understands is there, no change can be made.
  bool is_blocked() {
    if (blocking_.empty()) return false;
    const std::string hint = "`" + blocking_.front()->path + "` has to be dealt with first";
    const auto leave_all = [&](const auto& problems) {
      for (const Problem* problem : problems) leave(*problem, hint);
    };
    for (const auto& [name, problems] : again_) leave_all(problems);
    for (const auto& [title, problems] : damaged_pip_) leave_all(problems);
    for (const auto& [name, item] : coming_) leave(*item.second, hint);
    for (const auto& [name, item] : replaced_) leave(*item.second, hint);
    repair_.renamed_records.clear();
    return true;
  }

  /// The record of a package that was installed: as a revision wrote it down, or as a package cache has it.
  std::optional<RepoDataRecord> find_source(const std::string& dist) const {
    if (dist.empty()) return std::nullopt;
    std::string line;
    if (folder_.revisions) {
      const RevisionStore& store = *folder_.revisions;
      for (std::size_t i = store.size(); i-- > 0;) {
        if (!store.is_recorded(i)) continue;
        try {
          for (RepoDataRecord& record : store.state(i).packages)
            if (record.dist() == dist && !record.url.empty()) return std::move(record);
        } catch (const Error&) {
          // An earlier one may do.
        }
      }
      if (store.size() != 0)
        for (std::string& text : store.history().state_at(store.size() - 1))
          if (text.ends_with("::" + dist)) line = std::move(text);
    }
    std::optional<RepoDataRecord> found;
    for (const std::string& directory : inputs_.settings.pkgs_dirs)
      for (const std::string& name : list_directory(directory)) {
        if (name != dist && !name.starts_with(dist + "~")) continue;
        const std::string path = directory + "/" + name + "/info/repodata_record.json";
        try {
          const auto text = read_file_if_exists(path, record_limit);
          if (!text) continue;
          RepoDataRecord record = parse_repodata_record(*text, path);
          if (record.dist() != dist || record.url.empty()) continue;
          if (!line.empty() && history_line(record) == line) return record;
          // Two of the same name: nothing is guessed.
          if (found && (!found->sha256 || found->sha256 != record.sha256)) return std::nullopt;
          found = std::move(record);
        } catch (const Error&) {
          // A damaged package of the cache is none.
        }
      }
    return found;
  }

  std::map<std::string, std::vector<std::string>> wishes() const {
    std::map<std::string, std::vector<std::string>> requested;
    if (!folder_.revisions) {
      for (const PrefixRecord& record : folder_.records)
        if (!record.requested_specs.empty()) requested[record.name] = record.requested_specs;
      return requested;
    }
    requested = requested_specs(folder_.revisions->history(), folder_.records);
    const auto of_history = folder_.revisions->history().requested_specs();
    for (const auto* restored : {&coming_, &replaced_})
      for (const auto& [name, item] : *restored)
        if (const auto found = of_history.find(name); found != of_history.end()) requested[name] = {found->second};
    return requested;
  }

  Transaction transaction() const {
    std::vector<PrefixRecord> installed;
    std::vector<RepoDataRecord> wanted;
    std::vector<std::string> again;
    for (const PrefixRecord& record : folder_.records) {
      const auto other = doubles_.find(record.name);
      installed.push_back(other == doubles_.end() ? record : other->second);
      wanted.push_back(record);
    }
    for (const auto& [name, problems] : again_) again.push_back(name);
    for (const auto& [name, item] : coming_) wanted.push_back(item.first);
    for (const auto& [name, item] : replaced_) {
      // Of its files nothing is known: what differs from the package's is kept aside.
      PrefixRecord unknown;
      static_cast<RepoDataRecord&>(unknown) = item.first;
      installed.push_back(std::move(unknown));
      wanted.push_back(item.first);
      again.push_back(name);
    }
    std::sort(installed.begin(), installed.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return diff(installed, wanted, again);
  }

  /// Takes a package out of the repair.
  void give_up(const std::string& name, const std::string& hint) {
    if (const auto found = again_.find(name); found != again_.end()) {
      for (const Problem* problem : found->second) leave(*problem, hint);
      if (doubles_.erase(name) != 0)
        std::erase_if(repair_.renamed_records, [&](const auto& item) { return item.first == folder_.find(name)->file_name(); });
      again_.erase(found);
    }
    for (auto* restored : {&coming_, &replaced_})
      if (const auto found = restored->find(name); found != restored->end()) {
        leave(*found->second.second, hint);
        restored->erase(found);
      }
  }

  void plan_packages() {
    Plan& plan = repair_.plan;
    PackageCache cache(inputs_.settings.pkgs_dirs);
    plan.transaction = transaction();
    for (const RepoDataRecord& record : plan.transaction.to_link())
      if (record.url.empty()) give_up(record.name, "its record does not say where it came from; `envtool install --force-reinstall " + record.name + "` asks the channels");
    plan.transaction = transaction();
    if (doubts_cache_) cache.distrust(plan.transaction.to_link());
    plan.to_download = cache.missing(plan.transaction.to_link());
    if (inputs_.settings.offline && !plan.to_download.empty()) {
      for (const RepoDataRecord& record : plan.to_download) give_up(record.name, "no package cache has the package; run the command without `--offline`");
      plan.transaction = transaction();
      plan.to_download.clear();
      // A record that was to be made good is still in the way.
      if (std::any_of(repair_.left.begin(), repair_.left.end(), [](const auto& item) {
            return item.first.kind == ProblemKind::record_damaged || item.first.kind == ProblemKind::record_twice;
          }))
        plan.transaction = {};
    }
    plan.requested = wishes();
  }

  void plan_pip() {
    if (damaged_pip_.empty()) return;
    const BundleStore bundles(inputs_.settings.pkgs_dirs);
    auto restoration = std::make_shared<Restoration>();
    std::vector<PipDistribution> present = installed_distributions(prefix(), folder_.records);
    if (folder_.revisions)
      for (std::size_t i = 0; i < folder_.revisions->size(); ++i)
        if (folder_.revisions->is_recorded(i)) find_bundles(present, folder_.revisions->pip(i), bundles);
    for (const auto& [title, problems] : damaged_pip_) {
      std::optional<PipDistribution> wanted;
      std::optional<Bundle> bundle;
      for (std::size_t i = folder_.revisions ? folder_.revisions->size() : 0; i-- > 0 && !bundle;) {
        if (!folder_.revisions->is_recorded(i)) continue;
        for (const PipDistribution& item : folder_.revisions->pip(i)) {
          if (item.name + "==" + item.version != title || item.bundle.empty()) continue;
          bundle = bundles.find(item.bundle);
          if (bundle && (bundle->prefix != prefix().path() || !bundle_problem(*bundle, inputs_.stop).empty())) bundle.reset();
          if (bundle) wanted = item;
        }
      }
      if (!bundle) {
        for (const Problem* problem : problems)
          leave(*problem, "`envtool run -p " + prefix().path() + " python -m pip install --force-reinstall --no-deps " + title + "`");
        continue;
      }
      repair_.plan.notes.push_back("pip package is restored: " + title);
      restoration->pip_leaving.push_back(*wanted);
      std::erase_if(present, [&](const PipDistribution& item) { return item.name + "==" + item.version == title; });
      present.push_back(*wanted);
      restoration->pip_coming.emplace_back(std::move(*wanted), std::move(*bundle));
    }
    if (restoration->pip_coming.empty()) return;
    std::sort(present.begin(), present.end(), [](const auto& a, const auto& b) { return to_lower(a.name) < to_lower(b.name); });
    restoration->pip = std::move(present);
    if (folder_.revisions) restoration->revision = folder_.revisions->size() - 1;
    repair_.plan.restoration = std::move(restoration);
  }

  void leave_dependencies() {
    for (const Problem& problem : report_.problems) {
      if (problem.kind != ProblemKind::dependency && problem.kind != ProblemKind::constraint) continue;
      const std::string wanted = std::string(split_whitespace(problem.expected).front());
      if (coming_.contains(wanted) || replaced_.contains(wanted) || again_.contains(wanted)) continue;
      leave(problem, problem.kind == ProblemKind::dependency ? "`envtool install '" + problem.expected + "'` adds it" : "`envtool update " + wanted + "` may find versions that fit");
    }
  }

  const AppInputs& inputs_;
  const VerifyReport& report_;
  bool doubts_cache_;
  RecordFolder folder_;
  RepairPlan repair_;
  std::set<std::string> untouchable_;
  /// Packages that pip has put others in the place of: linking them anew would break those.
  std::set<std::string> of_pip_;
  /// By package name: those that are linked anew, with the reasons.
  std::map<std::string, std::vector<const Problem*>> again_;
  /// Those without a record, and those whose record is damaged.
  std::map<std::string, std::pair<RepoDataRecord, const Problem*>> coming_, replaced_;
  /// Second records of packages.
  std::map<std::string, PrefixRecord> doubles_;
  std::map<std::string, std::vector<const Problem*>> damaged_pip_;
  std::vector<const Problem*> blocking_;
};

/// Renames records as long as it lives on without `keep`.
class RecordRenames {
 public:
  explicit RecordRenames(const Prefix& prefix) : folder_(prefix.conda_meta() + "/") {}
  RecordRenames(const RecordRenames&) = delete;
  RecordRenames& operator=(const RecordRenames&) = delete;
  ~RecordRenames() {
    try {
      for (const auto& [from, to] : done_) rename_no_replace(folder_ + to, folder_ + from);
    } catch (const Error& error) {
      log_warning(error.what());
    }
  }
  void rename(const std::string& from, const std::string& to) {
    if (rename_no_replace(folder_ + from, folder_ + to)) done_.emplace_back(from, to);
  }
  void keep() { done_.clear(); }

 private:
  std::string folder_;
  std::vector<std::pair<std::string, std::string>> done_;
};

void set_modes(const AppInputs& inputs, const RepairPlan& repair) {
  if (repair.modes.empty()) return;
  const PrefixLock lock = PrefixLock::acquire(repair.plan.prefix, install_options(inputs));
  for (const RepairPlan::ModeChange& change : repair.modes) {
    try {
      const std::vector<FileQuestion> question{{change.path, FileQuestion::Wanted::status, std::nullopt}};
      const FileFacts facts = look_at_files(repair.plan.prefix.path(), question).front();
      if (facts.type != FileFacts::Type::file) continue;
      // Who cannot read a file needs not run it.
      const unsigned readers = (facts.mode >> 2U) & 0111U;
      const unsigned set = (change.set & 0111U) != 0 ? (change.set & readers) | 0100U : change.set;
      set_file_mode(lock, change.path, (facts.mode | set) & ~change.clear);
    } catch (const Error& error) {
      inputs.reporter.on_warning(error.message() + " `" + change.path + "`" + (error.why().empty() ? "" : ": " + error.why()));
    }
  }
}
}  // namespace

RepairPlan plan_repair(const AppInputs& inputs, const Prefix& prefix, const VerifyReport& report, const std::vector<Channel>& channels,
                       bool doubts_cache) {
  return RepairPlanner(inputs, prefix, report, doubts_cache).run(channels);
}

InstallResult execute_repair(const AppInputs& inputs, const RepairPlan& repair) {
  InstallResult result;
  // First of all: a file with the wrong mode may be the package cache's own, which a new record would believe.
  set_modes(inputs, repair);
  RecordRenames renames(repair.plan.prefix);
  if (!repair.renamed_records.empty()) {
    const PrefixLock lock = PrefixLock::acquire(repair.plan.prefix, install_options(inputs));
    for (const auto& [from, to] : repair.renamed_records) renames.rename(from, to);
  }
  if (!repair.plan.transaction.empty() || repair.plan.restoration) result = execute(inputs, repair.plan);
  renames.keep();
  for (const auto& [from, to] : repair.renamed_records)
    if (!to.ends_with(".json")) result.saved.emplace_back("conda-meta/" + from, "conda-meta/" + to);
  return result;
}

}  // namespace envtool
