#include "plan_output.hpp"

#include <unistd.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "envtool/app/freeze.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/prefix/environments.hpp"
#include "json_output.hpp"
#include "terminal.hpp"

namespace envtool {

namespace {
using Json = nlohmann::ordered_json;

std::string size_text(const RepoDataRecord& record, const Plan& plan) {
  for (const RepoDataRecord& missing : plan.to_download)
    if (missing.name == record.name) return record.size == 0 ? "" : human_size(record.size);
  return "cached";
}

std::vector<std::string> row(const char* sign, const RepoDataRecord& record, const std::string& version, const std::string& size) {
  return {sign, escape_control(record.name), escape_control(version), escape_control(record.build),
          escape_control(channel_display_name(record.channel)), size};
}

std::string plan_text(const Plan& plan) {
  std::vector<std::vector<std::string>> rows;
  const Transaction& transaction = plan.transaction;
  for (const RepoDataRecord& record : transaction.install) rows.push_back(row("  +", record, record.version, size_text(record, plan)));
  for (const PackageChange& change : transaction.change) {
    const char* sign = change.kind == PackageChange::Kind::downgrade ? "  v"
                       : change.kind == PackageChange::Kind::upgrade ? "  ^"
                                                                     : "  ~";
    const std::string version = change.from.version == change.to.version ? change.to.version : change.from.version + " -> " + change.to.version;
    rows.push_back(row(sign, change.to, version, size_text(change.to, plan)));
  }
  for (const PrefixRecord& record : transaction.remove) rows.push_back(row("  -", record, record.version, ""));
  std::string text = "Environment: " + plan.prefix.path() + (plan.replaces_existing ? " (replaces the one that is there)" : "") + "\n\n";
  if (plan.replaces_existing)
    if (const auto foreign = files_of_nobody(plan.prefix); !foreign.empty())
      text += "The environment that is there holds " + counted(foreign.size(), "file", "files") +
              " that no package owns (for example `" + escape_control(foreign.front()) + "`); " + (foreign.size() == 1 ? "it goes" : "they go") + ", too.\n\n";
  // Without packages the next part brings the empty line.
  if (rows.empty()) text.pop_back();
  else text += format_table(rows);
  std::string counts;
  auto count = [&](std::size_t number, const char* what) {
    if (number != 0) counts += (counts.empty() ? "" : ", ") + std::to_string(number) + " " + what;
  };
  count(transaction.install.size(), "to install");
  count(transaction.change.size(), "to change");
  count(transaction.remove.size(), "to remove");
  if (!counts.empty()) text += "\n" + counts + "; " + (plan.to_download.empty() ? std::string("nothing to download") : human_size(plan.download_bytes()) + " to download") + "\n";
  if (const std::size_t orphans = plan.orphans.size(); orphans != 0) {
    std::vector<std::string> names(plan.orphans.begin(), plan.orphans.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(orphans, 5)));
    if (orphans > names.size()) names.push_back("...");
    text += "\n" + with_thousands(orphans) + (orphans == 1 ? " package stays that nothing needs" : " packages stay that nothing needs") +
            " any more (" + join(names, ", ") + "); `--prune` removes " + (orphans == 1 ? "it" : "them") + ", too\n";
  }
  if (!plan.notes.empty()) text += "\n";
  for (const std::string& note : plan.notes) text += escape_control(note) + "\n";
  for (const PipSection& section : plan.pip) {
    text += "\nThen pip installs, from " + section.origin + ":\n";
    for (const std::string& line : section.requirements) text += "  " + escape_control(redact(line)) + "\n";
  }
  return text;
}

Json plan_json(const Plan& plan, const TerminalReporter& reporter, bool dry_run) {
  Json document;
  document["success"] = true;
  document["dry_run"] = dry_run;
  document["prefix"] = plan.prefix.path();
  Json actions;
  actions["FETCH"] = Json::array();
  for (const RepoDataRecord& record : plan.to_download) actions["FETCH"].push_back(action_json(record));
  actions["LINK"] = Json::array();
  for (const RepoDataRecord& record : plan.transaction.to_link()) actions["LINK"].push_back(action_json(record));
  actions["UNLINK"] = Json::array();
  for (const PrefixRecord& record : plan.transaction.to_unlink()) actions["UNLINK"].push_back(action_json(record));
  actions["PREFIX"] = plan.prefix.path();
  if (plan.empty()) {
    document["message"] = "All requested packages already installed.";
  } else {
    document["actions"] = std::move(actions);
  }
  if (!plan.orphans.empty()) document["orphans"] = plan.orphans;
  if (!plan.notes.empty()) document["notes"] = plan.notes;
  document["warnings"] = Json::array();
  for (const std::string& text : plan.warnings) document["warnings"].push_back(text);
  for (const std::string& text : reporter.warnings()) document["warnings"].push_back(text);
  return document;
}
/// How often a plan is made anew because others were quicker: each time one of them came to an end.
constexpr int most_new_plans = 10;

/// The same packages come and go, whatever else is in the environment.
bool same_changes(const Plan& a, const Plan& b) {
  const auto changes = [](const Plan& plan) {
    std::vector<std::string> lines;
    for (const RepoDataRecord& record : plan.transaction.to_link()) lines.push_back("+" + record.channel + " " + record.subdir + " " + record.dist());
    for (const PrefixRecord& record : plan.transaction.to_unlink()) lines.push_back("-" + record.file_name());
    std::sort(lines.begin(), lines.end());
    return lines;
  };
  return changes(a) == changes(b) && a.empty() == b.empty() && a.notes == b.notes;
}
}  // namespace

int show_and_execute(const CommandContext& context, const AppInputs& inputs, TerminalReporter& reporter, const Plan& first_plan,
                     bool dry_run, const std::function<Plan()>& planner) {
  const bool json = context.global.json;
  const bool chatty = !json && !context.global.quiet;
  Plan plan = first_plan;
  InstallResult result;
  bool is_new = true;  // to the user
  for (int left = most_new_plans;; --left) {
    if (is_new && chatty) {
      for (const std::string& text : plan.warnings) print_note("warning: " + escape_control(text));
      if (plan.empty()) print_out(plan.nothing_to_do + " in " + plan.prefix.path() + "\n");
      else print_out(plan_text(plan));
    }
    if (dry_run || (plan.empty() && !plan.has_new_wishes)) break;
    if (is_new && !plan.empty() && !inputs.settings.always_yes && !json && !ask("\nGo ahead?", !plan.replaces_existing)) {
      print_note("Nothing was changed.");
      return 1;
    }
    try {
      result = execute(inputs, plan);
      break;
    } catch (const EnvironmentChanged&) {
      if (!planner || left == 0) throw;
      Plan next = planner();
      is_new = !same_changes(plan, next);
      plan = std::move(next);
      const std::string note = "another process changed " + plan.prefix.path() + " in the meantime: planned anew" +
                               (is_new ? "" : ", with the same changes");
      if (json) reporter.on_warning(note);
      else print_note("note: " + escape_control(note));
    }
  }
  if (dry_run || plan.empty()) {
    if (json) print_json(plan_json(plan, reporter, dry_run));
    else if (dry_run && chatty) print_out("\nThis was a dry run: nothing was changed.\n");
    return 0;
  }
  keep_frozen(plan.prefix);
  reporter.tell_link_scripts();
 if (json) {
    Json document = plan_json(plan, reporter, false);
    document["saved_files"] = Json::array();
    for (const auto& [path, saved_as] : result.saved) document["saved_files"].push_back({{"path", path}, {"saved_as", saved_as}});
    print_json(document);
  } else if (chatty) {
    std::string counts;
    for (const auto& [number, what] : {std::pair{result.linked_packages, "linked"}, std::pair{result.unlinked_packages, "unlinked"}})
      if (number != 0)
        counts += (counts.empty() ? "" : ", ") + std::to_string(number) + (number == 1 ? " package " : " packages ") + what;
    print_out("\nDone" + (counts.empty() ? "" : ": " + counts) + " in " + plan.prefix.path() + "\n");
    if (plan.kind == Plan::Kind::create) {
      const std::string name = environment_name(plan.prefix, inputs.settings.root_prefix, inputs.settings.envs_dirs);
      print_out("Activate it with: envtool activate " + (name.empty() ? plan.prefix.path() : name) + "\n");
    }
  }
  return 0;
}

}  // namespace envtool
