#pragma once

#include <string_view>

namespace envtool {

/// A named place where the fault tests can make the process die or a call fail. With
/// `ENVTOOL_FAILPOINT=name:n:action` in the environment the n-th pass (from 1) through `name` kills the
/// process (action `kill`), sends it a signal (`SIGINT`), makes this return an errno (`ENOSPC` or `28`),
/// or writes the name to no file (`mark`: changes nothing, strace shows it); otherwise it returns 0. The
/// name `any` counts the passes through every fail point, `n+` means the n-th pass and all later ones,
/// several rules are joined by commas. A rule that cannot be understood aborts the process. Compiled to
/// a constant 0 unless the build has ENVTOOL_FAILPOINTS.
///
/// `os` has `os.create`, `os.write`, `os.close`, `os.sync`, `os.rename`, `os.link`, `os.reflink`,
/// `os.symlink`, `os.mkdir`, `os.rmdir`, `os.unlink`, `os.chmod`, `os.utime` and `os.lock`, each
/// before the system call of that name.
#ifdef ENVTOOL_FAILPOINTS
int failpoint(std::string_view name);
#else
constexpr int failpoint(std::string_view) { return 0; }
#endif

}  // namespace envtool
