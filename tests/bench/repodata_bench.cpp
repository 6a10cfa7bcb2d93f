// repodata_bench CACHE_FOLDER CHANNEL_URL NAME...
//
// Loads what is reachable from the names and prints how long it took and how much memory: once with an
// empty cache folder it shows the cold start, later the warm one.
#include <sys/resource.h>

#include <cstdio>
#include <cstring>

#include "envtool/repodata/repodata_gateway.hpp"

int main(int argc, char** argv) {
  if (argc < 4) {
    std::fputs("usage: repodata_bench CACHE_FOLDER CHANNEL_URL NAME...\n", stderr);
    return 2;
  }
  using Clock = std::chrono::steady_clock;
  const auto seconds_since = [](Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); };
  try {
    envtool::RepoDataOptions options;
    options.cache_directory = argv[1];
    options.time_to_live = std::chrono::hours(1);
    envtool::Fetcher fetcher(envtool::FetchOptions{});
    const auto start = Clock::now();
    envtool::RepoDataGateway gateway({{argv[2], envtool::Url::parse(argv[2])}}, {"linux-64", "noarch"}, options, fetcher);
    gateway.prepare();
    const double ready = seconds_since(start);
    const auto found = gateway.load_reachable(std::vector<std::string>(argv + 3, argv + argc));
    const double loaded = seconds_since(start);
    std::size_t records = 0;
    for (const auto& [name, lists] : found) {
      for (const auto& list : lists) records += list.records.size();
    }
    rusage usage{};
    getrusage(RUSAGE_SELF, &usage);
    std::printf("%llu records, ready %.3f s, reachable %zu names %zu records %.3f s, peak %ld MB\n",
                static_cast<unsigned long long>(gateway.record_count()), ready, found.size(), records, loaded,
                usage.ru_maxrss / 1024);
  } catch (const envtool::Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
