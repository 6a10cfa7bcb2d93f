#include "directory_lock.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <ctime>
#include <optional>

#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/os/process.hpp"
#include "system_call.hpp"

namespace envtool {
namespace {

constexpr std::chrono::seconds heartbeat_interval{10};
/// Six missed heartbeats: a suspended or swapping owner gets that long.
constexpr std::chrono::seconds heartbeat_limit{60};
constexpr std::string_view holder_prefix = "holder.";

/// The kernel's start time of a process in clock ticks: with it, a reused process id is noticed.
std::string start_time(long pid) {
  try {
    const std::string status = read_file_if_exists("/proc/" + std::to_string(pid) + "/stat", 4096).value_or("");
    // The second field is the program's name, which may contain blanks and brackets.
    const std::size_t name_end = status.rfind(')');
    if (name_end == std::string::npos) return {};
    const std::string_view after_name = std::string_view(status).substr(name_end + 1);
    const std::vector<std::string_view> fields = split_whitespace(after_name);
    return fields.size() > 19 ? std::string(fields[19]) : std::string();
  } catch (const Error&) {
    return {};
  }
}

std::string field(const std::string& lines, std::string_view name) {
  for (const std::string_view line : split_lines(lines)) {
    if (line.size() > name.size() && line.starts_with(name) && line[name.size()] == ' ') {
      return std::string(line.substr(name.size() + 1));
    }
  }
  return {};
}

bool is_older_than_limit(const std::string& path, std::time_t reference) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && reference - status.st_mtim.tv_sec > heartbeat_limit.count();
}

/// Whether a heartbeat stopped. A file server's clock may differ from ours, so what looks old is
/// compared with a file written now (beside the folder, whose own time counts).
bool heartbeat_stopped(const std::string& path, const std::string& directory, const std::string& id) {
  if (!is_older_than_limit(path, std::time(nullptr))) return false;
  const std::string probe = directory + ".probe." + id;
  try {
    write_new_file(probe, "");
  } catch (const Error&) {
    return false;
  }
  struct stat status{};
  const bool stopped = ::stat(probe.c_str(), &status) == 0 && is_older_than_limit(path, status.st_mtim.tv_sec);
  ::unlink(probe.c_str());
  return stopped;
}

std::string holder_file(const std::string& directory) {
  for (const std::string& name : list_directory(directory)) {
    if (name.starts_with(holder_prefix)) return directory + "/" + name;
  }
  return {};
}

/// The holder file of a lock whose owner is dead, empty when it died before writing one; nothing
/// while the owner may live.
std::optional<std::string> dead_holder(const std::string& directory, const std::string& id) {
  std::string file = holder_file(directory);
  if (file.empty()) {
    // The owner is about to come or to go, unless that takes too long.
    if (heartbeat_stopped(directory, directory, id)) return file;
    return std::nullopt;
  }
  const std::optional<std::string> lines = read_file_if_exists(file, 64 * 1024);
  if (!lines || (holder_may_live(*lines) && !heartbeat_stopped(file, directory, id))) return std::nullopt;
  return file;
}

bool rename_quietly(const std::string& from, const std::string& to) {
  return system_call("os.rename", [&] { return ::rename(from.c_str(), to.c_str()); }) == 0;
}

/// Removes what a process left that died between its steps; the folder itself only when empty.
void remove_abandoned(const std::string& directory) {
  for (const std::string& name : list_directory(directory)) {
    if (!name.starts_with(holder_prefix)) ::unlink((directory + "/" + name).c_str());
  }
  ::rmdir(directory.c_str());
}

}  // namespace

std::string holder_lines(const std::string& command) {
  const long pid = ::getpid();
  return "pid " + std::to_string(pid) + "\nhost " + escape_control(host_name()) + "\nboot " + boot_id() + "\nstarted " +
         start_time(pid) + "\ncommand " + escape_control(redact(command)) + "\n";
}

LockHolder parse_holder(const std::string& lines) {
  LockHolder holder;
  const auto pid = parse_unsigned(field(lines, "pid"));
  // Any user who may write the file chose these texts.
  holder.pid = pid && *pid < (1U << 30) ? static_cast<long>(*pid) : 0;
  holder.host = escape_control(field(lines, "host"));
  holder.command = escape_control(field(lines, "command"));
  return holder;
}

bool holder_may_live(const std::string& lines) {
  const LockHolder holder = parse_holder(lines);
  if (holder.pid <= 0 || holder.host != escape_control(host_name())) return true;
  const std::string boot = field(lines, "boot");
  if (!boot.empty() && boot != boot_id()) return false;  // this host has been restarted since
  if (::kill(static_cast<pid_t>(holder.pid), 0) != 0 && errno == ESRCH) return false;
  const std::string started = field(lines, "started");
  const std::string now_started = start_time(holder.pid);
  return started.empty() || now_started.empty() || started == now_started;
}

std::unique_ptr<DirectoryLock> DirectoryLock::try_acquire(const std::string& directory, const std::string& command) {
  const std::string id = random_name(8);
  const bool created = system_call("os.mkdir", [&] { return ::mkdir(directory.c_str(), 0777); }) == 0;
  if (!created && errno != EEXIST) throw_errno("cannot create a lock folder", directory, errno);
  std::string old;
  if (!created) {
    // Only the very file that was judged may be renamed: a new owner has one of another name.
    const std::optional<std::string> dead = dead_holder(directory, id);
    if (!dead) return nullptr;
    if (dead->empty()) {
      remove_abandoned(directory);
      return nullptr;
    }
    old = *dead;
  }
  const std::string next = directory + "/next." + id;
  const std::string gone = directory + "/gone." + id;
  try {
    write_new_file(next, holder_lines(command));
  } catch (const Error&) {
    if (created) ::rmdir(directory.c_str());
    if (!exists(directory)) return nullptr;  // taken away meanwhile
    throw;
  }
  const bool ours = old.empty() || rename_quietly(old, gone);
  ::unlink(gone.c_str());
  // The second step fails only when others took us for dead meanwhile.
  if (!ours || !rename_quietly(next, directory + "/" + std::string(holder_prefix) + id)) {
    ::unlink(next.c_str());
    return nullptr;
  }
  return std::unique_ptr<DirectoryLock>(new DirectoryLock(directory, id));
}

bool DirectoryLock::is_held(const std::string& directory) {
  return exists_no_follow(directory) && !dead_holder(directory, random_name(8));
}

LockHolder DirectoryLock::holder(const std::string& directory) {
  try {
    const std::string file = holder_file(directory);
    return file.empty() ? LockHolder() : parse_holder(read_file_if_exists(file, 64 * 1024).value_or(""));
  } catch (const Error&) {
    return {};
  }
}

DirectoryLock::DirectoryLock(std::string directory, std::string id)
    : directory_(std::move(directory)), id_(std::move(id)), heartbeat_([this](const std::stop_token& stop) {
        std::unique_lock lock(mutex_);
        while (!wake_.wait_for(lock, stop, heartbeat_interval, [&] { return stop.stop_requested(); })) beat();
      }) {}

void DirectoryLock::beat() {
  const std::string file = directory_ + "/" + std::string(holder_prefix) + id_;
  ::utimensat(AT_FDCWD, file.c_str(), nullptr, 0);
}

DirectoryLock::~DirectoryLock() {
  heartbeat_.request_stop();
  heartbeat_.join();
  // When the holder file is gone, others took us for dead: the folder is theirs now.
  if (::unlink((directory_ + "/" + std::string(holder_prefix) + id_).c_str()) != 0) return;
  try {
    remove_abandoned(directory_);
  } catch (const Error&) {
    // The next process finds the folder without an owner and removes it.
  }
}

}  // namespace envtool
