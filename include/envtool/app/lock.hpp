#pragma once

#include <string>
#include <vector>

#include "envtool/app/change.hpp"

namespace envtool {

/// What `lock` is asked for.
struct LockOptions {
  RequestOptions request;
  /// Platforms to lock; empty: those of the files, else this machine's.
  std::vector<std::string> platforms;
  /// Where the lock goes, absolute; its sources are written relative to it.
  std::string lockfile;
  /// Lock the conda packages only, although there is a `pip:` section.
  bool skip_pip = false;
};

/// What `lock` made.
struct LockResult {
  /// conda-lock.yml (CEP 37).
  std::string text;
  /// Packages of each platform, in the order of the platforms.
  std::vector<std::pair<std::string, std::size_t>> packages;
  std::vector<std::string> warnings;
};

/// Solves for every platform and writes the solutions down. Nothing is written to disk. Throws
/// `Error`: what a solve throws, naming the platform; (usage) for a `pip:` section, which cannot be
/// locked yet, unless `skip_pip`.
LockResult lock_environment(const AppInputs& inputs, const LockOptions& options);

}  // namespace envtool
