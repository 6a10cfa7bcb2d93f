#include "keys.hpp"

#include <algorithm>
#include <array>

namespace envtool::detail {

const std::vector<Key>& supported_keys() {
  static const std::vector<Key> keys = {
      {"always_copy", KeyType::boolean},
      {"always_yes", KeyType::boolean},
      {"auto_activate_base", KeyType::boolean},
      {"changeps1", KeyType::boolean},
      {"channel_alias", KeyType::text},
      {"channel_priority", KeyType::text_or_boolean},
      {"channel_settings", KeyType::channel_settings},
      {"channels", KeyType::list},
      {"create_default_packages", KeyType::list},
      {"custom_channels", KeyType::map},
      {"custom_multichannels", KeyType::list_map},
      {"default_channels", KeyType::list},
      {"durability", KeyType::text},
      {"env_prompt", KeyType::text},
      {"envs_dirs", KeyType::path_list},
      {"envvars_force_uppercase", KeyType::boolean},
      {"exclude_newer", KeyType::text},
      {"exclude_newer_package", KeyType::map},
      {"fetch_threads", KeyType::number},
      {"keep_revisions", KeyType::number},
      {"link_script_timeout", KeyType::number},
      {"link_scripts", KeyType::text_or_boolean},
      {"local_repodata_ttl", KeyType::number_or_boolean},
      {"lock_timeout", KeyType::number},
      {"offline", KeyType::boolean},
      {"path_conflict", KeyType::text},
      {"pinned_packages", KeyType::list},
      {"pkgs_dirs", KeyType::path_list},
      {"proxy_servers", KeyType::map},
      {"remote_connect_timeout_secs", KeyType::number},
      {"remote_max_retries", KeyType::number},
      {"remote_read_timeout_secs", KeyType::number},
      {"root_prefix", KeyType::text},
      {"ssl_verify", KeyType::text_or_boolean},
      {"use_sharded_repodata", KeyType::boolean},
      {"virtual_packages", KeyType::text},
  };
  return keys;
}

const Key* find_key(std::string_view name) {
  for (const Key& key : supported_keys())
    if (key.name == name) return &key;
  return nullptr;
}

namespace {
constexpr std::array<std::pair<std::string_view, std::string_view>, 9> aliases{{
    {"yes", "always_yes"},
    {"verify_ssl", "ssl_verify"},
    {"envs_path", "envs_dirs"},
    {"whitelist_channels", "allowlist_channels"},
    {"auto_activate", "auto_activate_base"},
    {"download_threads", "fetch_threads"},
    {"copy", "always_copy"},
    {"repodata_ttl", "local_repodata_ttl"},
    {"plugins_use_sharded_repodata", "use_sharded_repodata"},  // conda's, which has it as a setting of a plugin
}};
}  // namespace

std::string_view canonical_key(std::string_view name) {
  for (const auto& [old_name, key] : aliases)
    if (old_name == name) return key;
  return name;
}

std::vector<std::string_view> spellings(std::string_view key) {
  std::vector<std::string_view> names;
  for (const auto& [old_name, canonical] : aliases)
    if (canonical == key) names.push_back(old_name);
  names.push_back(key);
  return names;
}

bool is_harmless_key(std::string_view name) {
  static constexpr std::array names = {
      std::string_view("add_anaconda_token"), std::string_view("add_pip_as_python_dependency"),
      std::string_view("allow_softlinks"), std::string_view("always_softlink"), std::string_view("anaconda_upload"),
      std::string_view("auto_stack"), std::string_view("auto_update_conda"), std::string_view("bld_path"),
      std::string_view("conda-build"), std::string_view("conda_build"), std::string_view("console"),
      std::string_view("croot"), std::string_view("debug"), std::string_view("default_activation_env"),
      std::string_view("default_threads"), std::string_view("dev"), std::string_view("environment_specifier"),
      std::string_view("error_upload_url"), std::string_view("execute_threads"), std::string_view("experimental"),
      std::string_view("extra_safety_checks"), std::string_view("extract_threads"), std::string_view("force"),
      std::string_view("json"), std::string_view("migrated_channel_aliases"), std::string_view("no_lock"),
      std::string_view("no_plugins"), std::string_view("non_admin_enabled"), std::string_view("notify_outdated_conda"),
      std::string_view("number_channel_notices"), std::string_view("plugins"), std::string_view("quiet"),
      std::string_view("remote_backoff_factor"), std::string_view("repodata_threads"),
      std::string_view("report_errors"), std::string_view("rollback_enabled"), std::string_view("safety_checks"),
      std::string_view("sat_solver"), std::string_view("separate_format_cache"), std::string_view("shortcuts"),
      std::string_view("show_channel_urls"), std::string_view("signing_metadata_url_base"), std::string_view("solver"),
      std::string_view("solver_ignore_timestamps"), std::string_view("unsatisfiable_hints"),
      std::string_view("unsatisfiable_hints_check_depth"), std::string_view("use_index_cache"),
      std::string_view("verbosity"), std::string_view("verify_threads")};
  return std::find(names.begin(), names.end(), name) != names.end();
}

bool is_unsupported_key(std::string_view name) {
  static constexpr std::array names = {
      std::string_view("aggressive_update_packages"), std::string_view("allow_conda_downgrades"),
      std::string_view("allow_cycles"), std::string_view("allow_non_channel_urls"),
      std::string_view("allowlist_channels"), std::string_view("client_ssl_cert"),
      std::string_view("client_ssl_cert_key"), std::string_view("denylist_channels"), std::string_view("deps_modifier"),
      std::string_view("disallowed_packages"), std::string_view("mirrored_channels"),
      std::string_view("override_channels_enabled"), std::string_view("override_virtual_packages"),
      std::string_view("pip_interop_enabled"), std::string_view("protect_frozen_envs"),
      std::string_view("repodata_fns"), std::string_view("repodata_use_zst"), std::string_view("restore_free_channel"),
      std::string_view("subdir"), std::string_view("subdirs"), std::string_view("track_features"),
      std::string_view("update_modifier"), std::string_view("use_only_tar_bz2")};
  return std::find(names.begin(), names.end(), name) != names.end();
}

}  // namespace envtool::detail
