#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "envtool/install/installer.hpp"
#include "envtool/package_cache/package_cache.hpp"
#include "envtool/prefix/prefix.hpp"

namespace envtool {

/// An environment that shall be elsewhere, too (`clone`) or instead (`move`).
struct CopyRequest {
  enum class Kind { clone, move };
  Kind kind = Kind::clone;
  Prefix from{"/"};
  Prefix to{"/"};
  /// Packages of `from` that a cache has. Their files come from there as in a new environment; those of
  /// other packages are made from the ones that are installed.
  std::vector<CachedPackage> cached;
  /// Top-level entries that are not taken along (the caches and environments of a root prefix).
  std::vector<std::string> left_out;
  /// Another path of `from` (a symlink to it) that files may name; empty: none.
  std::string also_named = {};
  /// What the history of the copy shall say of it, asked for when everything else is in the folder where the copy is
  /// built. Absent: nothing.
  std::function<EnvironmentChange(const Prefix& built)> note = {};
  /// Called when the copy is complete and about to be put in place.
  std::function<void()> before_commit = {};
};

/// What was done.
struct CopyResult {
  std::size_t files = 0;
  /// Files with another content than before, because they name their environment.
  std::size_t rewritten = 0;
  std::size_t compiled = 0;
  /// Files that no package owns, relative to the environment, sorted; byte code aside.
  std::vector<std::string> unowned;
  /// Files that still name the old place, since envtool does not know their format.
  std::vector<std::string> untouched;
  /// Files kept aside in the new environment: what somebody wrote to the old one at the very end.
  std::vector<std::pair<std::string, std::string>> saved;
  /// The environment that was at the new place (`InstallOptions::existing`).
  std::shared_ptr<ReplacedPrefix> replaced;
};

/// Builds the copy next to its place, every text that names the old place rewritten, and renames it there:
/// it is complete or absent. A move then removes the old environment; killed in between, the next command
/// that opens either of them does so (`recover`). Wishes, history, pins, variables and a frozen mark come
/// along; a clone shares no file with the original that anybody could write to, except those that all
/// environments share with the package cache. Throws `Error`: `prefix_exists`, `locked` when something else
/// writes to the environment meanwhile, `invalid_input` when a program has no room for so long a path, ...;
/// everything is as it was then.
CopyResult copy_prefix(const CopyRequest& request, const InstallOptions& options = {}, std::stop_token stop = {});

}  // namespace envtool
