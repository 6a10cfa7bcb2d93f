#pragma once

#include <chrono>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "envtool/base/secret.hpp"
#include "envtool/settings/release_cutoff.hpp"
#include "envtool/specs/channel.hpp"

namespace envtool {

/// Who may decide what: a project's or an environment's file must not switch certificate checks off.
enum class SettingsTrust { user, project };

/// One value of a layer, as written.
struct SettingValue {
  std::variant<std::string, std::vector<std::string>, std::map<std::string, std::string>,
               std::map<std::string, std::vector<std::string>>>
      value;
  /// `file:line:column`, a variable's name, an option.
  std::string where;
  /// conda's `#!final`: layers of higher priority cannot change it.
  bool is_final = false;
  /// conda's `#!top` and `#!bottom` marks of single list items.
  std::vector<std::string> top, bottom;
  /// Where each item of a list stands, as far as that is known better than `where`.
  std::map<std::string, std::string> item_where;
};

/// The settings of one place: a `.condarc`, the environment's variables, the command line.
struct SettingsLayer {
  std::string source;
  SettingsTrust trust = SettingsTrust::user;
  std::map<std::string, SettingValue> values;
  /// Unknown keys, keys that envtool does not support: shown to the user.
  std::vector<std::string> warnings;

  void set(const std::string& key, std::string value);
  /// The same, said by an option of its own: `where` is its name.
  void set(const std::string& key, std::string value, std::string where);
  void set(const std::string& key, std::vector<std::string> value);
};

/// What `channel_priority` says.
enum class ChannelPrioritySetting { strict, flexible, disabled };
/// What `link_scripts` says: scripts of packages are not run, not run and told of, run.
enum class LinkScriptSetting { off, warn, on };
/// What `path_conflict` says.
enum class PathConflictSetting { clobber, warn, prevent };

/// The settings in force. Every member has conda's meaning and name unless said otherwise.
struct Settings {
  std::string root_prefix;
  std::vector<std::string> envs_dirs;
  std::vector<std::string> pkgs_dirs;
  /// As configured; empty when nobody configured any (then `fallback_channels` stand in).
  std::vector<std::string> channels;
  /// What envtool uses when neither the user nor a file names a channel: conda-forge.
  std::vector<std::string> fallback_channels = {"conda-forge"};
  ChannelConfig channel_config;
  ChannelPrioritySetting channel_priority = ChannelPrioritySetting::flexible;
  PathConflictSetting path_conflict = PathConflictSetting::clobber;
  bool offline = false;
  bool always_yes = false;
  bool always_copy = false;
  bool verify_tls = true;
  /// Who switched the checks off, for the warning that each run prints.
  std::string verify_tls_source;
  /// PEM file; empty: the system's.
  std::string ca_bundle;
  bool change_prompt = true;
  std::string env_prompt = "({default_env}) ";
  bool auto_activate_base = false;
  /// conda's `envvars_force_uppercase`, which is on there: an environment's `http_proxy` stays what it is.
  bool uppercase_variables = false;
  std::vector<std::string> pinned_packages;
  /// The place of each of `pinned_packages`, for messages.
  std::map<std::string, std::string> pinned_packages_sources;
  std::vector<std::string> create_default_packages;
  /// conda's `exclude_newer`: packages released later do not count. Those of a package (conda's
  /// `exclude_newer_package`) come before those of a channel (`channel_settings`: name, URL or glob),
  /// those of a channel before the one for all.
  ReleaseCutoff exclude_newer;
  std::map<std::string, ReleaseCutoff> exclude_newer_packages;
  std::map<std::string, ReleaseCutoff> exclude_newer_channels;
  /// envtool's own: a file of machine profiles, absolute, that stands in for what this machine offers;
  /// may end in `#name`. Empty: this machine.
  std::string virtual_packages;
  /// By scheme or scheme://host; may hold credentials.
  std::map<std::string, Secret> proxy_servers;
  std::chrono::seconds connect_timeout{15};
  std::chrono::seconds read_timeout{60};
  unsigned max_retries = 4;
  unsigned fetch_threads = 0;  ///< 0: chosen by envtool
  /// conda's `local_repodata_ttl`: unset follows the server's Cache-Control.
  std::optional<std::chrono::seconds> repodata_ttl;
  /// Take the shards of channels that serve them (CEP 16); conda's `plugins.use_sharded_repodata`.
  bool use_sharded_repodata = true;
  /// The packages of so many last revisions of each environment stay in the caches, so that `rollback` needs no
  /// network.
  unsigned keep_revisions = 10;
  /// Take cached channel records whatever their age (`--use-index-cache`).
  bool use_index_cache = false;
  /// envtool's own; only the user's configuration can set it.
  LinkScriptSetting link_scripts = LinkScriptSetting::warn;
  /// envtool's own `link_script_timeout`: after it a script is ended.
  std::chrono::seconds link_script_timeout{60};
  /// envtool's own `lock_timeout` (seconds): how long to wait for another process that changes the environment.
  std::chrono::seconds lock_timeout{300};
  /// `full` syncs to disk at each change, `fast` leaves that to the kernel.
  bool durable = true;

  /// Key to the place that set it; keys at their default are absent.
  std::map<std::string, std::string> sources;
  std::vector<std::string> warnings;
};

/// Where defaults come from.
struct SettingsDefaults {
  std::string home;
  std::string working_directory;
  /// `$NAME` and `${NAME}` in channels, paths and proxies are replaced by these, as conda does; unknown names stay
  /// as they are. Not in files of `SettingsTrust::project`, which could send them elsewhere.
  std::map<std::string, std::string> variables = {};
};

/// Parses a `.condarc`. Throws `Error` (invalid_input) with line and column for YAML that cannot be
/// read and for values of a wrong type.
SettingsLayer parse_condarc(std::string_view text, const std::string& origin,
                            SettingsTrust trust = SettingsTrust::user);

/// The layer of the variables `CONDA_<KEY>`, `MAMBA_<KEY>`, `ENVTOOL_<KEY>`; the later prefix wins.
SettingsLayer layer_from_variables(const std::map<std::string, std::string>& variables);

/// Folds layers, lowest priority first. Scalars: the highest layer wins. Lists: items of higher
/// layers first, then those of lower ones, no doubles (conda's rule). Maps: key by key.
/// Throws `Error` (invalid_input) for a value that makes no sense, with its place.
Settings merge(const std::vector<SettingsLayer>& layers, const SettingsDefaults& defaults);

/// The root prefix from variables alone (needed to know which files to read): `ENVTOOL_ROOT_PREFIX`,
/// `MAMBA_ROOT_PREFIX`, `CONDA_ROOT_PREFIX`, else `~/.envtool`.
std::string root_prefix_from_variables(const std::map<std::string, std::string>& variables, const std::string& home);

/// A place where a configuration file may lie, lowest priority first (CEP 32 and conda's search
/// path). A path that ends in `/` is a folder of `*.yml` and `*.yaml` files.
struct ConfigurationCandidate {
  std::string path;
  SettingsTrust trust = SettingsTrust::user;
  /// The user named this very file, which may be a pipe then.
  bool is_named = false;
};
std::vector<ConfigurationCandidate> configuration_candidates(const std::map<std::string, std::string>& variables,
                                                             const std::string& home, const std::string& root_prefix,
                                                             const std::string& prefix);

}  // namespace envtool
