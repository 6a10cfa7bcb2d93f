#include <CLI/CLI.hpp>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "../terminal_reporter.hpp"
#include "../verify_output.hpp"
#include "envtool/app/request.hpp"
#include "envtool/app/verify.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {
using Json = nlohmann::ordered_json;

struct Options {
  TargetOptions target;
  std::vector<std::string> packages;
  bool dry_run = false;
  bool override_frozen = false;
};

/// What became of a change that was cut short, for people and for machines.
struct Recovery {
  std::string text;
  Json json = nullptr;
  std::vector<std::pair<std::string, std::string>> saved;
};

Recovery bring_to_an_end(const Prefix& prefix, TerminalReporter& reporter) {
  const PendingChange::Outcome pending = describe_pending_change(prefix).outcome;
  InstallOptions options;
  options.reporter = &reporter;
  Recovery recovery;
  RecoverResult result;
  try {
    result = recover(prefix, options);
  } catch (const Error& error) {
    // Decided, and there is no way to finish it: what was there before is kept as long as it is pending.
    const bool is_taken_back = describe_pending_change(prefix).outcome == PendingChange::Outcome::finish;
    if (!is_taken_back || error.kind() == ErrorKind::interrupted || error.kind() == ErrorKind::locked) throw;
    reporter.on_warning("a change cannot be finished and is taken back: " + escape_control(error.what()));
    result = undo_pending_change(prefix, options);
  }
  recovery.saved = std::move(result.saved);
  using Outcome = RecoverResult::Outcome;
  switch (result.outcome) {
    case Outcome::clean: break;
    case Outcome::rolled_forward:
      recovery.text = pending == PendingChange::Outcome::move ? "A move that was cut short is finished now." : "A change that was cut short was finished.";
      recovery.json = "finished";
      break;
    case Outcome::discarded:
      recovery.text = "A change that was cut short was undone: it had not been decided, and the environment is as before it.";
      recovery.json = "undone";
      break;
    case Outcome::undone:
      recovery.text = "A change that was cut short was taken back: the environment is as before it";
      recovery.text += result.lost.empty() ? "." : ", but for these paths: " + join(result.lost, ", ");
      recovery.json = "undone";
      break;
    case Outcome::busy:
      throw Error("another process is changing the environment", ErrorKind::locked).at(prefix.path()).hint("wait for it to end, then run the command again");
    case Outcome::read_only:
      throw Error("a change was cut short, and the environment cannot be written here", ErrorKind::permission).at(prefix.path());
  }
  sweep_leftovers(prefix);
  return recovery;
}

std::vector<std::string> packages_of(const RepairPlan& repair) {
  std::vector<std::string> packages;
  for (const RepoDataRecord& record : repair.plan.transaction.to_link()) packages.push_back(record.dist());
  std::sort(packages.begin(), packages.end());
  return packages;
}

std::string plan_text(const RepairPlan& repair) {
  std::string text;
  for (const std::string& package : packages_of(repair)) {
    const bool fetched = std::any_of(repair.plan.to_download.begin(), repair.plan.to_download.end(), [&](const auto& record) { return record.dist() == package; });
    text += "  ~ " + escape_control(package) + (fetched ? " is downloaded and linked anew\n" : " is linked anew from the package cache\n");
  }
  for (const std::string& note : repair.plan.notes) text += "  ~ " + escape_control(note) + "\n";
  for (const auto& change : repair.modes) text += "  ~ " + escape_control(change.path) + " gets its permissions back\n";
  for (const auto& [from, to] : repair.renamed_records) text += "  ~ conda-meta/" + escape_control(from) + " becomes conda-meta/" + escape_control(to) + "\n";
  return text;
}

/// What stays, and what can be done about it; the same advice once.
std::string left_text(const std::vector<std::pair<Problem, std::string>>& left) {
  std::vector<Problem> problems;
  std::vector<std::string> hints;
  for (const auto& [problem, hint] : left) {
    problems.push_back(problem);
    std::string line = (problem.package.empty() ? problem.path : problem.package) + ": " + hint;
    if (!hint.empty() && std::find(hints.begin(), hints.end(), line) == hints.end()) hints.push_back(std::move(line));
  }
  std::string text = problem_table(problems);
  for (const std::string& line : hints) text += "  hint: " + escape_control(line) + "\n";
  return text;
}

class RepairCommand {
 public:
  RepairCommand(const CommandContext& context, const Options& options)
      : context_(context), options_(options), settings_(load_settings(context)), prefix_(existing_target(context, settings_, options.target)),
        reporter_(context.global), inputs_{context.environment, settings_, reporter_, context.stop, context.command} {
    verify_.packages = options.packages;
  }

  int run() {
    if (!options_.dry_run && !options_.override_frozen) refuse_if_frozen(prefix_);
    if (!options_.dry_run) recovery_ = bring_to_an_end(prefix_, reporter_);
    say(recovery_.text);
    VerifyReport report = verify_environment(inputs_, prefix_, verify_);
    found_ = report.problems;
    const auto channels = select_channels({}, {}, false, settings_, context_.environment);
    RepairPlan repair = plan_repair(inputs_, prefix_, report, channels, !options_.dry_run);
    first_ = repair;
    if (!repair.empty()) {
      say("Environment: " + prefix_.path() + "\n\n" + plan_text(repair) + "\n" + counted(report.problems.size(), "problem", "problems") + ", " +
          (repair.plan.to_download.empty() ? std::string("nothing to download") : human_size(repair.plan.download_bytes()) + " to download"));
      if (!options_.dry_run && !settings_.always_yes && !context_.global.json && !ask("\nGo ahead?", true)) {
        print_note("Nothing was repaired.");
        return 1;
      }
    }
    if (options_.dry_run) return finish(repair.left);
    // A file that was linked anew may show what was hidden before: the wrong mode of the cache's file.
    for (int round = 0; round < 3 && !repair.empty(); ++round) {
      InstallResult result = execute_repair(inputs_, repair);
      saved_.insert(saved_.end(), result.saved.begin(), result.saved.end());
      report = verify_environment(inputs_, prefix_, verify_);
      repair = plan_repair(inputs_, prefix_, report, channels, true);
      const bool only_small = repair.plan.transaction.empty() && !repair.plan.restoration;
      if (!only_small && round > 0) break;
    }
    std::vector<std::pair<Problem, std::string>> left;
    for (const Problem& problem : report.problems) {
      const auto known = std::find_if(repair.left.begin(), repair.left.end(), [&](const auto& item) {
        return item.first.package == problem.package && item.first.path == problem.path && item.first.kind == problem.kind;
      });
      left.emplace_back(problem, known == repair.left.end() ? "" : known->second);
    }
    return finish(left);
  }

 private:
  void say(const std::string& text) const {
    if (!text.empty() && !context_.global.json && !context_.global.quiet) print_out(text + "\n");
  }

  int finish(const std::vector<std::pair<Problem, std::string>>& left) const {
    const bool whole = options_.dry_run ? found_.empty() : left.empty();
    if (context_.global.json) {
      Json document{{"success", whole}, {"dry_run", options_.dry_run}, {"prefix", prefix_.path()}, {"pending", recovery_.json}};
      if (options_.dry_run) document["pending"] = pending_json(describe_pending_change(prefix_));
      document["packages"] = packages_of(first_);
      document["pip"] = first_.plan.notes;
      document["modes"] = Json::array();
      for (const auto& change : first_.modes) document["modes"].push_back(change.path);
      document["problems"] = Json::array();
      for (const Problem& problem : found_) document["problems"].push_back(problem_json(problem));
      document["left"] = Json::array();
      for (const auto& [problem, hint] : left) {
        document["left"].push_back(problem_json(problem));
        document["left"].back()["hint"] = hint;
      }
      document["saved_files"] = Json::array();
      for (const auto* list : {&recovery_.saved, &saved_})
        for (const auto& [path, saved_as] : *list) document["saved_files"].push_back({{"path", path}, {"saved_as", saved_as}});
      document["warnings"] = reporter_.warnings();
      print_json(document);
    } else {
      if (!left.empty()) print_out("\nNot repaired:\n" + left_text(left));
      const bool is_pending = options_.dry_run && describe_pending_change(prefix_).outcome != PendingChange::Outcome::none;
      if (is_pending) say("A change that was cut short would be brought to its end first.");
      if (options_.dry_run && (is_pending || !found_.empty())) say("\nThis was a dry run: nothing was changed.");
      else if (left.empty()) say((found_.empty() ? "Nothing to repair: " : "\nRepaired: ") + prefix_.path() + " is as recorded");
    }
    return whole ? 0 : 1;
  }

  const CommandContext& context_;
  const Options& options_;
  Settings settings_;
  Prefix prefix_;
  TerminalReporter reporter_;
  AppInputs inputs_;
  VerifyOptions verify_;
  Recovery recovery_;
  std::vector<Problem> found_;
  RepairPlan first_;
  std::vector<std::pair<std::string, std::string>> saved_;
};
}  // namespace

void register_repair(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("repair", "Finish or undo a change that was cut short, and put back what `verify` finds damaged");
  auto options = std::make_shared<Options>();
  add_global_options(*command, context.global);
  add_target_options(*command, options->target);
  command->add_option("packages", options->packages, "Only these packages");
  command->add_flag("-d,--dry-run", options->dry_run, "Show what would be done and stop");
  command->add_flag("--override-frozen", options->override_frozen, "Repair the environment although it is frozen");
  command->callback([&context, options] { context.action = [&context, options] { return RepairCommand(context, *options).run(); }; });
}

}  // namespace envtool
