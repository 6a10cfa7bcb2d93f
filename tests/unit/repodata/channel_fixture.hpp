#pragma once

#include <catch2/catch.hpp>
#include <zstd.h>

#include <memory>
#include <string>
#include <vector>

#include "envtool/download/fetcher.hpp"
#include "envtool/os/files.hpp"
#include "envtool/repodata/repodata_gateway.hpp"
#include "http_server/http_server.hpp"

namespace envtool::test {

inline std::string compress(const std::string& text) {
  std::string packed(ZSTD_compressBound(text.size()), '\0');
  packed.resize(ZSTD_compress(packed.data(), packed.size(), text.data(), text.size(), 3));
  return packed;
}

/// One member of `packages.conda`; `more` is put in, with a comma in front.
inline std::string record(const std::string& name, const std::string& version, const std::string& depends = "",
                          const std::string& more = "", const std::string& extension = ".conda") {
  const std::string build = "h0_0";
  return "\"" + name + "-" + version + "-" + build + extension + R"(": {"name": ")" + name + R"(", "version": ")" +
         version + R"(", "build": ")" + build + R"(", "build_number": 0, "depends": [)" + depends + "]" + more + "}";
}

inline std::string index_of(const std::string& conda_records, const std::string& more = "") {
  return R"({"info": {"subdir": "linux-64"}, "packages": {}, "packages.conda": {)" + conda_records + "}" + more + "}";
}

/// The error that a call throws.
template <typename Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no error was thrown");
  return Error("unreachable");
}

struct RecordingReporter : RepoDataReporter {
  std::vector<std::string> warnings, fetched, related;
  void on_warning(const std::string& text) override { warnings.push_back(text); }
  void on_fetch_start(const std::string& url) override { fetched.push_back(url); }
  void on_related_channel(const Channel& channel, const Channel&) override { related.push_back(channel.name); }
};

/// A folder with channels below `www`, a cache folder, and what a gateway needs.
struct ChannelFixture {
  TemporaryDirectory folder{"/tmp", "envtool-repodata-"};
  RepoDataOptions options;
  FetchOptions fetch_options;
  RecordingReporter reporter;
  std::vector<std::string> subdirs{"linux-64", "noarch"};

  ChannelFixture() {
    make_directories(root());
    options.cache_directory = folder.path() + "/pkgs/cache";
    fetch_options.retry_base = std::chrono::milliseconds(10);
    fetch_options.max_retries = 1;
  }

  std::string root() const { return folder.path() + "/www"; }
  void put(const std::string& path, const std::string& content) const {
    const std::string whole = root() + "/" + path;
    make_directories(whole.substr(0, whole.rfind('/')));
    write_atomically(whole, content);
  }
  Channel local(const std::string& name) const { return {name, Url::from_path(root() + "/" + name)}; }

  RecordsByName records(const std::vector<Channel>& channels, const std::vector<std::string>& names) {
    Fetcher fetcher(fetch_options);
    return RepoDataGateway(channels, subdirs, options, fetcher, &reporter).records_for(names);
  }
  RecordsByName reachable(const std::vector<Channel>& channels, const std::vector<std::string>& names) {
    Fetcher fetcher(fetch_options);
    return RepoDataGateway(channels, subdirs, options, fetcher, &reporter).load_reachable(names);
  }
  std::vector<std::string> names(const std::vector<Channel>& channels) {
    Fetcher fetcher(fetch_options);
    return RepoDataGateway(channels, subdirs, options, fetcher, &reporter).all_names();
  }
};

/// The same, served by the hostile server.
struct ServedChannelFixture : ChannelFixture {
  std::unique_ptr<HttpServer> server =
      std::make_unique<HttpServer>(ENVTOOL_PYTHON, ENVTOOL_HTTP_SERVER, root());
  Channel served(const std::string& name) const { return {name, Url::parse(server->url() + "/" + name)}; }
};

inline std::vector<std::string> keys(const RecordsByName& records) {
  std::vector<std::string> names;
  for (const auto& [name, lists] : records) names.push_back(name);
  return names;
}

}  // namespace envtool::test
