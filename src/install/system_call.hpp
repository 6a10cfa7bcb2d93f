#pragma once

#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <string_view>

#include "envtool/base/error.hpp"
#include "envtool/os/failpoint.hpp"

namespace envtool::detail {

/// A system call, again when a signal interrupts it; a fail point of that name makes it fail instead.
template <typename Call>
auto system_call(std::string_view fail_point, Call call) -> decltype(call()) {
  if (const int injected = failpoint(fail_point); injected != 0) {
    errno = injected;
    return -1;
  }
  for (;;) {
    const auto outcome = call();
    if (outcome >= 0 || errno != EINTR) return outcome;
  }
}

[[noreturn]] inline void fail_errno(const std::string& what, const std::string& path, int error_number) {
  throw system_error(what, error_number).at(path);
}

/// True when something is at the path. Unlike a plain question it does not take trouble for absence:
/// throws when the file system cannot tell.
inline bool surely_exists(const std::string& path) {
  struct stat status{};
  if (lstat(path.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  fail_errno("cannot look at a path", path, errno);
}

/// A place between two steps where the fault tests stop the process or make the step fail.
inline void stage_point(std::string_view name, const std::string& path) {
  if (const int injected = failpoint(name); injected != 0) fail_errno("cannot go on with the change", path, injected);
}

/// The same where nothing can fail any more: what was decided is done.
inline void passed_point(std::string_view name) { static_cast<void>(failpoint(name)); }

}  // namespace envtool::detail
