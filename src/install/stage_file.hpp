#pragma once

#include <optional>
#include <string>

#include "envtool/base/digest.hpp"
#include "envtool/os/files.hpp"
#include "envtool/transaction/link_plan.hpp"

namespace envtool::detail {

/// What came of staging one file.
struct StagedFile {
  /// Of the new content; for unchanged files what the manifest says.
  std::optional<Sha256> digest;
  std::optional<LinkOutcome> linked;
  /// The cached file is a symlink, whatever the manifest says.
  bool is_link = false;
  std::string link_text;
  bool is_executable = false;
};

/// Where a file's content comes from and what is to be done to it.
struct FileRecipe {
  FileAction::Kind kind = FileAction::Kind::link;
  /// Absolute path in the cache; the text itself for entry points.
  std::string source;
  std::string placeholder;
  std::optional<std::uint64_t> size;
  std::optional<Sha256> digest;
};

FileRecipe file_recipe(const LinkPlan& plan, const FileAction& action);

/// Throws `Error` (unsafe) when a cached file would be reached through a symlink: a package whose folder
/// leads elsewhere could otherwise bring files of this machine into the environment.
void refuse_linked_sources(const LinkPlan& plan);

/// Makes the file at `target`, which must not exist, as it will be in `prefix`. Throws `Error`: corrupt
/// when the cached file is missing or has another size, and whatever the file system says.
StagedFile stage_file(const FileRecipe& recipe, const std::string& prefix, const std::string& target, LinkPolicy policy);

}  // namespace envtool::detail
