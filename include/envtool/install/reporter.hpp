#pragma once

#include <cstddef>
#include <string>

#include "envtool/os/file_lock.hpp"
#include "envtool/transaction/link_plan.hpp"

namespace envtool {

/// Told about the work on a prefix; every method defaults to nothing. Called from the thread that
/// started the work.
class InstallReporter {
 public:
  virtual ~InstallReporter() = default;
  /// Somebody else works on the prefix; called at once and every 10 s.
  virtual void on_lock_wait(const LockHolder&) {}
  virtual void on_stage_start(std::size_t /*files*/) {}
  /// Called now and then with the number of files staged so far.
  virtual void on_stage_progress(std::size_t /*done*/, std::size_t /*files*/) {}
  virtual void on_compile_start(std::size_t /*files*/) {}
  virtual void on_compile_finish(std::size_t /*compiled*/, std::size_t /*files*/) {}
  /// The commit point has passed: from here on the change is carried out, whatever happens.
  virtual void on_commit() {}
  virtual void on_apply_finish() {}
  /// A file that is not ours, or that was changed, stood in the way (or was to be removed) and is kept.
  virtual void on_saved(const std::string& /*path*/, const std::string& /*saved_as*/) {}
  virtual void on_conflict(const PathConflict&) {}
  /// A package's link script that was not run.
  virtual void on_link_script(const LinkScript&) {}
  virtual void on_warning(const std::string& /*text*/) {}
};

}  // namespace envtool
