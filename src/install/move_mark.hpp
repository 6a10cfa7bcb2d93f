#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envtool/install/installer.hpp"

namespace envtool::detail {

/// Says in the old and in the new environment (`tx/move`) that the one becomes the other. The move is
/// decided when both are in their places: whoever finds the pair removes the old one, whoever finds the
/// mark without its counterpart throws it away.
struct MoveMark {
  std::string id;
  std::string from, to;
  /// Where the old environment goes to be deleted.
  std::string trash;
};

/// Writes the mark into the environment in `folder`.
void write_move_mark(const std::string& folder, const MoveMark& mark, Durability durability);
/// Nothing when there is none, or one that makes no sense.
std::optional<MoveMark> read_move_mark(const std::string& folder);

/// The second half of a decided move: the old environment goes, with what was written to it after the copy
/// was complete brought over. The caller holds the locks of both as far as they exist.
std::vector<std::pair<std::string, std::string>> finish_move(const MoveMark& mark, const InstallOptions& options);

/// With the lock of `prefix` held: finishes or forgets the move that its mark tells of. False when there is
/// no mark. Throws `Error` (environment_not_found) when `prefix` was the old environment.
bool recover_move(const Prefix& prefix, const InstallOptions& options, RecoverResult& result);

}  // namespace envtool::detail
