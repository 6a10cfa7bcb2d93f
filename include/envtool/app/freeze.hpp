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
  /// The file that keeps pip and uv out (PEP 668); empty: the environment has no Python.
  std::string externally_managed;
  /// That file is somebody else's and was left as it is.
  bool is_foreign = false;
};

/// Marks an environment as not to be changed (CEP 22), for conda packages and, by PEP 668's
/// `EXTERNALLY-MANAGED` in its Python's standard library, for pip and uv. The message says why; without one
/// a general one is shown. Throws `Error` (locked, permission, environment_not_found).
FreezeResult freeze_environment(const AppInputs& inputs, const Prefix& prefix, const std::string& message);
/// Takes both marks away; a foreign `EXTERNALLY-MANAGED` stays.
FreezeResult unfreeze_environment(const AppInputs& inputs, const Prefix& prefix);

/// After a change that was made all the same: another Python has its standard library elsewhere.
void keep_frozen(const Prefix& prefix);
/// True when pip refuses because of `freeze_environment`, and not because of what somebody else wrote.
bool keeps_pip_out(const Prefix& prefix);

}  // namespace envtool
