#include "move_environment.hpp"

#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../terminal.hpp"
#include "../terminal_reporter.hpp"
#include "envtool/base/text.hpp"
#include "envtool/prefix/environments.hpp"

namespace envtool {

namespace {
using Json = nlohmann::ordered_json;

/// conda's document of a clone, which its rename prints, too.
Json move_json(const MovePlan& plan, const CopyResult& result, const TerminalReporter& reporter, bool dry_run) {
  Json document;
  document["success"] = true;
  document["dry_run"] = dry_run;
  document["prefix"] = plan.to.path();
  document["src_prefix"] = plan.link.empty() ? plan.from.path() : plan.link;
  if (!plan.link.empty()) document["src_folder"] = plan.from.path();
  document["dst_prefix"] = plan.to.path();
  Json actions;
  actions["FETCH"] = Json::array();
  actions["LINK"] = Json::array();
  for (const RepoDataRecord& record : plan.packages) actions["LINK"].push_back(action_json(record));
  actions["UNLINK"] = Json::array();
  actions["PREFIX"] = plan.to.path();
  document["actions"] = std::move(actions);
  document["untracked_files"] = result.unowned;
  document["untouched_files"] = result.untouched;
  document["saved_files"] = Json::array();
  for (const auto& [path, saved_as] : result.saved) document["saved_files"].push_back({{"path", path}, {"saved_as", saved_as}});
  document["warnings"] = reporter.warnings();
  return document;
}

std::string plan_text(const MovePlan& plan) {
  const std::size_t copied = plan.packages.size() - plan.cached.size();
  std::string text = "Source:      " + plan.from.path() + (plan.link.empty() ? "" : " (by the symlink " + plan.link + ", which goes, too)") +
                     "\nDestination: " + plan.to.path() +
                     (plan.replaces_existing ? " (replaces the environment that is there)" : "") +
                     "\nPackages:    " + with_thousands(plan.packages.size());
  if (copied != 0) text += " (" + counted(copied, "is", "are") + " in no package cache: " + (copied == 1 ? "its" : "their") + " installed files are taken)";
  return text + "\n";
}

std::string done_text(const MovePlan& plan, const CopyResult& result) {
  std::string text = "\nDone: " + counted(result.files, "file", "files") + ", of these " + with_thousands(result.unowned.size()) +
                     " of no package; " + counted(result.rewritten, "names", "name") + " the new place\n";
  if (plan.kind == CopyRequest::Kind::move)
    text += "Nothing is at " + plan.from.path() + (plan.link.empty() ? "" : " and " + plan.link) + " any more\n";
  return text;
}

void note_untouched(const std::vector<std::string>& files) {
  constexpr std::size_t shown = 10;
  std::string text = "warning: " + with_thousands(files.size()) + (files.size() == 1 ? " file" : " files") +
                     " of no package may still name the old place; envtool does not know the format:";
  for (std::size_t i = 0; i < std::min(files.size(), shown); ++i) text += "\n  " + escape_control(files[i]);
  if (files.size() > shown) text += "\n  ... (`--json` lists all)";
  print_note(text);
}
}  // namespace

int show_and_move(const CommandContext& context, const Settings& settings, CopyRequest::Kind kind, const Prefix& from,
                  const Prefix& to, MoveChoices choices, bool dry_run, bool may_ask) {
  const bool json = context.global.json, chatty = !json && !context.global.quiet;
  TerminalReporter reporter(context.global);
  const AppInputs inputs{context.environment, settings, reporter, context.stop, context.command};
  const MovePlan plan = plan_move(inputs, kind, from, to, choices);
  if (chatty) print_out(plan_text(plan));
  if (dry_run) {
    if (json) print_json(move_json(plan, {}, reporter, true));
    else if (chatty) print_out("\nThis was a dry run: nothing was changed.\n");
    return 0;
  }
  if (may_ask && plan.replaces_existing && !settings.always_yes && !json && !ask("\nGo ahead?", false)) {
    print_note("Nothing was changed.");
    return 1;
  }
  const CopyResult result = execute(inputs, plan);
  if (!json && !result.untouched.empty()) note_untouched(result.untouched);
  if (json) print_json(move_json(plan, result, reporter, false));
  else if (chatty) print_out(done_text(plan, result));
  return 0;
}

}  // namespace envtool
