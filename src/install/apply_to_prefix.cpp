#include <sys/stat.h>

#include <algorithm>

#include "change_builder.hpp"
#include "envtool/base/error.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/os/log.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "metadata.hpp"
#include "parallel.hpp"
#include "pending_change.hpp"
#include "stage_file.hpp"
#include "system_call.hpp"

namespace envtool {

using namespace detail;

namespace {
/// Throws `tx/` away unless the change was committed.
class Undo {
 public:
  explicit Undo(const Prefix& prefix) : prefix_(prefix) {}
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;
  ~Undo() {
    if (!armed_) return;
    try {
      remove_tree(prefix_.transaction_directory());
    } catch (const std::exception& error) {
      log_debug(std::string("an abandoned change is left to the next command: ") + error.what());
    }
  }
  void disarm() { armed_ = false; }

 private:
  const Prefix& prefix_;
  bool armed_ = true;
};
}  // namespace

void refuse_changed(const PrefixLock& lock, const std::vector<std::string>& basis) {
  std::vector<std::string> names = record_file_names(lock.prefix());
  if (names == basis) return;
  // Files that do not count as records may lie there too.
  names = PrefixData::load(lock.prefix()).file_names();
  std::sort(names.begin(), names.end());
  if (names == basis) return;
  EnvironmentChanged error("the environment was changed by another process in the meantime", ErrorKind::locked);
  error.at(lock.prefix().path()).hint("run the command again");
  throw error;
}

std::vector<PackageSource> package_sources(std::span<const CachedPackage> packages) {
  std::vector<PackageSource> sources;
  sources.reserve(packages.size());
  for (const CachedPackage& package : packages)
    sources.push_back({package.record, package.extracted_directory, package.archive_path, package.paths, package.link});
  return sources;
}

std::set<std::string> parked_files(const Prefix& prefix) {
  std::set<std::string> places;
  for (const std::string& name : list_directory(prefix / parking_folder)) places.insert(std::string(parking_folder) + "/" + name);
  return places;
}

PrefixLock PrefixLock::acquire(const Prefix& prefix, const InstallOptions& options) {
  if (!is_directory(prefix.conda_meta()))
    throw Error("there is no environment", ErrorKind::environment_not_found).at(prefix.path());
  FileLock lock = lock_prefix_file(prefix, options, "change");
  recover_locked(prefix, options);
  return PrefixLock(prefix, std::move(lock));
}

InstallResult apply_to_prefix(PrefixLock& lock, const LinkPlan& plan, const EnvironmentChange& change,
                              const InstallOptions& options, std::stop_token stop) {
  const Prefix& prefix = lock.prefix();
  if (plan.prefix != prefix.path())
    throw Error("the plan is for another environment", ErrorKind::internal).at(plan.prefix);
  InstallReporter& reporter = reporter_of(options);
  recover_locked(prefix, options);
  refuse_changed(lock, plan.basis);
  report_plan(plan, reporter);
  refuse_linked_sources(plan);

  Undo undo(prefix);
  ChangeBuilder builder(prefix, plan, change, options, stop);
  const Journal journal = builder.build();
  throw_if_stopped(stop);
  commit(prefix, journal, options.durability);
  undo.disarm();
  reporter.on_commit();
  stage_point("apply.committed", prefix.path());

  InstallResult result;
  result.compiled = builder.compiled();
  ApplyResult applied = finish_change(prefix, journal, options, false, plan.python_changes ? &result.compiled : nullptr);
  result.saved = std::move(applied.saved);
  result.linked_packages = static_cast<std::size_t>(
      std::count_if(plan.packages.begin(), plan.packages.end(), [](const PlannedPackage& package) { return !package.is_foreign; }));
  result.unlinked_packages = plan.unlinked.size();
  result.files = plan.files.size();
  result.removed = plan.removals.size();
  reporter.on_apply_finish();
  return result;
}

}  // namespace envtool
