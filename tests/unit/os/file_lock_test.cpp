#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <functional>
#include <thread>

#include "envtool/base/error.hpp"
#include "envtool/os/file_lock.hpp"
#include "envtool/os/process.hpp"
#include "fault_child.hpp"

using namespace envtool;
using namespace std::chrono_literals;
using Mode = FileLock::Mode;

namespace {

TemporaryDirectory scratch() { return TemporaryDirectory("/tmp", "envtool-test-"); }

/// A forked process that does something; killed at the latest when it goes out of scope.
class Forked {
 public:
  explicit Forked(const std::function<int()>& action) : pid_(::fork()) {
    if (pid_ == 0) {
      int code = 99;
      try {
        code = action();
      } catch (...) {
      }
      ::_exit(code);
    }
  }
  Forked(const Forked&) = delete;
  Forked& operator=(const Forked&) = delete;
  ~Forked() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  int wait() {
    int status = 0;
    ::waitpid(pid_, &status, 0);
    pid_ = -1;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

/// Waits for another process to have done something that shows on disk.
bool appears(const std::string& path) {
  for (int i = 0; i < 500 && !exists(path); ++i) std::this_thread::sleep_for(10ms);
  return exists(path);
}

/// A process that holds the lock until it is killed or told to go.
int hold(const std::string& path, Mode mode, const std::string& folder, bool guard = false) {
  FileLock::Options options;
  options.command = "holder command";
  options.timeout = 10s;
  options.guard_directory = guard;
  const FileLock lock = FileLock::acquire(path, mode, options);
  write_atomically(folder + "/held", "");
  return appears(folder + "/go") ? 0 : 1;
}

/// Adds one to a number in a file, `rounds` times, under the lock: lost updates show broken locks.
int count_up(const std::string& lock_path, const std::string& counter, int rounds, bool guard = false) {
  for (int i = 0; i < rounds; ++i) {
    FileLock::Options options;
    options.timeout = 60s;
    options.guard_directory = guard;
    const FileLock lock = FileLock::acquire(lock_path, Mode::exclusive, options);
    const int number = std::stoi(read_file(counter));
    std::this_thread::yield();
    write_atomically(counter, std::to_string(number + 1));
  }
  return 0;
}

}  // namespace

TEST_CASE("an exclusive lock excludes, also within one process, until it goes") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/lock";
  {
    const FileLock lock = FileLock::acquire(path, Mode::exclusive, {.command = "me"});
    CHECK_FALSE(FileLock::try_acquire(path, Mode::exclusive, "you"));
    CHECK_FALSE(FileLock::try_acquire(path, Mode::shared, "you"));
    CHECK(read_file(path).find("command me\n") != std::string::npos);
    CHECK(read_file(path).find("pid " + std::to_string(::getpid()) + "\n") != std::string::npos);
  }
  CHECK(exists(path));
  CHECK(read_file(path).empty());
  std::optional<FileLock> first = FileLock::try_acquire(path, Mode::exclusive, "");
  REQUIRE(first);
  FileLock moved = std::move(*first);
  first.reset();
  CHECK_FALSE(FileLock::try_acquire(path, Mode::exclusive, ""));
}

TEST_CASE("shared locks stand beside each other") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/lock";
  std::optional<FileLock> one = FileLock::try_acquire(path, Mode::shared, "");
  std::optional<FileLock> two = FileLock::try_acquire(path, Mode::shared, "");
  CHECK(one);
  CHECK(two);
  CHECK_FALSE(FileLock::try_acquire(path, Mode::exclusive, ""));
  one.reset();
  CHECK_FALSE(FileLock::try_acquire(path, Mode::exclusive, ""));
  two.reset();
  CHECK(FileLock::try_acquire(path, Mode::exclusive, ""));
}

TEST_CASE("opening and closing the lock file elsewhere does not lose the lock") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/lock";
  const FileLock lock = FileLock::acquire(path, Mode::exclusive, {});
  read_file(path);
  Forked other([&] { return FileLock::try_acquire(path, Mode::exclusive, "") ? 1 : 0; });
  CHECK(other.wait() == 0);
}

TEST_CASE("a waiter is told who holds the lock and gives up in time") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/lock";
  const Forked holder([&] { return hold(path, Mode::exclusive, folder.path()); });
  REQUIRE(appears(folder.path() + "/held"));
  int reports = 0;
  FileLock::Options options;
  options.timeout = 300ms;
  options.on_wait = [&](const LockHolder& who) {
    ++reports;
    CHECK(who.pid == holder.pid());
    CHECK(who.host == host_name());
    CHECK(who.command == "holder command");
    CHECK(who.text() == "process " + std::to_string(holder.pid()) + " on " + host_name() + " (holder command)");
  };
  const auto start = std::chrono::steady_clock::now();
  try {
    FileLock::acquire(path, Mode::exclusive, options);
    FAIL("two owners");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::locked);
    CHECK(error.where() == path);
    CHECK(error.why().find("holder command") != std::string::npos);
  }
  const auto waited = std::chrono::steady_clock::now() - start;
  CHECK(waited >= 300ms);
  CHECK(waited < 1500ms);
  CHECK(reports == 1);
}

TEST_CASE("a killed holder frees the lock at once, and its text is no longer believed") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/lock";
  Forked holder([&] { return hold(path, Mode::exclusive, folder.path()); });
  REQUIRE(appears(folder.path() + "/held"));
  std::thread killer([&] {
    std::this_thread::sleep_for(200ms);
    ::kill(holder.pid(), SIGKILL);
  });
  const auto start = std::chrono::steady_clock::now();
  {
    const FileLock lock = FileLock::acquire(path, Mode::exclusive, {.timeout = 10s});
    CHECK(std::chrono::steady_clock::now() - start < 1200ms);
  }
  killer.join();
  CHECK(holder.wait() == 128 + SIGKILL);

  // Lines of a process that ended, while a reader (who writes none) holds the lock.
  write_atomically(path, "pid " + std::to_string(1 << 22) + "\nhost " + host_name() + "\ncommand old\n");
  const std::optional<FileLock> reader = FileLock::try_acquire(path, Mode::shared, "");
  REQUIRE(reader);
  try {
    FileLock::acquire(path, Mode::exclusive, {});
    FAIL("two owners");
  } catch (const Error& error) {
    CHECK(error.why() == "the lock is held by another process");
  }
}

TEST_CASE("hostile text in a lock file is shown harmlessly") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/lock";
  write_atomically(path, "pid 99999999999999999999\nhost \x1b[2J\ncommand https://u:CANARY@h/\n");
  const std::optional<FileLock> reader = FileLock::try_acquire(path, Mode::shared, "");
  REQUIRE(reader);
  try {
    FileLock::acquire(path, Mode::exclusive, {});
    FAIL("two owners");
  } catch (const Error& error) {
    CHECK(std::string(error.what()).find('\x1b') == std::string::npos);
    CHECK(std::string(error.what()).find("CANARY") == std::string::npos);
  }
  const FileLock other = FileLock::acquire(folder.path() + "/own", Mode::exclusive, {.command = "get https://u:CANARY@h/\n"});
  CHECK(read_file(folder.path() + "/own").find("CANARY") == std::string::npos);
}

TEST_CASE("a stop request ends the waiting") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/lock";
  const FileLock lock = FileLock::acquire(path, Mode::exclusive, {});
  std::stop_source source;
  std::thread stopper([&] {
    std::this_thread::sleep_for(100ms);
    source.request_stop();
  });
  FileLock::Options options;
  options.timeout = 60s;
  options.stop = source.get_token();
  try {
    FileLock::acquire(path, Mode::exclusive, options);
    FAIL("two owners");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::interrupted);
  }
  stopper.join();
}

TEST_CASE("many processes take turns") {
  const auto folder = scratch();
  write_new_file(folder.path() + "/counter", "0");
  std::vector<std::unique_ptr<Forked>> processes;
  for (int i = 0; i < 6; ++i) {
    processes.push_back(std::make_unique<Forked>(
        [&] { return count_up(folder.path() + "/lock", folder.path() + "/counter", 25); }));
  }
  for (const auto& process : processes) CHECK(process->wait() == 0);
  CHECK(read_file(folder.path() + "/counter") == "150");
}

TEST_CASE("a lock file that was deleted and made anew is noticed") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/lock";
  {
    const FileLock lock = FileLock::acquire(path, Mode::exclusive, {});
    REQUIRE(::unlink(path.c_str()) == 0);
    // Without the guard nobody can know; with it the folder is locked as well.
    CHECK(FileLock::try_acquire(path, Mode::exclusive, ""));
  }
  const FileLock guarded = *FileLock::try_acquire(path, Mode::exclusive, "", true);
  REQUIRE(::unlink(path.c_str()) == 0);
  CHECK_FALSE(FileLock::try_acquire(path, Mode::exclusive, "", true));
  CHECK_FALSE(FileLock::try_acquire(path, Mode::shared, "", true));
}

TEST_CASE("with the guard there are never two owners although the lock file is deleted all the time") {
  const auto folder = scratch();
  const std::string locks = folder.path() + "/locks";
  make_directories(locks);
  write_new_file(folder.path() + "/counter", "0");
  const Forked deleter([&] {
    for (;; ::usleep(100)) ::unlink((locks + "/lock").c_str());
    return 0;
  });
  std::vector<std::unique_ptr<Forked>> processes;
  for (int i = 0; i < 4; ++i) {
    processes.push_back(
        std::make_unique<Forked>([&] { return count_up(locks + "/lock", folder.path() + "/counter", 25, true); }));
  }
  for (const auto& process : processes) CHECK(process->wait() == 0);
  CHECK(read_file(folder.path() + "/counter") == "100");
}

TEST_CASE("readers do with a lock file that they cannot write") {
  if (::geteuid() != 0) {
    WARN("SKIPPED: needs root to act as two users");
    return;
  }
  const auto folder = scratch();
  REQUIRE(::chmod(folder.path().c_str(), 0755) == 0);
  const std::string path = folder.path() + "/lock";
  write_new_file(path, "", 0644);
  Forked other([&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 2;
    if (!FileLock::try_acquire(path, Mode::shared, "")) return 3;
    try {
      FileLock::try_acquire(path, Mode::exclusive, "");
    } catch (const Error& error) {
      return error.kind() == ErrorKind::permission ? 0 : 4;
    }
    return 5;
  });
  CHECK(other.wait() == 0);
}

TEST_CASE("a lock file that is a symlink or in no folder is refused") {
  const auto folder = scratch();
  REQUIRE(::symlink("target", (folder.path() + "/lock").c_str()) == 0);
  CHECK_THROWS_AS(FileLock::acquire(folder.path() + "/lock", Mode::exclusive, {}), Error);
  CHECK_FALSE(exists(folder.path() + "/target"));
  CHECK_THROWS_AS(FileLock::acquire(folder.path() + "/none/lock", Mode::exclusive, {}), Error);
}

// Children of the fault tests.
TEST_CASE("child: count under a lock", "[.]") {
  CHECK(count_up(fault_folder() + "/lock", fault_folder() + "/counter", 10) == 0);
}
TEST_CASE("child: hold a lock", "[.]") { hold(fault_folder() + "/lock", Mode::exclusive, fault_folder()); }
TEST_CASE("child: hold a lock and be killed", "[.]") {
  const FileLock lock = FileLock::acquire(fault_folder() + "/lock", Mode::exclusive, {.command = "killed holder"});
  ::raise(SIGKILL);
}
TEST_CASE("child: the lock is taken", "[.]") {
  try {
    FileLock::acquire(fault_folder() + "/lock", Mode::exclusive, {});
    FAIL("two owners");
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::locked);
    CHECK(error.why().find("holder command") != std::string::npos);
  }
}

TEST_CASE("where lock calls fail, folders serve as locks") {
  if (!has_failpoints()) return;
  for (const std::string error : {"ENOLCK", "EIO", "EBADF", "EOPNOTSUPP"}) {
    const auto folder = scratch();
    write_new_file(folder.path() + "/counter", "0");
    std::vector<std::thread> threads;
    std::atomic<int> good{0};
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        if (run_fault_child("child: count under a lock", folder.path(), "os.lock:1+:" + error).exit_code == 0) ++good;
      });
    }
    for (std::thread& thread : threads) thread.join();
    CAPTURE(error);
    CHECK(good == 4);
    CHECK(read_file(folder.path() + "/counter") == "40");
    CHECK(list_directory(folder.path()) == std::vector<std::string>{"counter", "lock"});
  }
}

TEST_CASE("a folder lock names its holder and outlives nobody") {
  if (!has_failpoints()) return;
  const auto folder = scratch();
  const std::string fault = "os.lock:1+:ENOLCK";
  std::thread holder([&] { run_fault_child("child: hold a lock", folder.path(), fault); });
  const bool held = appears(folder.path() + "/held");
  CHECK(held);
  if (held) CHECK(run_fault_child("child: the lock is taken", folder.path(), fault).exit_code == 0);
  write_new_file(folder.path() + "/go", "");
  holder.join();
  CHECK_FALSE(exists(folder.path() + "/lock.d"));

  CHECK(run_fault_child("child: hold a lock and be killed", folder.path(), fault).exit_code != 0);
  CHECK(exists(folder.path() + "/lock.d"));
  write_new_file(folder.path() + "/counter", "0");
  CHECK(run_fault_child("child: count under a lock", folder.path(), fault).exit_code == 0);
  CHECK(read_file(folder.path() + "/counter") == "10");
  CHECK_FALSE(exists(folder.path() + "/lock.d"));
}

TEST_CASE("file locks and folder locks exclude each other") {
  if (!has_failpoints()) return;
  const auto folder = scratch();
  const std::string path = folder.path() + "/lock";
  const std::string fault = "os.lock:1+:EIO";
  {
    const FileLock lock = FileLock::acquire(path, Mode::exclusive, {.command = "holder command"});
    CHECK(run_fault_child("child: the lock is taken", folder.path(), fault).exit_code == 0);
  }
  std::thread holder([&] { run_fault_child("child: hold a lock", folder.path(), fault); });
  const bool held = appears(folder.path() + "/held");
  CHECK(held);
  CHECK(exists(path + ".d"));
  CHECK_FALSE(FileLock::try_acquire(path, Mode::exclusive, ""));
  CHECK_FALSE(FileLock::try_acquire(path, Mode::shared, ""));
  write_new_file(folder.path() + "/go", "");
  holder.join();
  CHECK(FileLock::try_acquire(path, Mode::exclusive, ""));
}

TEST_CASE("an abandoned folder lock is taken over only when its heartbeat has stopped") {
  if (!has_failpoints()) return;
  const std::string fault = "os.lock:1+:ENOLCK";
  for (const bool with_holder : {true, false}) {
    const auto folder = scratch();
    const std::string lock = folder.path() + "/lock.d";
    make_directories(lock);
    write_new_file(folder.path() + "/counter", "0");
    const std::string holder = lock + "/holder.1";
    // Another host's process: only the heartbeat can tell.
    if (with_holder) write_new_file(holder, "pid 1\nhost elsewhere\ncommand holder command\n");
    if (with_holder) CHECK(run_fault_child("child: the lock is taken", folder.path(), fault).exit_code == 0);
    const std::time_t old = std::time(nullptr) - 120;
    const timespec times[2] = {{old, 0}, {old, 0}};
    REQUIRE(::utimensat(AT_FDCWD, (with_holder ? holder : lock).c_str(), times, 0) == 0);
    CAPTURE(with_holder);
    CHECK(run_fault_child("child: count under a lock", folder.path(), fault).exit_code == 0);
    CHECK(read_file(folder.path() + "/counter") == "10");
    CHECK(list_directory(folder.path()) == std::vector<std::string>{"counter", "lock"});
  }
}
