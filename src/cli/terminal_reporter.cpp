#include "terminal_reporter.hpp"

#include <unistd.h>

#include "envtool/base/text.hpp"
#include "terminal.hpp"

namespace envtool {

TerminalReporter::TerminalReporter(const GlobalOptions& options)
    : chatty_(!options.quiet && !options.json), json_(options.json), verbose_(options.verbosity > 0) {}

TerminalReporter::~TerminalReporter() = default;

void TerminalReporter::note(const std::string& text) {
  if (chatty_) print_note(escape_control(text));
}

void TerminalReporter::on_repodata_fetch(const std::string& subdir_url) {
  const std::lock_guard guard(mutex_);
  if (verbose_) note("Fetching the records of " + subdir_url);
}

CacheReporter* TerminalReporter::on_fetch_start(std::size_t packages, std::uint64_t bytes) {
  const auto style = !chatty_                      ? TerminalProgress::Style::none
                     : is_terminal(STDERR_FILENO) ? TerminalProgress::Style::bars
                                                  : TerminalProgress::Style::lines;
  progress_ = std::make_unique<TerminalProgress>(style, packages, bytes);
  return progress_.get();
}

void TerminalReporter::on_fetch_finish() {
  if (progress_) progress_->finish();
  progress_.reset();
}

void TerminalReporter::on_lock_wait(const LockHolder& holder) {
  if (!json_) print_note("Waiting for " + escape_control(holder.text()) + ", which is changing this environment");
}

void TerminalReporter::on_compile_start(std::size_t files) {
  if (verbose_) note("Byte-compiling " + with_thousands(files) + " Python files");
}

void TerminalReporter::on_saved(const std::string& path, const std::string& saved_as) {
  on_warning("`" + path + "` was not as a package left it; it is kept as `" + saved_as + "`");
}

void TerminalReporter::on_conflict(const PathConflict& conflict) {
  on_warning("`" + conflict.path + "` is in several packages: the one of " + conflict.winner + " is used, not that of " +
             join(conflict.losers, ", "));
}

void TerminalReporter::on_link_script(const LinkScript& script) { unrun_.insert(script.package); }

void TerminalReporter::tell_link_scripts() {
  if (unrun_.empty()) return;
  constexpr std::size_t shown = 5;
  std::vector<std::string> names(unrun_.begin(), unrun_.end());
  const std::size_t more = names.size() > shown ? names.size() - shown : 0;
  names.resize(names.size() - more);
  on_warning(with_thousands(unrun_.size()) + (unrun_.size() == 1 ? " package has" : " packages have") + " link scripts, which were not run: " +
             join(names, ", ") + (more == 0 ? "" : ", ...") + "; `link_scripts: on` in your configuration runs such scripts, `off` keeps quiet about them");
  unrun_.clear();
}

void TerminalReporter::on_link_script_start(const std::string& what) { note("Running " + what); }

void TerminalReporter::on_link_script_message(const std::string& line) { note("  " + line); }

void TerminalReporter::on_warning(const std::string& text) {
  const std::lock_guard guard(mutex_);
  warnings_.push_back(text);
  note("warning: " + text);
}

void TerminalReporter::on_pip_start(const std::string& origin) { note("Installing the `pip:` section of " + origin); }

void TerminalReporter::on_pip_output(std::string_view text) {
  // Shown also with --json: standard output stays one document, and a failure needs pip's words.
  if (!chatty_ && !json_) {
    return;
  }
  (void)!::write(STDERR_FILENO, text.data(), text.size());
}

}  // namespace envtool
