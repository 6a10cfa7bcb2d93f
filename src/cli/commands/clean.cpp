#include <CLI/CLI.hpp>

#include <nlohmann/json.hpp>

#include "../json_output.hpp"
#include "../session.hpp"
#include "../terminal.hpp"
#include "envtool/app/history.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"
#include "envtool/package_cache/package_cache.hpp"

namespace envtool {

namespace {
struct CleanOptions {
  bool all = false, tarballs = false, packages = false, index_cache = false, force_packages = false, dry_run = false;
  bool all_revisions = false;
};

std::uint64_t total(const std::vector<PackageCache::CleanItem>& items) {
  std::uint64_t bytes = 0;
  for (const auto& item : items) bytes += item.bytes;
  return bytes;
}

int run_clean(const CommandContext& context, CleanOptions options) {
  if (!options.all && !options.tarballs && !options.packages && !options.index_cache && !options.force_packages)
    throw Error("what shall be cleaned?", ErrorKind::usage)
        .hint("`--all`, or some of `--tarballs`, `--packages`, `--index-cache`, `--force-pkgs-dirs`");
  const Settings settings = load_settings(context);
  PackageCache cache(settings.pkgs_dirs);
  KeptRevisions kept;
  if (!options.all_revisions && !options.force_packages) kept = kept_revisions(settings, context.environment);
  if (!options.force_packages) add_packages_in_use(kept, settings, context.environment);
  const auto plan = cache.plan_clean(options.all || options.tarballs, options.all || options.packages || options.force_packages,
                                     options.force_packages, kept.needs);
  std::vector<std::string> indices;
  if (options.all || options.index_cache)
    for (const std::string& folder : settings.pkgs_dirs)
      if (is_directory(folder + "/cache")) indices.push_back(folder + "/cache");
  const bool chatty = !context.global.json && !context.global.quiet;
  if (chatty) {
    auto line = [](const char* what, std::size_t count, std::uint64_t bytes) {
      return std::vector<std::string>{what, std::to_string(count), human_size(bytes)};
    };
    print_out(format_table({line("downloaded archives", plan.tarballs.size(), total(plan.tarballs)),
                            line("unpacked packages", plan.packages.size(), total(plan.packages)),
                            line("temporary files", plan.temporary.size(), total(plan.temporary)),
                            {"channel record caches", std::to_string(indices.size()), ""}}));
    for (const std::string& text : kept.warnings) print_note("warning: " + escape_control(text));
    if (!plan.kept.empty())
      print_out("Kept: " + counted(plan.kept.size(), "package", "packages") + " (" + human_size(total(plan.kept)) +
                ") that the last " + counted(settings.keep_revisions, "revision", "revisions") + " of " +
                counted(kept.environments, "environment needs", "environments need") +
                ", so that `envtool rollback` works without the network (`--all-revisions` removes them, too)\n");
  }
  const bool nothing = plan.tarballs.empty() && plan.packages.empty() && plan.temporary.empty() && indices.empty();
  if (options.dry_run && chatty) print_out("This was a dry run: nothing was removed.\n");
  if (!options.dry_run && !nothing) {
    if (!settings.always_yes && !context.global.json && !ask("Remove them?", true)) {
      print_note("Nothing was removed.");
      return 1;
    }
    cache.clean(plan);
    for (const std::string& folder : indices) remove_tree(folder);
  }
  if (context.global.json) {
    nlohmann::ordered_json document;
    document["success"] = true;
    document["dry_run"] = options.dry_run;
    auto put = [&](const char* key, const std::vector<PackageCache::CleanItem>& items) {
      document[key]["files"] = nlohmann::ordered_json::array();
      for (const auto& item : items) document[key]["files"].push_back(item.path);
      document[key]["total_size"] = total(items);
    };
    put("tarballs", plan.tarballs);
    put("packages", plan.packages);
    put("tempfiles", plan.temporary);
    document["index_cache"]["files"] = indices;
    put("kept", plan.kept);
    document["kept"]["reason"] = "the last " + std::to_string(settings.keep_revisions) + " revisions of environments need them";
    document["warnings"] = kept.warnings;
    print_json(document);
  }
  return 0;
}
}  // namespace

void register_clean(CLI::App& app, CommandContext& context) {
  auto* command = app.add_subcommand("clean", "Remove what the caches no longer need");
  auto options = std::make_shared<CleanOptions>();
  add_global_options(*command, context.global);
  command->add_flag("-a,--all", options->all, "Archives, unused packages, channel records");
  command->add_flag("-t,--tarballs", options->tarballs, "Downloaded archives");
  command->add_flag("-p,--packages", options->packages, "Unpacked packages that no environment uses");
  command->add_flag("-i,--index-cache", options->index_cache, "Cached channel records");
  command->add_flag("-f,--force-pkgs-dirs", options->force_packages, "All unpacked packages, used or not");
  command->add_flag("--all-revisions", options->all_revisions, "Also what only earlier revisions of environments need");
  command->add_flag("-d,--dry-run", options->dry_run, "Only say what would go");
  command->callback([&context, options] { context.action = [&context, options] { return run_clean(context, *options); }; });
}

}  // namespace envtool
