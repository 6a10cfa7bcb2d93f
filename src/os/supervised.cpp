#include "supervised.hpp"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>

#include "system_call.hpp"

namespace envtool {
namespace {

// Between fork and exec of a process with threads only async-signal-safe functions are allowed.

[[noreturn]] void report_and_exit(int report, int error_number) {
  [[maybe_unused]] const ssize_t written = ::write(report, &error_number, sizeof error_number);
  ::_exit(127);
}

[[noreturn]] void become_program(const SupervisedStart& start, pid_t supervisor, int report) {
  // The flag is for the end of the parent; it may have ended before.
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) report_and_exit(report, errno);
  if (::getppid() != supervisor) ::_exit(127);
  if (start.working_directory != nullptr && ::chdir(start.working_directory) != 0) report_and_exit(report, errno);
  if (::dup2(start.input, 0) < 0 || ::dup2(start.output, 1) < 0 || ::dup2(start.errors, 2) < 0) report_and_exit(report, errno);
  for (const int signal : start.signals_to_reset) ::signal(signal, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(start.program, start.arguments, start.variables);
  if (errno == ENOEXEC) ::execve("/bin/sh", start.shell_arguments, start.variables);
  report_and_exit(report, errno);
}

[[noreturn]] void supervise(const SupervisedStart& start, pid_t parent, int report) {
  // Every signal is blocked here: those to the group are for the program, and even ignored ones can be waited for.
  if (::setpgid(0, 0) != 0 || ::prctl(PR_SET_PDEATHSIG, SIGHUP, 0, 0, 0) != 0) report_and_exit(report, errno);
  if (::getppid() != parent) ::_exit(127);
  const pid_t self = ::getpid();
  const pid_t program = ::fork();
  if (program < 0) report_and_exit(report, errno);
  if (program == 0) become_program(start, self, report);
  // Pipes and the environment's lock are the parent's and the program's alone.
  for (const int stream : {0, 1, 2}) ::dup2(start.input, stream);
  ::syscall(SYS_close_range, 3U, ~0U, 0U);
  sigset_t awaited;
  sigemptyset(&awaited);
  sigaddset(&awaited, SIGCHLD);
  sigaddset(&awaited, SIGHUP);
  for (;;) {
    int status = 0;
    if (::waitpid(program, &status, WNOHANG) == program) ::_exit(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
    if (::getppid() != parent) ::kill(0, SIGKILL);
    ::sigwaitinfo(&awaited, nullptr);
  }
}

}  // namespace

pid_t start_supervised(const SupervisedStart& start, int& error_number) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) {
    error_number = errno;
    return -1;
  }
  const FileDescriptor read_end(ends[0]);
  FileDescriptor write_end(ends[1]);
  // The standard streams are overwritten.
  if (write_end.get() <= 2) write_end = FileDescriptor(::fcntl(write_end.get(), F_DUPFD_CLOEXEC, 3));
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t parent = ::getpid();
  const pid_t pid = ::fork();
  if (pid == 0) supervise(start, parent, write_end.get());
  error_number = errno;
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (pid < 0) return -1;
  // By either side, so that it holds for both from now on; fails when the supervisor was first and is gone.
  ::setpgid(pid, pid);
  write_end.reset();
  int failure = 0;
  if (retry_interrupted([&] { return ::read(read_end.get(), &failure, sizeof failure); }) != sizeof failure) return pid;
  retry_interrupted([&] { return ::waitpid(pid, nullptr, 0); });
  error_number = failure;
  return -1;
}

}  // namespace envtool
