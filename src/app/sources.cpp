#include "envtool/app/sources.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/os/abandonable.hpp"
#include "envtool/os/clock.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/log.hpp"
#include "envtool/settings/machine_profile.hpp"
#include "envtool/specs/string_matcher.hpp"
#include "envtool/virtual_packages/stated_facts.hpp"
#include "envtool/virtual_packages/virtual_packages.hpp"

namespace envtool {

FetchOptions fetch_options(const Settings& settings, const EnvSnapshot& environment) {
  FetchOptions options;
  options.parallel = settings.fetch_threads != 0 ? settings.fetch_threads : 8;
  options.max_retries = settings.max_retries;
  options.connect_timeout = settings.connect_timeout;
  options.low_speed_time = settings.read_timeout;
  options.offline = settings.offline;
  options.verify_tls = settings.verify_tls;
  options.ca_bundle = settings.ca_bundle;
  if (options.ca_bundle.empty())
    for (const char* name : {"SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"})
      if (auto path = environment.get(name)) {
        options.ca_bundle = *path;
        break;
      }
  const std::string netrc = environment.get("NETRC").value_or(environment.home + "/.netrc");
  if (exists(netrc)) options.netrc_file = netrc;
  options.user_agent = "envtool/" ENVTOOL_VERSION;
  auto proxy = [&](const char* scheme) {
    const auto found = settings.proxy_servers.find(scheme);
    return found == settings.proxy_servers.end() ? std::string() : found->second.reveal();
  };
  options.http_proxy = proxy("http");
  options.https_proxy = proxy("https");
  return options;
}

namespace {
bool can_be_written(const std::string& folder) {
  try {
    make_directories(folder);
  } catch (const Error& error) {
    // To go elsewhere would only hide that.
    if (error.kind() == ErrorKind::no_space) return true;
    log_debug(std::string("no channel records there: ") + error.what());
    return false;
  }
  return ::faccessat(AT_FDCWD, folder.c_str(), R_OK | W_OK | X_OK, AT_EACCESS) == 0;
}

bool has_entries(const std::string& folder) {
  try {
    return is_directory(folder) && !list_directory(folder).empty();
  } catch (const Error& error) {
    log_debug(error.what());
    return false;
  }
}

/// Where the channels' records are kept: as with packages, in the first folder that can be written.
std::string records_folder(const std::vector<std::string>& pkgs_dirs, bool only_read) {
  const auto cache = [](const std::string& folder) { return folder + "/cache"; };
  if (pkgs_dirs.size() == 1) return cache(pkgs_dirs.front());
  const auto found = std::find_if(pkgs_dirs.begin(), pkgs_dirs.end(), [&](const std::string& folder) { return can_be_written(cache(folder)); });
  // Somebody who may write has perhaps left records in one that can only be read.
  if (only_read && (found == pkgs_dirs.end() || !has_entries(cache(*found))))
    for (const std::string& folder : pkgs_dirs)
      if (has_entries(cache(folder))) return cache(folder);
  return cache(found == pkgs_dirs.end() ? pkgs_dirs.front() : *found);
}
}  // namespace

RepoDataOptions repodata_options(const Settings& settings) {
  RepoDataOptions options;
  options.time_to_live = settings.repodata_ttl;
  options.use_shards = settings.use_sharded_repodata;
  if (settings.offline) options.cache_use = RepoDataCacheUse::only_cached;
  else if (settings.use_index_cache) options.cache_use = RepoDataCacheUse::prefer_cached;
  options.cache_directory = records_folder(settings.pkgs_dirs, options.cache_use == RepoDataCacheUse::only_cached);
  return options;
}

namespace {
constexpr std::uint64_t profile_limit = 1 << 20;

/// A path that may end in `#name`; a file whose own name has a `#` is meant as it is.
std::pair<std::string, std::string> split_profile_name(const std::string& text) {
  const auto hash = text.rfind('#');
  if (hash == std::string::npos || exists(text)) return {text, ""};
  return {text.substr(0, hash), text.substr(hash + 1)};
}

HostFacts stated_facts(const std::string& file, const Platform& platform, const AssumedVersions& assumed) {
  const auto [path, name] = split_profile_name(file);
  const AbandonableWork reading;
  const auto profiles = parse_machine_profiles(read_named_file(path, profile_limit), path);
  std::vector<StatedPackage> packages;
  for (const MachineProfile::Entry& entry : select_machine_profile(profiles, name, platform.str(), path).packages)
    packages.push_back({entry.name, entry.value, entry.where});
  return facts_of_statement(packages, platform, assumed);
}
}  // namespace

std::vector<PackageRecord> virtual_packages(const Platform& platform, const Settings& settings,
                                            const EnvSnapshot& environment) {
  // Another platform's machine cannot be asked: what present packages need is assumed.
  const AssumedVersions assumed = AssumedVersions::for_locking();
  HostFacts facts;
  if (!settings.virtual_packages.empty()) facts = stated_facts(settings.virtual_packages, platform, assumed);
  else if (platform == Platform::current()) facts = detect_host_facts(environment);
  return derive_virtual_packages(facts, platform, environment, assumed);
}

void set_release_cutoffs(SolveOptions& options, const Settings& settings, const std::vector<Channel>& channels,
                         const EnvSnapshot& environment) {
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(now().time_since_epoch()).count();
  const auto moment = static_cast<std::uint64_t>(std::max<std::int64_t>(milliseconds, 1));
  options.exclude_newer_ms = settings.exclude_newer.resolve(moment);
  for (const auto& [name, cutoff] : settings.exclude_newer_packages) options.exclude_newer_packages[name] = cutoff.resolve(moment);
  ChannelConfig config = settings.channel_config;
  config.home = environment.home;
  config.working_directory = environment.working_directory;
  for (const auto& [pattern, cutoff] : settings.exclude_newer_channels) {
    const bool is_glob = pattern.find('*') != std::string::npos;
    const std::vector<Channel> named = is_glob ? std::vector<Channel>{} : Channel::resolve(pattern, config);
    for (std::size_t i = 0; i < channels.size(); ++i)
      if (is_glob ? matches_glob(pattern, channels[i].name) || matches_glob(pattern, channels[i].base_url.str())
                  : std::find(named.begin(), named.end(), channels[i]) != named.end())
        options.exclude_newer_channels[static_cast<std::uint32_t>(i)] = cutoff.resolve(moment);
  }
}

}  // namespace envtool
