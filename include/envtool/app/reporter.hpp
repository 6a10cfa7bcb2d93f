#pragma once

#include <string>
#include <string_view>

#include "envtool/install/reporter.hpp"
#include "envtool/package_cache/package_cache.hpp"

namespace envtool {

/// Told about a use case as it goes on; every method does nothing by default. What is only to be
/// shown at the end is in the values that the use cases return.
class AppReporter : public InstallReporter {
 public:
  virtual void on_repodata_start() {}
  /// A channel's records are being fetched; the URL has no credentials. From any thread.
  virtual void on_repodata_fetch(const std::string& /*subdir_url*/) {}
  virtual void on_repodata_finish() {}
  virtual void on_solve_start() {}
  virtual void on_solve_finish() {}
  /// Downloads and extraction begin; the returned reporter (may be null) is told of each.
  virtual CacheReporter* on_fetch_start(std::size_t /*packages*/, std::uint64_t /*bytes*/) { return nullptr; }
  virtual void on_fetch_finish() {}
  /// A link script that the user allows: `name-version-build post-link`.
  virtual void on_link_script_start(const std::string& /*what*/) {}
  /// A line that link scripts have for the user; foreign text.
  virtual void on_link_script_message(const std::string& /*line*/) {}
  virtual void on_pip_start(const std::string& /*origin*/) {}
  virtual void on_pip_output(std::string_view /*text*/) {}
};

}  // namespace envtool
