#pragma once

#include <cerrno>
#include <string>
#include <string_view>

#include "envtool/base/error.hpp"
#include "envtool/os/failpoint.hpp"
#include "envtool/os/files.hpp"

namespace envtool {

/// A system call, again when a signal interrupts it. With a fail point of that name set, the call is
/// not made: -1 and its errno instead. Every call that changes a file system goes through here.
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

/// The same for calls that change nothing.
template <typename Call>
auto retry_interrupted(Call call) -> decltype(call()) {
  for (;;) {
    const auto outcome = call();
    if (outcome >= 0 || errno != EINTR) return outcome;
  }
}

/// Writes everything at the descriptor's position; false with errno on failure.
bool write_all(int fd, std::string_view content);
/// Closes and reports what a network file system only says now; false with errno.
bool close_checked(FileDescriptor& fd);
/// Throws for the errno that the caller just saw.
[[noreturn]] void throw_errno(const std::string& what, const std::string& path, int error_number);

}  // namespace envtool
