#pragma once

#include <memory>
#include <string>
#include <vector>

#include "envtool/app/change.hpp"
#include "envtool/base/error.hpp"
#include "envtool/install/file_facts.hpp"
#include "envtool/transaction/link_plan.hpp"

namespace envtool::detail {

/// How the files of the installed packages looked before scripts ran: these may write anywhere in the environment.
class FilesBefore {
 public:
  FilesBefore(const Prefix& prefix, const Transaction& transaction);
  /// Owned paths that are not as they were, sorted: of packages that stay by type, size, time and mode; of those that
  /// were linked anew in the meantime by type and, where that says something, size.
  std::vector<std::string> differing() const;
  /// The error with what is true of the environment now: it is as it was (`undone` in words), or which paths are not.
  Error told(Error error, const std::string& undone) const;

 private:
  Prefix prefix_;
  std::vector<FileQuestion> questions_;
  std::vector<FileFacts> facts_;
  /// For each question.
  std::vector<char> is_linked_anew_, has_placeholder_;
};

/// A link script failed, was too slow, or was interrupted: the packages are linked, and have to go back.
class LinkScriptFailure : public Error {
 public:
  using Error::Error;
  explicit LinkScriptFailure(const Error& error) : Error(error) {}
  /// Set by whoever knows.
  std::shared_ptr<const FilesBefore> files_before;
};

/// The scripts of one change (CEP 32) with the settings of the user: `pre-unlink` and `post-link` are run;
/// `pre-link`, which could write to the package cache, and `post-unlink`, which the standard says to ignore,
/// never are.
class LinkScriptRun {
 public:
  /// Takes the scripts that will be run, or of which nothing is to be said, out of the plan's list.
  LinkScriptRun(const AppInputs& inputs, LinkPlan& plan);

  bool empty() const { return before_.empty() && after_.empty(); }
  /// What is to be written with the change: `conda-meta/.envtool/link-scripts`, or empty.
  std::string pending() const;
  /// Before the change. Throws `Error` (child_failed, interrupted): nothing is to be changed then.
  void run_before() const;
  /// After it. Throws `LinkScriptFailure`.
  void run_after() const;

 private:
  const AppInputs& inputs_;
  Prefix prefix_;
  struct Script {
    std::string path, action, name, version, build;
    std::uint64_t build_number = 0;
  };
  friend void run_pending_link_scripts(const AppInputs& inputs, const Prefix& prefix);
  LinkScriptRun(const AppInputs& inputs, Prefix prefix) : inputs_(inputs), prefix_(std::move(prefix)) {}
  void run(const Script& script, const std::string& home) const;
  void run_all(const std::vector<Script>& scripts) const;

  std::vector<Script> before_, after_;
};

/// Scripts that an ended process left undone: run when the user allows them, told of when not. The caller
/// holds the lock.
void run_pending_link_scripts(const AppInputs& inputs, const Prefix& prefix);

/// They have nothing to do any more.
void forget_pending_link_scripts(const Prefix& prefix);

}  // namespace envtool::detail
