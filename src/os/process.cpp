#include "envtool/os/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <csignal>

#include "envtool/base/text.hpp"
#include "supervised.hpp"
#include "system_call.hpp"

namespace envtool {
namespace {

using Clock = std::chrono::steady_clock;
/// Between SIGTERM and SIGKILL.
constexpr std::chrono::milliseconds grace{1000};

/// Signals whose "ignore" the user's shell or nohup chose for this job; programs inherit that.
bool is_users_choice(int signal) {
  return signal == SIGHUP || signal == SIGINT || signal == SIGQUIT || signal == SIGTSTP || signal == SIGTTIN ||
         signal == SIGTTOU;
}

/// The signals that a new program shall find with their default action: all that we may have set.
std::vector<int> signals_to_reset() {
  std::vector<int> signals;
  for (int signal = 1; signal < NSIG; ++signal) {
    if (signal == SIGKILL || signal == SIGSTOP || signal == 32 || signal == 33) continue;  // 32, 33: glibc's own
    struct sigaction action{};
    if (::sigaction(signal, nullptr, &action) != 0) continue;
    if (action.sa_handler == SIG_IGN && is_users_choice(signal)) continue;
    if (action.sa_handler != SIG_DFL) signals.push_back(signal);
  }
  return signals;
}

/// `char*` arrays for exec.
class StringArray {
 public:
  explicit StringArray(std::vector<std::string> strings) : strings_(std::move(strings)) {
    for (std::string& text : strings_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  StringArray(const StringArray&) = delete;
  StringArray& operator=(const StringArray&) = delete;
  char** get() { return pointers_.data(); }

 private:
  std::vector<std::string> strings_;
  std::vector<char*> pointers_;
};

std::vector<std::string> current_environment() {
  std::vector<std::string> strings;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) strings.emplace_back(*entry);
  return strings;
}

std::string program_path(const std::vector<std::string>& arguments, const EnvSnapshot& environment) {
  if (arguments.empty()) throw Error("no program to run was given", ErrorKind::usage);
  std::optional<std::string> path = find_program(arguments[0], environment);
  if (!path) {
    throw Error("cannot find the program `" + arguments[0] + "`", ErrorKind::child_failed)
        .because(arguments[0].find('/') == std::string::npos ? "no folder of PATH has it"
                                                              : "it does not exist or is not executable");
  }
  return *path;
}

/// A script without `#!` is for the shell, as execvp has it.
std::vector<std::string> through_shell(const std::string& program, const std::vector<std::string>& arguments) {
  std::vector<std::string> shell = {"/bin/sh", program};
  shell.insert(shell.end(), arguments.begin() + 1, arguments.end());
  return shell;
}

/// Never 0, 1 or 2, so that giving the child its standard streams cannot overwrite one of them.
FileDescriptor above_standard_streams(int fd) {
  if (fd > 2) return FileDescriptor(fd);
  const FileDescriptor low(fd);
  return FileDescriptor(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

struct Pipe {
  FileDescriptor read_end, write_end;
  Pipe() {
    int fds[2];
    if (::pipe2(fds, O_CLOEXEC) != 0) throw system_error("cannot create a pipe", errno);
    read_end = above_standard_streams(fds[0]);
    write_end = above_standard_streams(fds[1]);
  }
};

void set_non_blocking(int fd) { ::fcntl(fd, F_SETFL, ::fcntl(fd, F_GETFL) | O_NONBLOCK); }

/// Writing to a child that has closed its input must give EPIPE, not kill us.
class BlockSigpipe {
 public:
  BlockSigpipe() {
    sigset_t pipe_set;
    sigemptyset(&pipe_set);
    sigaddset(&pipe_set, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &pipe_set, &before_);
  }
  BlockSigpipe(const BlockSigpipe&) = delete;
  BlockSigpipe& operator=(const BlockSigpipe&) = delete;
  ~BlockSigpipe() {
    if (!was_pending_) {
      sigset_t pipe_set;
      sigemptyset(&pipe_set);
      sigaddset(&pipe_set, SIGPIPE);
      const timespec at_once{};
      while (::sigtimedwait(&pipe_set, nullptr, &at_once) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }

 private:
  sigset_t before_{};
  bool was_pending_ = false;
};

/// posix_spawn's two argument objects.
struct SpawnSetup {
  posix_spawn_file_actions_t actions{};
  posix_spawnattr_t attributes{};
  SpawnSetup() {
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
  }
  SpawnSetup(const SpawnSetup&) = delete;
  SpawnSetup& operator=(const SpawnSetup&) = delete;
  ~SpawnSetup() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
};

/// A running child; killed and reaped when it goes out of scope unfinished.
class Child {
 public:
  Child(const ProcessRequest& request, int input, int output, int errors, bool own_group) : own_group_(own_group) {
    const EnvSnapshot inherited = request.environment == nullptr ? EnvSnapshot::capture() : EnvSnapshot();
    const EnvSnapshot& environment = request.environment == nullptr ? inherited : *request.environment;
    const std::string program = program_path(request.arguments, environment);

    StringArray variables(request.environment == nullptr ? current_environment() : environment.to_strings());
    StringArray arguments(request.arguments), shell(through_shell(program, request.arguments));
    int outcome = 0;
    if (request.ends_with_us) {
      SupervisedStart start;
      start.program = program.c_str();
      start.arguments = arguments.get();
      start.shell_arguments = shell.get();
      start.variables = variables.get();
      if (!request.working_directory.empty()) start.working_directory = request.working_directory.c_str();
      start.input = input;
      start.output = output;
      start.errors = errors;
      start.signals_to_reset = signals_to_reset();
      pid_ = start_supervised(start, outcome);
      if (pid_ > 0) outcome = 0;
    } else {
      outcome = spawn(request, program, arguments.get(), variables.get(), {input, output, errors});
      if (outcome == ENOEXEC) outcome = spawn(request, "/bin/sh", shell.get(), variables.get(), {input, output, errors});
    }
    if (outcome != 0) {
      pid_ = -1;
      throw Error("cannot start the program", ErrorKind::child_failed)
          .at(program)
          .because(system_error("", outcome).why());
    }
    // Tells poll() when the child ends, even while something that it started keeps the pipes open.
    handle_ = FileDescriptor(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  ~Child() {
    if (pid_ <= 0) return;
    signal_all(SIGKILL);
    reap();
  }

  /// Readable when the child has ended; -1 on kernels without it.
  int handle() const { return handle_.get(); }

  /// True when it has ended; it stays a zombie, so that its process group's number stays taken.
  bool ended() const {
    siginfo_t info{};
    const int outcome = ::waitid(P_PID, static_cast<id_t>(pid_), &info, WEXITED | WNOHANG | WNOWAIT);
    return outcome != 0 ? errno != EINTR : info.si_pid == pid_;
  }

  void signal_all(int signal) const { ::kill(own_group_ ? -pid_ : pid_, signal); }

  /// Waits and gives the exit code, or 128 + signal.
  int reap() {
    int status = 0;
    const pid_t got = retry_interrupted([&] { return ::waitpid(pid_, &status, 0); });
    pid_ = -1;
    if (got < 0) throw system_error("cannot wait for a program", errno);
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }

 private:
  int spawn(const ProcessRequest& request, const std::string& program, char** arguments, char** variables, const std::array<int, 3>& streams) {
    SpawnSetup setup;
    if (!request.working_directory.empty()) {
      posix_spawn_file_actions_addchdir_np(&setup.actions, request.working_directory.c_str());
    }
    posix_spawn_file_actions_adddup2(&setup.actions, streams[0], 0);
    posix_spawn_file_actions_adddup2(&setup.actions, streams[1], 1);
    posix_spawn_file_actions_adddup2(&setup.actions, streams[2], 2);
    sigset_t mask, defaults;
    sigemptyset(&mask);
    sigemptyset(&defaults);
    for (const int signal : signals_to_reset()) sigaddset(&defaults, signal);
    posix_spawnattr_setsigmask(&setup.attributes, &mask);
    posix_spawnattr_setsigdefault(&setup.attributes, &defaults);
    int flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    if (own_group_) flags |= POSIX_SPAWN_SETPGROUP;
    posix_spawnattr_setflags(&setup.attributes, static_cast<short>(flags));
    return posix_spawn(&pid_, program.c_str(), &setup.actions, &setup.attributes, arguments, variables);
  }

  pid_t pid_ = -1;
  bool own_group_;
  FileDescriptor handle_;
};

/// Moves bytes between us and the child until it has ended.
class Conversation {
 public:
  Conversation(const ProcessRequest& request, Child& child, std::array<FileDescriptor, 3> streams, int wake)
      : request_(request), child_(child), streams_(std::move(streams)), wake_(wake), input_(request.input) {
    for (const FileDescriptor& stream : streams_) {
      if (stream) set_non_blocking(stream.get());
    }
    if (request.time_limit > 0) deadline_ = Clock::now() + std::chrono::seconds(request.time_limit);
  }

  void run(ProcessResult& result, const std::stop_token& stop) {
    while (!child_.ended()) {
      check_limits(result, stop);
      wait_for_something();
      write_input();
      read_output(1, result.output);
      read_output(2, result.error_output);
    }
    drain(1, result.output);
    drain(2, result.error_output);
    // After a kill nothing of the group may stay; before the child is reaped the group is still it.
    if (terminated_) child_.signal_all(SIGKILL);
  }

 private:
  void check_limits(ProcessResult& result, const std::stop_token& stop) {
    const Clock::time_point time = Clock::now();
    if (terminated_) {
      if (time >= *deadline_) {
        child_.signal_all(SIGKILL);
        deadline_ = time + grace;
      }
      return;
    }
    const bool late = deadline_ && time >= *deadline_;
    if (!late && !stop.stop_requested()) return;
    result.timed_out = late && !stop.stop_requested();
    terminated_ = true;
    child_.signal_all(SIGTERM);
    deadline_ = time + grace;
  }

  void wait_for_something() {
    std::array<pollfd, 5> watched = {{{streams_[0].get(), POLLOUT, 0},
                                      {streams_[1].get(), POLLIN, 0},
                                      {streams_[2].get(), POLLIN, 0},
                                      {child_.handle(), POLLIN, 0},
                                      {terminated_ ? -1 : wake_, POLLIN, 0}}};
    std::chrono::milliseconds limit{-1};
    if (child_.handle() < 0) limit = std::chrono::milliseconds(50);
    if (deadline_) {
      const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline_ - Clock::now());
      const auto bounded = std::clamp(left, std::chrono::milliseconds(0), std::chrono::milliseconds(60'000));
      limit = limit.count() < 0 ? bounded : std::min(limit, bounded);
    }
    ::poll(watched.data(), watched.size(), static_cast<int>(limit.count()));
  }

  void write_input() {
    if (!streams_[0]) return;
    while (!input_.empty()) {
      const ssize_t written = retry_interrupted([&] { return ::write(streams_[0].get(), input_.data(), input_.size()); });
      if (written < 0 && errno == EAGAIN) return;
      if (written < 0) break;  // it does not want more: not our failure
      input_.remove_prefix(static_cast<std::size_t>(written));
    }
    streams_[0].reset();
  }

  void read_output(std::size_t stream, std::string& collected) {
    // Bounded, since a child that never stops writing must not keep us from looking at the clock.
    for (int round = 0; round < 16 && streams_[stream]; ++round) {
      if (read_piece(stream, buffer_.size(), collected) <= 0) return;
    }
  }

  /// What the child wrote last. A process that it left in the background is not waited for.
  void drain(std::size_t stream, std::string& collected) {
    int left = 0;
    if (!streams_[stream] || ::ioctl(streams_[stream].get(), FIONREAD, &left) != 0) return;
    while (left > 0 && streams_[stream]) {
      const ssize_t got = read_piece(stream, std::min(buffer_.size(), static_cast<std::size_t>(left)), collected);
      if (got <= 0) return;
      left -= static_cast<int>(got);
    }
  }

  ssize_t read_piece(std::size_t stream, std::size_t size, std::string& collected) {
    const ssize_t got = retry_interrupted([&] { return ::read(streams_[stream].get(), buffer_.data(), size); });
    if (got > 0) {
      const std::string_view piece(buffer_.data(), static_cast<std::size_t>(got));
      if (request_.on_output) {
        request_.on_output(piece);
      } else {
        collected += piece;
      }
    } else if (got == 0 || errno != EAGAIN) {
      streams_[stream].reset();
    }
    return got;
  }

  const ProcessRequest& request_;
  Child& child_;
  std::array<FileDescriptor, 3> streams_;
  int wake_;
  std::string_view input_;
  std::optional<Clock::time_point> deadline_;
  bool terminated_ = false;
  std::vector<char> buffer_ = std::vector<char>(64 * 1024);
};

bool is_program(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISREG(status.st_mode) &&
         ::faccessat(AT_FDCWD, path.c_str(), X_OK, AT_EACCESS) == 0;
}

}  // namespace

ProcessResult run_process(const ProcessRequest& request, std::stop_token stop) {
  const BlockSigpipe no_sigpipe;
  // A parent that ignored SIGCHLD passed that on to us; the exit code would be lost.
  struct sigaction child_action{};
  if (::sigaction(SIGCHLD, nullptr, &child_action) == 0 && child_action.sa_handler == SIG_IGN) {
    ::signal(SIGCHLD, SIG_DFL);
  }
  if (!request.working_directory.empty() && !is_directory(request.working_directory)) {
    throw Error("cannot start a program in a folder that does not exist", ErrorKind::child_failed)
        .at(request.working_directory);
  }
  Pipe output, errors;
  std::optional<Pipe> input;
  FileDescriptor child_input;
  if (request.input.empty()) {
    child_input = above_standard_streams(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!child_input) throw system_error("cannot open `/dev/null`", errno);
  } else {
    input.emplace();
    child_input = std::move(input->read_end);
  }
  const bool own_group = request.ends_with_us || request.time_limit > 0 || stop.stop_possible();
  Child child(request, child_input.get(), output.write_end.get(), errors.write_end.get(), own_group);
  child_input.reset();
  output.write_end.reset();
  errors.write_end.reset();

  const FileDescriptor wake(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
  const std::stop_callback on_stop(stop, [&wake] {
    const std::uint64_t one = 1;
    // Without the eventfd or with a full one, nothing is lost: it is readable or polled again.
    [[maybe_unused]] const ssize_t written = ::write(wake.get(), &one, sizeof one);
  });
  ProcessResult result;
  Conversation conversation(
      request, child,
      {input ? std::move(input->write_end) : FileDescriptor(), std::move(output.read_end), std::move(errors.read_end)},
      wake.get());
  conversation.run(result, stop);
  result.exit_code = child.reap();
  return result;
}

void exec_process(const std::vector<std::string>& arguments, const EnvSnapshot& environment,
                  const std::string& working_directory) {
  const std::string program = program_path(arguments, environment);
  StringArray argument_array(arguments);
  StringArray shell_array(through_shell(program, arguments));
  StringArray variables(environment.to_strings());
  if (!working_directory.empty() && ::chdir(working_directory.c_str()) != 0) {
    throw_errno("cannot change to a folder", working_directory, errno);
  }
  for (const int signal : signals_to_reset()) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(program.c_str(), argument_array.get(), variables.get());
  int error_number = errno;
  if (error_number == ENOEXEC) {
    ::execve("/bin/sh", shell_array.get(), variables.get());
    error_number = errno;
  }
  throw Error("cannot start the program", ErrorKind::child_failed)
      .at(program)
      .because(system_error("", error_number).why());
}

std::optional<std::string> find_program(std::string_view name, const EnvSnapshot& environment) {
  if (name.empty()) return std::nullopt;
  if (name.find('/') != std::string_view::npos) {
    std::string path(name);
    // Not normalised: `..` behind a symlink must mean what it means to the kernel.
    if (!name.starts_with('/')) path = environment.working_directory + "/" + path;
    if (is_program(path)) return path;
    return std::nullopt;
  }
  const std::string search = environment.get("PATH").value_or("/usr/local/bin:/usr/bin:/bin");
  for (const std::string_view folder : split(search, ':')) {
    std::string path(folder.starts_with('/') ? "" : environment.working_directory + "/");
    path += folder;
    path += '/';
    path += name;
    if (is_program(path)) return path;
  }
  return std::nullopt;
}

std::string self_path() {
  std::string path(PATH_MAX, '\0');
  const ssize_t length = ::readlink("/proc/self/exe", path.data(), path.size());
  if (length < 0) throw_errno("cannot find the path of this program", "/proc/self/exe", errno);
  path.resize(static_cast<std::size_t>(length));
  return path;
}

std::string host_name() {
  std::array<char, HOST_NAME_MAX + 1> name{};
  return ::gethostname(name.data(), name.size() - 1) == 0 ? std::string(name.data()) : std::string();
}

std::string boot_id() {
  try {
    return std::string(strip(read_file_if_exists("/proc/sys/kernel/random/boot_id", 4096).value_or("")));
  } catch (const Error&) {
    return {};
  }
}

}  // namespace envtool
