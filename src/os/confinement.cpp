#include "envtool/os/confinement.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <exception>
#include <set>
#include <thread>

#include "envtool/base/text.hpp"
#include "system_call.hpp"

namespace envtool {
namespace {

// Landlock as in the kernel's interface; the headers of the system may be older than its kernel.
constexpr long create_ruleset_call = 444, add_rule_call = 445, restrict_self_call = 446;
constexpr std::uint32_t version_flag = 1;
constexpr int path_beneath = 1;
constexpr std::uint64_t execute = 1U << 0U, write_file = 1U << 1U, read_file_right = 1U << 2U, read_folder = 1U << 3U;
constexpr std::uint64_t truncate_right = 1U << 14U, ioctl_right = 1U << 15U;

struct RulesetAttributes {
  std::uint64_t files = 0, network = 0, scopes = 0;
};
struct [[gnu::packed]] PathRule {
  std::uint64_t allowed = 0;
  std::int32_t folder = -1;
};

/// The version of the interface, 0 without Landlock.
int landlock_version() {
  const long version = ::syscall(create_ruleset_call, nullptr, 0, version_flag);
  return version < 0 ? 0 : static_cast<int>(version);
}

/// What a version can restrict of files: 13 rights at first, then moving between folders, truncating, ioctl.
std::uint64_t file_rights(int version) {
  std::uint64_t rights = (1U << 13U) - 1;
  if (version >= 2) rights |= 1U << 13U;
  if (version >= 3) rights |= truncate_right;
  if (version >= 5) rights |= ioctl_right;
  return rights;
}

void allow(int ruleset, const std::string& path, std::uint64_t rights) {
  const FileDescriptor place(::open(path.c_str(), O_PATH | O_CLOEXEC));
  struct stat status{};
  if (!place || ::fstat(place.get(), &status) != 0) return;  // what is not there needs no rule
  if (!S_ISDIR(status.st_mode)) rights &= execute | write_file | read_file_right | truncate_right | ioctl_right;
  PathRule rule;
  rule.allowed = rights;
  rule.folder = place.get();
  if (::syscall(add_rule_call, ruleset, path_beneath, &rule, 0) != 0) throw_errno("cannot confine a program", path, errno);
}

/// The rules as a descriptor, or none where the kernel has no Landlock.
FileDescriptor make_ruleset(const Confinement& confinement) {
  const int version = landlock_version();
  if (version == 0) return {};
  RulesetAttributes attributes;
  attributes.files = file_rights(version);
  if (version >= 4) attributes.network = 3;  // binding and connecting
  if (version >= 6) attributes.scopes = 3;   // abstract sockets and signals
  const std::size_t size = version >= 6 ? 24 : version >= 4 ? 16 : 8;
  FileDescriptor ruleset(static_cast<int>(::syscall(create_ruleset_call, &attributes, size, 0)));
  if (!ruleset) return {};
  for (const std::string& path : confinement.writable) allow(ruleset.get(), path, attributes.files);
  for (const std::string& path : confinement.readable)
    allow(ruleset.get(), path, execute | read_file_right | read_folder);
  for (const char* device : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"})
    allow(ruleset.get(), device, attributes.files & (read_file_right | write_file | truncate_right));
  return ruleset;
}

/// Process ids of our children, those that became ours when their parents ended included.
std::set<pid_t> children() {
  std::set<pid_t> found;
  for (const std::string& name : list_directory("/proc")) {
    const auto pid = parse_unsigned(name);
    if (!pid) continue;
    std::string status;
    try {
      status = read_file_if_exists("/proc/" + name + "/stat", 4096).value_or("");
    } catch (const Error&) {
      continue;  // it has ended
    }
    const std::size_t end = status.rfind(')');
    if (end == std::string::npos) continue;
    const auto fields = split_whitespace(std::string_view(status).substr(end + 1));
    if (fields.size() > 1 && parse_unsigned(fields[1]) == static_cast<std::uint64_t>(::getpid())) found.insert(static_cast<pid_t>(*pid));
  }
  return found;
}

/// While this lives, processes whose parents end become our children; then they are ended.
class Orphanage {
 public:
  Orphanage() : before_(children()) { ::prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); }
  Orphanage(const Orphanage&) = delete;
  Orphanage& operator=(const Orphanage&) = delete;
  ~Orphanage() {
    // Those that they start meanwhile become ours in the next round.
    for (int round = 0; round < 1000; ++round) {
      std::set<pid_t> left;
      try {
        left = children();
      } catch (const Error&) {
        break;
      }
      for (const pid_t pid : before_) left.erase(pid);
      if (left.empty()) break;
      for (const pid_t pid : left) ::kill(pid, SIGKILL);
      for (const pid_t pid : left) retry_interrupted([&] { return ::waitpid(pid, nullptr, 0); });
    }
    ::prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0);
  }

 private:
  std::set<pid_t> before_;
};

}  // namespace

std::vector<std::string> system_folders() {
  return {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store", "/gnu/store", "/proc", "/sys",
          "/etc/alternatives", "/etc/debian_version", "/etc/fonts", "/etc/group", "/etc/ld.so.cache", "/etc/ld.so.conf",
          "/etc/ld.so.conf.d", "/etc/locale.alias", "/etc/localtime", "/etc/nsswitch.conf", "/etc/os-release", "/etc/passwd",
          "/etc/ssl/certs", "/etc/terminfo", "/etc/timezone"};
}

ConfinedResult run_confined(const ProcessRequest& request, const Confinement& confinement, std::stop_token stop) {
  const FileDescriptor ruleset = make_ruleset(confinement);
  const Orphanage orphanage;
  ProcessRequest whole = request;
  whole.ends_with_us = true;
  ConfinedResult result;
  std::exception_ptr failure;
  // Landlock holds for one thread and for what that thread starts.
  std::thread([&] {
    try {
      if (ruleset && ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0)
        result.is_confined = ::syscall(restrict_self_call, ruleset.get(), 0) == 0;
      static_cast<ProcessResult&>(result) = run_process(whole, stop);
    } catch (...) {
      failure = std::current_exception();
    }
  }).join();
  if (failure) std::rethrow_exception(failure);
  return result;
}

}  // namespace envtool
