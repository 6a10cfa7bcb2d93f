#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>

#include "command.hpp"
#include "envtool/app/reporter.hpp"
#include "progress.hpp"

namespace envtool {

/// Shows what a use case is doing: progress bars and short lines on standard error. Silent with
/// `--quiet`; with `--json` only what must be seen (pip's output stays on standard error).
class TerminalReporter : public AppReporter {
 public:
  explicit TerminalReporter(const GlobalOptions& options);
  ~TerminalReporter() override;

  void on_repodata_fetch(const std::string& subdir_url) override;
  CacheReporter* on_fetch_start(std::size_t packages, std::uint64_t bytes) override;
  void on_fetch_finish() override;
  void on_lock_wait(const LockHolder& holder) override;
  void on_compile_start(std::size_t files) override;
  void on_saved(const std::string& path, const std::string& saved_as) override;
  void on_conflict(const PathConflict& conflict) override;
  void on_link_script(const LinkScript& script) override;
  void on_warning(const std::string& text) override;
  void on_link_script_start(const std::string& what) override;
  void on_link_script_message(const std::string& line) override;
  void on_pip_start(const std::string& origin) override;
  void on_pip_output(std::string_view text) override;

  /// One line for all packages whose link scripts were not run; said when everything else is done.
  void tell_link_scripts();
  /// Everything warned about, for the JSON document.
  const std::vector<std::string>& warnings() const { return warnings_; }

 private:
  void note(const std::string& text);

  bool chatty_;
  bool json_;
  bool verbose_;
  std::mutex mutex_;
  std::unique_ptr<TerminalProgress> progress_;
  std::vector<std::string> warnings_;
  /// Packages with link scripts that were not run.
  std::set<std::string> unrun_;
};

}  // namespace envtool
