#include "exchange_paths.hpp"

#include <fcntl.h>
#include <linux/fs.h>

#include <cstdio>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "system_call.hpp"

namespace envtool::detail {

void exchange_paths(const std::string& from, const std::string& to, const std::string& aside) {
  if (system_call("install.exchange",
                  [&] { return renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_EXCHANGE); }) == 0)
    return;
  if (errno != EINVAL && errno != ENOSYS && errno != ENOTSUP) fail_errno("cannot put the environment in its place", to, errno);
  rename_path(to, aside);
  try {
    rename_path(from, to);
  } catch (const Error&) {
    rename_path(aside, to);
    throw;
  }
}

std::string aside_after_exchange(const std::string& from, const std::string& aside) {
  try {
    if (exists_no_follow(from)) rename_path(from, aside);
    return aside;
  } catch (const Error&) {
    return from;
  }
}

}  // namespace envtool::detail
