#include <CLI/CLI.hpp>

#include <chrono>
#include <set>

#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "../terminal_reporter.hpp"
#include "../verify_output.hpp"
#include "envtool/app/verify.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {
struct Options {
  TargetOptions target;
  VerifyOptions verify;
};

std::string seconds_text(double seconds) {
  const auto tenths = static_cast<long>(seconds * 10 + 0.5);
  return std::to_string(tenths / 10) + "." + std::to_string(tenths % 10) + " s";
}

std::string looked_at(const VerifyReport& report, double seconds) {
  std::string text = counted(report.packages, "package", "packages");
  if (report.pip_packages != 0) text += " and " + counted(report.pip_packages, "of pip", "of pip");
  return text + ", " + counted(report.files, "path", "paths") + ", " + human_size(report.bytes) + " read in " + seconds_text(seconds);
}

void print_report(const VerifyReport& report, const Prefix& prefix, const VerifyOptions& options, double seconds) {
  std::string text;
  if (report.problems.empty()) {
    text = "As recorded: " + prefix.path() + " (" + looked_at(report, seconds) + ")\n";
  } else {
    std::set<std::string> packages;
    for (const Problem& problem : report.problems) packages.insert(problem.package);
    text = "# environment " + prefix.path() + "\n#\n" + problem_table(report.problems) + "\n" +
           counted(report.problems.size(), "problem", "problems") + " in " + counted(packages.size(), "place", "packages") + " (looked at " +
           looked_at(report, seconds) + ")\n`envtool repair` puts back what can be put back; `--dry-run` shows what it would do\n";
  }
  if (options.list_extra) {
    for (const std::string& path : report.extra) text += "no package: " + escape_control(path) + "\n";
  } else if (report.extra_count != 0) {
    text += counted(report.extra_count, "file belongs", "files belong") + " to no package (`--extra` lists them)\n";
  }
  if (report.saved != 0) text += counted(report.saved, "file was", "files were") + " kept aside by earlier commands (`*.envtool-saved-*`)\n";
  const std::size_t byte_code = report.byte_code_missing + report.byte_code_stale;
  if (byte_code != 0)
    text += counted(byte_code, "byte code file is", "byte code files are") + " missing or older than the source; Python makes them anew\n";
  print_out(text);
  for (const std::string& note : report.notes) print_note("note: " + escape_control(note));
  if (!report.pending.worker.empty())
    print_note("note: the environment is being changed right now, by " + escape_control(report.pending.worker));
  else if (report.changed_meanwhile)
    print_note("note: the environment was changed while it was looked at; verify it again");
}

int run_verify(const CommandContext& context, const Options& options) {
  const Settings settings = load_settings(context);
  const Prefix prefix = existing_target(context, settings, options.target);
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  const auto begin = std::chrono::steady_clock::now();
  const VerifyReport report = verify_environment(inputs, prefix, options.verify);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  if (context.global.json) {
    nlohmann::ordered_json document{{"success", report.problems.empty()}, {"prefix", prefix.path()}, {"problems", nlohmann::ordered_json::array()}};
    for (const Problem& problem : report.problems) document["problems"].push_back(problem_json(problem));
    document["pending"] = pending_json(report.pending);
    document["changed_by"] = report.pending.worker.empty() ? nlohmann::ordered_json() : nlohmann::ordered_json(report.pending.worker);
    document["changed_meanwhile"] = report.changed_meanwhile;
    document["packages"] = report.packages;
    document["pip_packages"] = report.pip_packages;
    document["paths"] = report.files;
    document["bytes"] = report.bytes;
    document["seconds"] = seconds;
    document["extra_files"] = report.extra_count;
    if (options.verify.list_extra) document["extra"] = report.extra;
    document["saved_files"] = report.saved;
    document["byte_code"] = {{"missing", report.byte_code_missing}, {"stale", report.byte_code_stale}};
    document["notes"] = report.notes;
    print_json(document);
  } else if (!context.global.quiet || !report.problems.empty()) {
    print_report(report, prefix, options.verify, seconds);
  }
  return report.problems.empty() ? 0 : 1;
}
}  // namespace

void register_verify(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("verify", "Compare an environment with its records, file by file; exit code 1 when something differs");
  auto options = std::make_shared<Options>();
  add_global_options(*command, context.global);
  add_target_options(*command, options->target);
  command->add_option("packages", options->verify.packages, "Only these packages");
  command->add_flag("--quick", options->verify.quick, "Types, sizes, modes and links, but no contents");
  command->add_flag("--extra", options->verify.list_extra, "List the files that belong to no package");
  command->callback([&context, options] { context.action = [&context, options] { return run_verify(context, *options); }; });
}

}  // namespace envtool
