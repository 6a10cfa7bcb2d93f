#pragma once

#include <string>
#include <vector>

#include "envtool/app/change.hpp"
#include "envtool/install/copy_prefix.hpp"
#include "envtool/prefix/prefix.hpp"

namespace envtool {

/// An environment that is to be elsewhere, too, or instead; decided but not begun.
struct MovePlan {
  CopyRequest::Kind kind = CopyRequest::Kind::clone;
  Prefix from{"/"};
  Prefix to{"/"};
  /// The symlink by which the user named an environment that moves: `from` is the folder behind it, and it goes, too.
  std::string link = {};
  /// There is an environment at the new place, which goes.
  bool replaces_existing = false;
  /// What is installed, dependencies first.
  std::vector<RepoDataRecord> packages;
  /// Those of them whose files come from the package cache.
  std::vector<RepoDataRecord> cached;
  /// Top-level entries of a root prefix that are no part of its environment.
  std::vector<std::string> left_out;
};

/// What the user allows.
struct MoveChoices {
  bool replace = false;
  bool override_frozen = false;
};

/// Throws `Error`: environment_not_found; prefix_exists unless `replace`; usage for a place inside the
/// environment (or the reverse), and, for a move, for an active environment, for the root prefix and for one
/// that holds the package cache; permission for a move of, or a replacement by, a frozen environment.
MovePlan plan_move(const AppInputs& inputs, CopyRequest::Kind kind, const Prefix& from, const Prefix& to, const MoveChoices& choices);

/// Carries the plan out and keeps the list of environments true. No request is sent.
CopyResult execute(const AppInputs& inputs, const MovePlan& plan);

}  // namespace envtool
