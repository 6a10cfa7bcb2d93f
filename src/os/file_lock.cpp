#include "envtool/os/file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

#include "directory_lock.hpp"
#include "envtool/os/process.hpp"
#include "system_call.hpp"

namespace envtool {
namespace {

using Clock = std::chrono::steady_clock;
/// A lock call that does not even say "taken" within this time hangs on a dead file server.
constexpr std::chrono::seconds lock_call_limit{3};
constexpr std::chrono::milliseconds longest_poll{100};
constexpr std::chrono::seconds wait_report_interval{10};

enum class LockAnswer { got, taken, unsupported };

/// One lock call on a descriptor of its own, so that a hanging call can be left behind.
struct LockCall {
  FileDescriptor fd;
  short type;
  std::mutex mutex;
  std::condition_variable done;
  std::optional<LockAnswer> answer;

  void run() {
    struct flock lock{};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    const int outcome = system_call("os.lock", [&] { return ::fcntl(fd.get(), F_OFD_SETLK, &lock); });
    const bool taken = outcome != 0 && (errno == EAGAIN || errno == EACCES);
    const std::lock_guard guard(mutex);
    answer = outcome == 0 ? LockAnswer::got : taken ? LockAnswer::taken : LockAnswer::unsupported;
    done.notify_all();
  }
};

/// Tries to lock the file behind the descriptor, which comes back when it was not left behind.
LockAnswer lock_with_limit(FileDescriptor& fd, FileLock::Mode mode) {
  const auto call = std::make_shared<LockCall>();
  call->fd = std::move(fd);
  call->type = mode == FileLock::Mode::shared ? F_RDLCK : F_WRLCK;
  std::thread worker;
  try {
    worker = std::thread([call] { call->run(); });
  } catch (const std::system_error&) {
    call->run();  // no thread to be had: the call hangs rarely, refusing to lock would fail always
  }
  std::unique_lock lock(call->mutex);
  const bool answered = call->done.wait_for(lock, lock_call_limit, [&] { return call->answer.has_value(); });
  if (!answered) {
    // Should it succeed one day, the lock goes away with the thread's descriptor.
    worker.detach();
    return LockAnswer::unsupported;
  }
  lock.unlock();
  if (worker.joinable()) worker.join();
  fd = std::move(call->fd);
  return *call->answer;
}

/// The lock file, made when missing. For readers a file that can only be read will do.
FileDescriptor open_lock_file(const std::string& path, FileLock::Mode mode) {
  constexpr int flags = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  FileDescriptor fd(retry_interrupted([&] { return ::open(path.c_str(), O_RDWR | flags); }));
  if (!fd && errno == ENOENT) {
    fd = FileDescriptor(system_call("os.create", [&] { return ::open(path.c_str(), O_RDWR | O_CREAT | flags, 0666); }));
  }
  if (!fd && mode == FileLock::Mode::shared && (errno == EACCES || errno == EROFS || errno == EPERM)) {
    const int error_number = errno;
    fd = FileDescriptor(retry_interrupted([&] { return ::open(path.c_str(), O_RDONLY | flags); }));
    if (!fd) errno = error_number;
  }
  if (!fd) throw_errno("cannot open a lock file", path, errno);
  return fd;
}

/// False when somebody has deleted or replaced the file: a lock on it would exclude nobody.
bool is_still_at(const FileDescriptor& fd, const std::string& path) {
  struct stat open_status{}, path_status{};
  return ::fstat(fd.get(), &open_status) == 0 && ::lstat(path.c_str(), &path_status) == 0 &&
         open_status.st_dev == path_status.st_dev && open_status.st_ino == path_status.st_ino;
}

/// Locks the folder that holds the lock file; false when taken. Where folders cannot be locked
/// (NFS) the lock file alone has to do.
bool lock_folder(const std::string& path, FileLock::Mode mode, FileDescriptor& folder) {
  const std::size_t slash = path.rfind('/');
  const std::string name = slash == std::string::npos ? "." : path.substr(0, std::max<std::size_t>(slash, 1));
  folder = FileDescriptor(retry_interrupted([&] { return ::open(name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
  if (!folder) return true;
  const int how = (mode == FileLock::Mode::shared ? LOCK_SH : LOCK_EX) | LOCK_NB;
  if (retry_interrupted([&] { return ::flock(folder.get(), how); }) == 0) return true;
  if (errno != EWOULDBLOCK) return true;
  folder.reset();
  return false;
}

/// Best effort: a full disk must not keep anybody from locking.
void write_holder(int fd, const std::string& command) {
  const std::string lines = holder_lines(command);
  if (::pwrite(fd, lines.data(), lines.size(), 0) == static_cast<ssize_t>(lines.size())) {
    [[maybe_unused]] const int outcome = ::ftruncate(fd, static_cast<off_t>(lines.size()));
  }
}

std::string fallback_directory(const std::string& path) { return path + ".d"; }

/// Where lock calls work only now and then, one process may own the file and another the folder, so
/// each looks for the other kind. An owner of the file is known by its lines, on this host for sure.
bool file_has_live_owner(const std::string& path) {
  const std::string lines = read_file_if_exists(path, 64 * 1024).value_or("");
  const LockHolder holder = parse_holder(lines);
  return holder.pid > 0 && holder.host == host_name() && holder_may_live(lines);
}

LockHolder read_holder(const std::string& path) {
  const LockHolder fallback = DirectoryLock::holder(fallback_directory(path));
  if (fallback.pid > 0) return fallback;
  try {
    const std::string lines = read_file_if_exists(path, 64 * 1024).value_or("");
    // An owner that died leaves its lines; whoever holds the lock now is somebody else.
    return holder_may_live(lines) ? parse_holder(lines) : LockHolder();
  } catch (const Error&) {
    return {};
  }
}

Error locked_error(const std::string& path) {
  Error error("another process is working here", ErrorKind::locked);
  error.at(path).because("the lock is held by " + read_holder(path).text());
  error.hint("wait for it to end, then run the command again");
  return error;
}

}  // namespace

std::string LockHolder::text() const {
  std::string out = pid > 0 ? "process " + std::to_string(pid) : "another process";
  if (!host.empty()) out += " on " + host;
  if (!command.empty()) out += " (" + command + ")";
  return out;
}

struct FileLock::State {
  FileDescriptor fd;
  FileDescriptor folder;
  std::unique_ptr<DirectoryLock> fallback;
  bool owns_text = false;

  State() = default;
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() {
    // Nobody shall be told of an owner that is gone.
    if (owns_text && fd) {
      [[maybe_unused]] const int outcome = ::ftruncate(fd.get(), 0);
    }
  }
};

std::unique_ptr<FileLock::State> FileLock::try_once(const std::string& path, Mode mode, const Options& options) {
  auto state = std::make_unique<State>();
  if (options.guard_directory && !lock_folder(path, mode, state->folder)) return nullptr;
  // Deleting lock files by hand can make a round useless, but not for ever.
  for (int round = 0; round < 1000; ++round) {
    FileDescriptor fd = open_lock_file(path, mode);
    const LockAnswer answer = lock_with_limit(fd, mode);
    if (answer == LockAnswer::taken) return nullptr;
    if (answer == LockAnswer::unsupported) {
      if (file_has_live_owner(path)) return nullptr;
      state->fallback = DirectoryLock::try_acquire(fallback_directory(path), options.command);
      return state->fallback ? std::move(state) : nullptr;
    }
    if (!is_still_at(fd, path)) continue;
    if (DirectoryLock::is_held(fallback_directory(path))) return nullptr;
    if (mode == Mode::exclusive) {
      write_holder(fd.get(), options.command);
      state->owns_text = true;
    }
    state->fd = std::move(fd);
    return state;
  }
  return nullptr;
}

FileLock FileLock::acquire(const std::string& path, Mode mode, const Options& options) {
  const Clock::time_point start = Clock::now();
  // "For ever" as a number must not overflow.
  const Clock::time_point end = start + std::min<Clock::duration>(options.timeout, std::chrono::hours(24 * 365));
  Clock::time_point next_report = start;
  std::chrono::milliseconds pause{1};
  for (;;) {
    if (std::unique_ptr<State> state = try_once(path, mode, options)) return FileLock(std::move(state));
    const Clock::time_point time = Clock::now();
    if (time >= end) throw locked_error(path);
    if (options.stop.stop_requested()) {
      throw Error("interrupted while waiting for a lock", ErrorKind::interrupted).at(path);
    }
    if (time >= next_report) {
      if (options.on_wait) options.on_wait(read_holder(path));
      next_report = time + wait_report_interval;
    }
    std::this_thread::sleep_for(std::min(pause, std::chrono::ceil<std::chrono::milliseconds>(end - time)));
    pause = std::min(pause * 2, longest_poll);
  }
}

std::optional<FileLock> FileLock::try_acquire(const std::string& path, Mode mode, const std::string& command,
                                              bool guard_directory) {
  Options options;
  options.command = command;
  options.guard_directory = guard_directory;
  std::unique_ptr<State> state = try_once(path, mode, options);
  if (!state) return std::nullopt;
  return FileLock(std::move(state));
}

FileLock::FileLock(std::unique_ptr<State> state) : state_(std::move(state)) {}
FileLock::FileLock(FileLock&&) noexcept = default;
FileLock& FileLock::operator=(FileLock&&) noexcept = default;
FileLock::~FileLock() = default;

}  // namespace envtool
