#pragma once

#include <cstddef>
#include <optional>

#include "../command.hpp"

namespace envtool {

struct RollbackOptions {
  /// Absent: the one before the current.
  std::optional<std::size_t> revision;
  bool dry_run = false;
  bool override_frozen = false;
};

/// `rollback`, also as `install --revision N`.
int roll_back(const CommandContext& context, const TargetOptions& target, const RollbackOptions& options);

}  // namespace envtool
