#include "envtool/app/sources.hpp"

#include "envtool/os/files.hpp"
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

RepoDataOptions repodata_options(const Settings& settings) {
  RepoDataOptions options;
  options.cache_directory = settings.pkgs_dirs.front() + "/cache";
  options.time_to_live = settings.repodata_ttl;
  if (settings.offline) options.cache_use = RepoDataCacheUse::only_cached;
  else if (settings.use_index_cache) options.cache_use = RepoDataCacheUse::prefer_cached;
  return options;
}

std::vector<PackageRecord> virtual_packages(const Platform& platform, const EnvSnapshot& environment) {
  HostFacts facts;
  if (platform == Platform::current()) facts = detect_host_facts(environment);
  // Another platform's machine cannot be asked: what present packages need is assumed.
  return derive_virtual_packages(facts, platform, environment, AssumedVersions::for_locking());
}

}  // namespace envtool
