#include "remove_environment.hpp"

#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../terminal.hpp"
#include "../terminal_reporter.hpp"
#include "envtool/app/freeze.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/prefix/environments.hpp"
#include "envtool/prefix/prefix_data.hpp"

namespace envtool {

int remove_environment(const CommandContext& context, const Settings& settings, const Prefix& prefix, bool dry_run,
                       bool override_frozen) {
  const bool chatty = !context.global.json && !context.global.quiet;
  if (prefix.path() == settings.root_prefix)
    throw Error("the root prefix cannot be removed", ErrorKind::permission)
        .at(prefix.path())
        .because("the environments and the package cache are in it")
        .hint("delete the folder yourself when you want to be rid of envtool");
  if (context.environment.get("CONDA_PREFIX") == prefix.path())
    throw Error("the active environment cannot be removed", ErrorKind::usage)
        .at(prefix.path())
        .hint("`envtool deactivate` first");
  if (!override_frozen) refuse_if_frozen(prefix);
  const PrefixData data = PrefixData::load(prefix);
  const auto foreign = files_of_nobody(prefix);
  if (chatty) {
    print_out("Remove the environment " + prefix.path() + " with " + counted(data.records().size(), "package", "packages") + "\n");
    if (!foreign.empty())
      print_out("It holds " + counted(foreign.size(), "file", "files") + " that no package owns (for example `" +
                escape_control(foreign.front()) + "`); " + (foreign.size() == 1 ? "it goes" : "they go") + ", too.\n");
  }
  nlohmann::ordered_json document;
  document["success"] = true;
  document["dry_run"] = dry_run;
  document["prefix"] = prefix.path();
  document["actions"]["FETCH"] = nlohmann::ordered_json::array();
  document["actions"]["LINK"] = nlohmann::ordered_json::array();
  document["actions"]["UNLINK"] = nlohmann::ordered_json::array();
  for (const PrefixRecord& record : data.records()) document["actions"]["UNLINK"].push_back(action_json(record));
  document["actions"]["PREFIX"] = prefix.path();
  document["unowned_files"] = foreign.size();
  if (!dry_run) {
    if (!settings.always_yes && !context.global.json && !ask("Go ahead?", foreign.empty())) {
      print_note("Nothing was changed.");
      return 1;
    }
    TerminalReporter reporter(context.global);
    InstallOptions options;
    options.reporter = &reporter;
    options.lock_timeout = settings.lock_timeout;
    options.command = join(context.command, " ");
    options.stop = context.stop;
    remove_prefix(prefix, options);
    EnvironmentRegistry(context.environment.home).remove(prefix);
    if (chatty) print_out("Removed.\n");
  } else if (chatty) {
    print_out("This was a dry run: nothing was changed.\n");
  }
  if (context.global.json) print_json(document);
  return 0;
}

}  // namespace envtool
