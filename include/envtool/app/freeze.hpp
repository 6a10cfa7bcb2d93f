#pragma once

#include <optional>
#include <string>

#include "envtool/app/change.hpp"
#include "envtool/prefix/prefix.hpp"

namespace envtool {

/// What became of the marks of a frozen environment.
struct FreezeResult {
  /// It was frozen before.
  bool was_frozen = false;
  /// The file that keeps pip and uv out (PEP 668); empty: there is none (any more).
  std::string externally_managed;
  /// That file is somebody else's and was left as it is.
  bool is_foreign = false;
};

/// Marks an environment as not to be changed (CEP 22), for conda packages and, by PEP 668's
/// `EXTERNALLY-MANAGED` in its Python's standard library, for pip and uv. The message says why; without one
/// that of an earlier freeze stays, else a general one is shown. Throws `Error` (locked, permission,
/// environment_not_found, and prefix_exists when the place of the mark holds no regular file: a symlink is
/// neither followed nor replaced).
FreezeResult freeze_environment(const AppInputs& inputs, const Prefix& prefix, const std::string& message);
/// Takes both marks away; a foreign `EXTERNALLY-MANAGED` stays. A mark that is a folder goes when it is empty, else
/// `Error` (prefix_exists) says so and nothing is changed.
FreezeResult unfreeze_environment(const AppInputs& inputs, const Prefix& prefix);

/// After a change that was made all the same: another Python has its standard library elsewhere.
void keep_frozen(const Prefix& prefix);
/// `unowned_files` without the `EXTERNALLY-MANAGED` that `freeze_environment` wrote.
std::vector<std::string> files_of_nobody(const Prefix& prefix);
/// True for a path in the environment that `freeze_environment` wrote for pip and uv.
bool is_own_mark(const Prefix& prefix, std::string_view path);
/// True when pip refuses because of `freeze_environment`, and not because of what somebody else wrote.
bool keeps_pip_out(const Prefix& prefix);

}  // namespace envtool
