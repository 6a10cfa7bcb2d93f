#include <CLI/CLI.hpp>

#include <algorithm>

#include "command.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

void add_global_options(CLI::App& app, GlobalOptions& options) {
  const char* group = "Common";
  app.add_flag("--json", options.json, "Print one JSON document on standard output")->group(group);
  app.add_flag("-y,--yes", options.assume_yes, "Do not ask, go ahead")->group(group);
  app.add_flag("-q,--quiet", options.quiet, "No progress, no chatter")->group(group);
  app.add_flag("-v,--verbose", options.verbosity, "Say more (repeat for more still)")->group(group);
  app.add_flag("--offline", options.offline, "Use only what is on this machine; no request is sent")->group(group);
  app.add_option("--lock-timeout", options.lock_timeout, "Seconds to wait for another process that changes the environment (default: 300)")
      ->check(CLI::Range(0L, 365L * 86400))
      ->group(group);
  app.add_option("-r,--root-prefix", options.root_prefix, "Folder with `envs` and `pkgs` (default: ~/.envtool)")
      ->group(group);
  app.add_flag("--no-rc", options.no_rc, "Read no configuration files")->group(group);
  app.add_option("--rc-file", options.rc_files, "Read this configuration file instead of the usual ones")
      ->group(group)
      ->allow_extra_args(false);
}

void add_target_options(CLI::App& app, TargetOptions& options) {
  const char* group = "Environment";
  auto* name = app.add_option("-n,--name", options.name, "Name of the environment")->group(group);
  app.add_option("-p,--prefix", options.prefix, "Path of the environment")->group(group)->excludes(name);
}

namespace {
/// An unset variable of a script must not switch a protection off.
std::string refuse_empty(const std::string& value) { return value.empty() ? "a value is expected, it is empty" : ""; }
}  // namespace

void add_channel_options(CLI::App& app, ChannelOptions& options, PlatformOption platform) {
  const char* group = "Channels and platform";
  app.add_option("-c,--channel", options.channels, "Channel: a name, URL or path; may be repeated, first wins")
      ->group(group)
      ->allow_extra_args(false);
  app.add_flag("--override-channels", options.override_channels, "Use only the channels of `-c` and of the files")
      ->group(group);
  if (platform == PlatformOption::one)
    app.add_option("--platform,--subdir", options.platform, "Solve for this platform, e.g. `linux-64`")->group(group);
  app.add_option("--channel-priority", options.channel_priority, "`strict`, `flexible` or `disabled`")->group(group);
  app.add_flag_callback(
         "--strict-channel-priority", [&options] { options.channel_priority = "strict"; }, "Same as `--channel-priority strict`")
      ->group(group);
  app.add_flag_callback(
         "--no-channel-priority", [&options] { options.channel_priority = "disabled"; },
         "Same as `--channel-priority disabled`")
      ->group(group);
  app.add_option("--virtual-packages", options.virtual_packages,
                 "Solve for the machine of this file (`FILE` or `FILE#profile`, see `info --virtual-packages`)")
      ->check(refuse_empty)
      ->group(group);
  app.add_option("--exclude-newer", options.exclude_newer, "Without packages released later: `7d`, `36h`, `2026-04-01`")
      ->check(refuse_empty)
      ->group(group);
  // One solver is all there is; scripts that were written for conda say which they want.
  app.add_option_function<std::string>("--solver,--experimental-solver", [](const std::string&) {})->group("");
  app.add_option("--repodata-ttl", options.repodata_ttl, "Seconds for which a channel's records are not asked for again")
      ->check(CLI::Range(0L, 365L * 86400))
      ->group(group);
  app.add_flag("-C,--use-index-cache", options.use_index_cache, "Use channel records from the cache, however old")
      ->group(group);
}

std::string revision_problem(const std::string& text) {
  const bool is_number = !text.empty() && text.size() <= 9 && std::all_of(text.begin(), text.end(), [](char c) { return c >= '0' && c <= '9'; });
  return is_number ? "" : "`" + escape_control(text) + "` is not the number of a revision; `envtool history` lists them";
}

}  // namespace envtool
