#pragma once

#include <catch2/catch.hpp>

#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "../archive/package_builder.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/url.hpp"
#include "envtool/os/files.hpp"
#include "envtool/package_cache/package_cache.hpp"

namespace envtool::test {

/// A channel and caches in a temporary folder.
struct CacheSandbox {
  TemporaryDirectory root{"/tmp", "envtool-cache-"};
  std::string channel = root.path() + "/channel";
  std::string pkgs = root.path() + "/pkgs";
  std::string other = root.path() + "/other-pkgs";
  Fetcher fetcher{fetch_options()};

  static FetchOptions fetch_options() {
    FetchOptions options;
    options.offline = true;
    options.max_retries = 0;
    return options;
  }

  /// Puts an archive into a channel's noarch and gives its record.
  RepoDataRecord publish(const std::string& name, const std::string& bytes, const std::string& extension = ".conda",
                         const std::string& in_channel = "channel") const {
    RepoDataRecord record;
    record.name = name;
    record.version = "1.0";
    record.build = "0";
    record.subdir = "noarch";
    record.depends = {"zlib >=1.2"};
    record.fn = record.dist() + extension;
    record.channel = Url::from_path(root.path() + "/" + in_channel).str();
    record.url = record.channel + "/noarch/" + record.fn;
    record.size = bytes.size();
    record.sha256 = sha256(bytes);
    record.md5 = md5(bytes);
    const std::string folder_path = root.path() + "/" + in_channel + "/noarch";
    make_directories(folder_path);
    remove_file(folder_path + "/" + record.fn);
    write_new_file(folder_path + "/" + record.fn, bytes);
    return record;
  }

  static std::vector<Member> sample(const std::string& name, const std::string& text) {
    return with_metadata(name, "1.0", "0",
                         {file("bin/" + name, "#!/bin/sh\necho " + text + "\n", 0755), file("lib/" + name + ".txt", text),
                          soft_link("lib/link", name + ".txt"), file("share/empty", "")});
  }
  RepoDataRecord publish_sample(const std::string& name, const std::string& text = "hello",
                                const std::string& in_channel = "channel") const {
    return publish(name, conda_bytes(name + "-1.0-0", sample(name, text)), ".conda", in_channel);
  }
  RepoDataRecord publish_members(const std::string& name, const std::vector<Member>& members) const {
    return publish(name, conda_bytes(name + "-1.0-0", members));
  }

  void unpublish() const { remove_tree(channel); }

  std::vector<CachedPackage> ensure(PackageCache& cache, const std::vector<RepoDataRecord>& records,
                                    CacheReporter* reporter = nullptr, std::stop_token stop = {}) {
    return cache.ensure(records, fetcher, reporter, stop);
  }
  CachedPackage ensure_one(const RepoDataRecord& record) {
    PackageCache cache({pkgs});
    std::vector<CachedPackage> packages = ensure(cache, {record});
    REQUIRE(packages.size() == 1);
    return packages.front();
  }

  /// What a failed run must leave behind: no package, nothing half done.
  bool is_clean() const {
    if (!list_directory(pkgs + "/.tmp").empty()) return false;
    for (const std::string& name : list_directory(pkgs))
      if (name.front() != '.' && is_directory(pkgs + "/" + name)) return false;
    return true;
  }
};

struct CountingReporter : CacheReporter {
  int cached = 0, extract_started = 0, extracted = 0, started = 0, finished = 0;
  std::vector<std::size_t> indices;
  void on_cached(const RepoDataRecord&) override { ++cached; }
  void on_extract_start(const RepoDataRecord&) override { ++extract_started; }
  void on_extract_finish(const RepoDataRecord&) override { ++extracted; }
  void on_start(std::size_t index, const FetchRequest&) override {
    ++started;
    indices.push_back(index);
  }
  void on_finish(std::size_t) override { ++finished; }
};

inline std::optional<ErrorKind> error_kind_of(const std::function<void()>& call, std::string* text = nullptr) {
  try {
    call();
  } catch (const Error& error) {
    if (text != nullptr) *text = error.what();
    return error.kind();
  }
  return std::nullopt;
}

/// Writes into the existing inode, as pip does through a hard link.
inline void overwrite_in_place(const std::string& path, const std::string& content) {
  FILE* stream = std::fopen(path.c_str(), "w");
  REQUIRE(stream != nullptr);
  std::fwrite(content.data(), 1, content.size(), stream);
  std::fclose(stream);
}

}  // namespace envtool::test
