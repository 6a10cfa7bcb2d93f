#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstdint>
#include <csignal>
#include <functional>
#include <stdexcept>
#include <thread>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"
#include "envtool/os/process.hpp"

using namespace envtool;
using namespace std::chrono_literals;

namespace {

TemporaryDirectory scratch() { return TemporaryDirectory("/tmp", "envtool-test-"); }

ProcessRequest shell(const std::string& script) {
  ProcessRequest request;
  request.arguments = {"/bin/sh", "-c", script};
  return request;
}

bool has_children() { return ::waitpid(-1, nullptr, WNOHANG) != -1 || errno != ECHILD; }

/// True when the process ends (or is a zombie of somebody else) within a second.
bool goes_away(long pid) {
  for (int i = 0; i < 100; ++i) {
    const std::string status = read_file_if_exists("/proc/" + std::to_string(pid) + "/stat").value_or("");
    if (status.empty() || status.find(") Z") != std::string::npos) return true;
    std::this_thread::sleep_for(10ms);
  }
  return false;
}

long first_number(const std::string& text) {
  const auto lines = split_lines(text);
  const auto number = lines.empty() ? std::nullopt : parse_unsigned(strip(lines[0]));
  REQUIRE(number);
  return static_cast<long>(*number);
}

/// Seconds that an action takes.
double seconds(const std::function<void()>& action) {
  const auto start = std::chrono::steady_clock::now();
  action();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Replaces a forked child and gives its exit code and output.
ProcessResult exec_in_child(const std::vector<std::string>& arguments, const EnvSnapshot& environment,
                            const std::string& working_directory = {}) {
  int fds[2];
  REQUIRE(::pipe(fds) == 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::dup2(fds[1], 1);
    ::close(fds[0]);
    ::close(fds[1]);
    try {
      exec_process(arguments, environment, working_directory);
    } catch (const Error&) {
      ::_exit(127);
    }
  }
  ::close(fds[1]);
  ProcessResult result;
  char buffer[4096];
  for (ssize_t got = 0; (got = ::read(fds[0], buffer, sizeof buffer)) > 0;) {
    result.output.append(buffer, static_cast<std::size_t>(got));
  }
  ::close(fds[0]);
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  result.exit_code = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  return result;
}

}  // namespace

TEST_CASE("output, errors and exit code of a program") {
  const ProcessResult result = run_process(shell("echo out; echo err >&2; exit 7"));
  CHECK(result.exit_code == 7);
  CHECK(result.output == "out\n");
  CHECK(result.error_output == "err\n");
  CHECK_FALSE(result.timed_out);
  CHECK(run_process(shell("kill -SEGV $$")).exit_code == 128 + SIGSEGV);
  CHECK(run_process(shell("true")).exit_code == 0);
  CHECK_FALSE(has_children());
}

TEST_CASE("arguments reach the program as they are") {
  ProcessRequest request;
  request.arguments = {"printf", "[%s]", "a b", "", "$HOME", "*", "\"'\\", "\n"};
  CHECK(run_process(request).output == "[a b][][$HOME][*][\"'\\][\n]");
}

TEST_CASE("environment and working directory are the given ones") {
  const EnvSnapshot environment({{"PATH", "/usr/bin:/bin"}, {"A", "b c"}, {"EMPTY", ""}});
  ProcessRequest request;
  request.arguments = {"env"};
  request.environment = &environment;
  CHECK(run_process(request).output == "A=b c\nEMPTY=\nPATH=/usr/bin:/bin\n");
  request.arguments = {"/bin/pwd"};
  request.working_directory = "/usr";
  CHECK(run_process(request).output == "/usr\n");
  request.working_directory = "/none";
  CHECK_THROWS_AS(run_process(request), Error);
}

TEST_CASE("input larger than a pipe, both ways at once") {
  ProcessRequest request;
  request.arguments = {"cat"};
  for (int i = 0; i < 300000; ++i) request.input += std::to_string(i) + "\n";
  CHECK(run_process(request).output == request.input);
  request.arguments = {"true"};
  CHECK(run_process(request).exit_code == 0);  // does not read: no SIGPIPE for us
  request.arguments = {"cat"};
  request.input.clear();
  CHECK(run_process(request).output.empty());  // /dev/null, not our own input
}

TEST_CASE("a pending or ignored SIGPIPE of ours stays what it was") {
  struct sigaction before{};
  ::sigaction(SIGPIPE, nullptr, &before);
  ProcessRequest request;
  request.arguments = {"true"};
  request.input = std::string(1000000, 'x');
  run_process(request);
  sigset_t pending, blocked;
  ::sigpending(&pending);
  ::pthread_sigmask(SIG_SETMASK, nullptr, &blocked);
  CHECK(sigismember(&pending, SIGPIPE) == 0);
  CHECK(sigismember(&blocked, SIGPIPE) == 0);
  struct sigaction after{};
  ::sigaction(SIGPIPE, nullptr, &after);
  CHECK(after.sa_handler == before.sa_handler);
}

TEST_CASE("output comes piece by piece when asked for") {
  std::string seen;
  double first = -1;
  const auto start = std::chrono::steady_clock::now();
  ProcessRequest request = shell("echo one; echo two >&2; sleep 0.5; echo three");
  request.on_output = [&](std::string_view piece) {
    if (first < 0) first = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    seen += piece;
  };
  const ProcessResult result = run_process(request);
  CHECK(result.output.empty());
  CHECK(result.error_output.empty());
  CHECK(seen.size() == 14);
  CHECK(seen.substr(8) == "three\n");
  CHECK(first < 0.4);
}

TEST_CASE("an exception of the output callback ends the child") {
  long pid = 0;
  ProcessRequest request = shell("echo $$; exec sleep 100");
  request.on_output = [&](std::string_view piece) {
    pid = first_number(std::string(piece));
    throw std::runtime_error("enough");
  };
  CHECK_THROWS_AS(run_process(request), std::runtime_error);
  CHECK_FALSE(has_children());
  CHECK(goes_away(pid));
}

TEST_CASE("a time limit ends the whole process group") {
  ProcessRequest request = shell("sleep 100 & echo $!; wait");
  request.time_limit = 1;
  ProcessResult result;
  CHECK(seconds([&] { result = run_process(request); }) < 3);
  CHECK(result.timed_out);
  CHECK(result.exit_code == 128 + SIGTERM);
  CHECK(goes_away(first_number(result.output)));
  CHECK_FALSE(has_children());
}

TEST_CASE("a group that ignores SIGTERM is killed, its background processes too") {
  ProcessRequest request = shell("trap '' TERM; sleep 100 & echo $!; while :; do sleep 1; done");
  request.time_limit = 1;
  ProcessResult result;
  CHECK(seconds([&] { result = run_process(request); }) < 4);
  CHECK(result.exit_code == 128 + SIGKILL);
  CHECK(goes_away(first_number(result.output)));
  CHECK_FALSE(has_children());
}

TEST_CASE("a child that writes without end obeys the time limit") {
  ProcessRequest request = shell("while :; do echo 0123456789012345678901234567890123456789; done");
  std::size_t bytes = 0;
  request.on_output = [&](std::string_view piece) { bytes += piece.size(); };
  request.time_limit = 1;
  CHECK(seconds([&] { CHECK(run_process(request).timed_out); }) < 4);
  CHECK(bytes > 0);
}

TEST_CASE("a stop request ends the program") {
  std::stop_source source;
  std::thread stopper([&] {
    std::this_thread::sleep_for(200ms);
    source.request_stop();
  });
  ProcessResult result;
  CHECK(seconds([&] { result = run_process(shell("sleep 100 & echo $!; wait"), source.get_token()); }) < 2);
  stopper.join();
  CHECK_FALSE(result.timed_out);
  CHECK(result.exit_code == 128 + SIGTERM);
  CHECK(goes_away(first_number(result.output)));
  CHECK_FALSE(has_children());
  // Requested before the start.
  CHECK(seconds([&] { result = run_process(shell("exec sleep 100"), source.get_token()); }) < 2);
  CHECK(result.exit_code == 128 + SIGTERM);
}

TEST_CASE("a program has its own process group only when it may be killed") {
  const std::string group = "ps -o pgid= -p $$";
  const long ours = ::getpgrp();
  CHECK(first_number(run_process(shell(group)).output) == ours);
  ProcessRequest limited = shell(group);
  limited.time_limit = 20;
  CHECK(first_number(run_process(limited).output) != ours);
  std::stop_source source;
  CHECK(first_number(run_process(shell(group), source.get_token()).output) != ours);
}

TEST_CASE("a process left in the background is not waited for") {
  ProcessResult result;
  CHECK(seconds([&] { result = run_process(shell("sleep 5 & echo $!")); }) < 2);
  ::kill(static_cast<pid_t>(first_number(result.output)), SIGKILL);
  CHECK(result.exit_code == 0);
}

TEST_CASE("programs start with default signals and nothing blocked") {
  sigset_t blocked, before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR1);
  ::pthread_sigmask(SIG_BLOCK, &blocked, &before);
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGUSR2, SIG_IGN);
  ::signal(SIGHUP, SIG_IGN);  // as nohup does
  const std::vector<std::string> arguments = {"grep", "-E", "Sig(Blk|Ign)", "/proc/self/status"};
  ProcessRequest request;
  request.arguments = arguments;
  const ProcessResult run = run_process(request);
  const ProcessResult executed = exec_in_child(arguments, EnvSnapshot::capture());
  ::signal(SIGPIPE, SIG_DFL);
  ::signal(SIGUSR2, SIG_DFL);
  ::signal(SIGHUP, SIG_DFL);
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  for (const std::string& output : {run.output, executed.output}) {
    CAPTURE(output);
    const auto lines = split_lines(output);
    REQUIRE(lines.size() == 2);
    CHECK(lines[0] == "SigBlk:\t0000000000000000");
    REQUIRE(lines[1].substr(0, 8) == "SigIgn:\t");
    // Signals 32 and 33 are the C library's own; its posix_spawn ignores them in the child.
    const std::uint64_t ignored = std::stoull(std::string(lines[1].substr(8)), nullptr, 16) & ~std::uint64_t{0x180000000};
    CHECK(ignored == 1);
  }
}

TEST_CASE("an ignored SIGCHLD does not lose the exit code") {
  ::signal(SIGCHLD, SIG_IGN);
  const ProcessResult result = run_process(shell("exit 3"));
  ::signal(SIGCHLD, SIG_DFL);
  CHECK(result.exit_code == 3);
}

TEST_CASE("programs that cannot be started") {
  const auto folder = scratch();
  write_new_file(folder.path() + "/not_executable", "#!/bin/sh\n", 0644);
  write_new_file(folder.path() + "/bad_interpreter", "#!/none/sh\n", 0755);
  write_new_file(folder.path() + "/bad_format", std::string("\x7f" "ELFnot really", 15), 0755);
  ProcessRequest request;
  CHECK_THROWS_AS(run_process(request), Error);
  for (const std::string& program : {std::string(), std::string("envtool-none"), std::string("/none"), folder.path(),
                                    folder.path() + "/not_executable", folder.path() + "/bad_interpreter"}) {
    CAPTURE(program);
    request.arguments = {program};
    CHECK_THROWS_AS(run_process(request), Error);
    CHECK(exec_in_child({program}, EnvSnapshot::capture()).exit_code == 127);
  }
  CHECK_FALSE(has_children());
  write_new_file(folder.path() + "/no_shebang", "echo shell $1", 0755);
  request.arguments = {folder.path() + "/no_shebang", "x"};
  CHECK(run_process(request).output == "shell x\n");
  CHECK(exec_in_child(request.arguments, EnvSnapshot::capture()).output == "shell x\n");
}

TEST_CASE("exec replaces the process with the program") {
  const EnvSnapshot environment({{"PATH", "/usr/bin:/bin"}, {"A", "b"}});
  const ProcessResult result = exec_in_child({"sh", "-c", "echo $A $PPID $0 \"$1\"; pwd; exit 9", "zero", "o n e"}, environment, "/usr");
  CHECK(result.exit_code == 9);
  CHECK(result.output == "b " + std::to_string(::getpid()) + " zero o n e\n/usr\n");
  CHECK(exec_in_child({"sh", "-c", "kill -TERM $$"}, environment).exit_code == 128 + SIGTERM);
  CHECK(exec_in_child({"true"}, environment, "/none").exit_code == 127);
}

TEST_CASE("finding programs") {
  const auto folder = scratch();
  make_directories(folder.path() + "/one");
  make_directories(folder.path() + "/two/program");  // a folder is no program
  make_directories(folder.path() + "/three");
  write_new_file(folder.path() + "/one/program", "", 0644);
  write_new_file(folder.path() + "/three/program", "", 0755);
  EnvSnapshot environment({{"PATH", folder.path() + "/one:" + folder.path() + "/two:" + folder.path() + "/three"}});
  environment.working_directory = folder.path() + "/three";
  CHECK(find_program("program", environment) == folder.path() + "/three/program");
  CHECK(find_program("./program", environment) == folder.path() + "/three/./program");
  CHECK_FALSE(find_program("../one/program", environment));
  CHECK_FALSE(find_program("other", environment));
  CHECK_FALSE(find_program("", environment));
  CHECK(find_program("program", environment.with("PATH", "/none::/x")).value_or("").find("/three/") != std::string::npos);
  CHECK(find_program("sh", EnvSnapshot()).has_value());
}

TEST_CASE("what the machine says about itself") {
  CHECK(self_path().find("test_os") != std::string::npos);
  CHECK_FALSE(host_name().empty());
  CHECK(boot_id().size() == 36);
}
