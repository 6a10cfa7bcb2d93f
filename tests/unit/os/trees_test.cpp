#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <thread>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "fault_child.hpp"

using namespace envtool;
using Names = std::vector<std::string>;

namespace {

TemporaryDirectory scratch() { return TemporaryDirectory("/tmp", "envtool-test-"); }

/// Runs in a child without root's powers (when we are root); true when the action says so.
bool as_ordinary_user(const std::function<bool()>& action) {
  const pid_t child = ::fork();
  if (child == 0) {
    bool good = false;
    try {
      good = (::geteuid() != 0 || (::setgid(65534) == 0 && ::setuid(65534) == 0)) && action();
    } catch (...) {
    }
    ::_exit(good ? 0 : 1);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/// `depth` folders into each other, made with one descriptor.
void make_deep(const std::string& root, int depth) {
  FileDescriptor fd(::open(root.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  for (int i = 0; i < depth; ++i) {
    REQUIRE(::mkdirat(fd.get(), "d", 0755) == 0);
    fd = FileDescriptor(::openat(fd.get(), "d", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  }
  const FileDescriptor file(::openat(fd.get(), "bottom", O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  REQUIRE(file);
}

}  // namespace

TEST_CASE("listing folders") {
  const auto folder = scratch();
  for (const char* name : {"b", "a", "B", ".hidden", "\xC3\xA9"}) write_new_file(folder.path() + "/" + name, "");
  CHECK(list_directory(folder.path()) == Names{".hidden", "B", "a", "b", "\xC3\xA9"});
  CHECK(list_directory(folder.path() + "/none").empty());
  CHECK_THROWS_AS(list_directory(folder.path() + "/a"), Error);
}

TEST_CASE("listing trees") {
  const auto folder = scratch();
  make_directories(folder.path() + "/a/b/c");
  make_directories(folder.path() + "/empty/too");
  write_new_file(folder.path() + "/a/b/c/f", "");
  write_new_file(folder.path() + "/a-b", "");
  write_new_file(folder.path() + "/a/z", "");
  REQUIRE(::symlink("/", (folder.path() + "/a/root").c_str()) == 0);
  REQUIRE(::symlink("nowhere", (folder.path() + "/dangling").c_str()) == 0);
  REQUIRE(::mkfifo((folder.path() + "/fifo").c_str(), 0600) == 0);
  CHECK(list_tree(folder.path()) == Names{"a-b", "a/b/c/f", "a/root", "a/z", "dangling", "fifo"});
  CHECK(list_tree(folder.path() + "/").size() == 6);
  CHECK(list_tree(folder.path() + "/none").empty());
  // The folder itself may be reached through a symlink.
  REQUIRE(::symlink("a", (folder.path() + "/to_a").c_str()) == 0);
  CHECK(list_tree(folder.path() + "/to_a") == Names{"b/c/f", "root", "z"});
}

TEST_CASE("removing trees") {
  const auto folder = scratch();
  const std::string tree = folder.path() + "/tree";
  make_directories(tree + "/a/b/c");
  make_directories(tree + "/e");
  for (const char* name : {"/f", "/a/f", "/a/b/f", "/a/b/c/f"}) write_new_file(tree + name, "x");
  write_new_file(folder.path() + "/victim", "x");
  make_directories(folder.path() + "/outside/x");
  REQUIRE(::symlink("../victim", (tree + "/to_file").c_str()) == 0);
  REQUIRE(::symlink("../../outside", (tree + "/a/to_folder").c_str()) == 0);
  REQUIRE(::mkfifo((tree + "/a/fifo").c_str(), 0600) == 0);
  remove_tree(tree);
  CHECK(list_directory(folder.path()) == Names{"outside", "victim"});
  CHECK(is_directory(folder.path() + "/outside/x"));

  remove_tree(tree);
  remove_tree(folder.path() + "/victim/x");
  REQUIRE(::symlink("outside", (folder.path() + "/link").c_str()) == 0);
  remove_tree(folder.path() + "/link");
  remove_tree(folder.path() + "/victim");
  CHECK(list_directory(folder.path()) == Names{"outside"});
  CHECK(is_directory(folder.path() + "/outside/x"));
}

TEST_CASE("read-only and locked folders can be removed by their owner") {
  const auto folder = scratch();
  REQUIRE(::chmod(folder.path().c_str(), 0777) == 0);
  const std::string tree = folder.path() + "/tree";
  const bool removed = as_ordinary_user([&] {
    make_directories(tree + "/read_only/below");
    make_directories(tree + "/no_search/below");
    make_directories(tree + "/nothing/below");
    write_new_file(tree + "/read_only/f", "x", 0444);
    write_new_file(tree + "/nothing/below/f", "x");
    ::chmod((tree + "/read_only/below").c_str(), 0555);
    ::chmod((tree + "/read_only").c_str(), 0555);
    ::chmod((tree + "/no_search").c_str(), 0444);
    ::chmod((tree + "/nothing").c_str(), 0);
    ::chmod(tree.c_str(), 0555);
    const bool listed = list_tree(tree + "/read_only") == Names{"f"};
    ::chmod(tree.c_str(), 0);
    remove_tree(tree);
    return listed && !exists_no_follow(tree);
  });
  CHECK(removed);
  CHECK(list_directory(folder.path()).empty());
}

TEST_CASE("what cannot be removed is reported and the rest is gone") {
  if (::geteuid() != 0) {
    WARN("SKIPPED: needs root to make another user's folder");
    return;
  }
  const auto folder = scratch();
  const std::string tree = folder.path() + "/tree";
  make_directories(tree + "/foreign/x");
  make_directories(tree + "/own");
  write_new_file(tree + "/own/f", "");
  for (const std::string& path : {folder.path(), tree, tree + "/own"}) REQUIRE(::chown(path.c_str(), 65534, 65534) == 0);
  const bool reported = as_ordinary_user([&] {
    try {
      remove_tree(tree);
    } catch (const Error& error) {
      return error.kind() == ErrorKind::permission && error.where() == tree + "/foreign/x";
    }
    return false;
  });
  CHECK(reported);
  CHECK(list_directory(tree) == Names{"foreign"});
}

TEST_CASE("very deep trees need neither descriptors nor stack") {
  const auto folder = scratch();
  make_directories(folder.path() + "/tree");
  make_deep(folder.path() + "/tree", 5000);
  rlimit before{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &before) == 0);
  rlimit few = before;
  few.rlim_cur = 40;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &few) == 0);
  const Names files = list_tree(folder.path());
  remove_tree(folder.path() + "/tree");
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &before) == 0);
  REQUIRE(files.size() == 1);
  CHECK(files[0].size() == 5 + 5000 * 2 + 6);
  CHECK(list_directory(folder.path()).empty());
}

TEST_CASE("a folder that is swapped for a symlink while it is removed does no harm") {
  const auto folder = scratch();
  const std::string victim = folder.path() + "/victim";
  make_directories(victim);
  write_new_file(victim + "/precious", "x");
  const std::string tree = folder.path() + "/tree";
  for (int round = 0; round < 100; ++round) {
    make_directories(tree + "/d/e");
    std::atomic<bool> stop{false};
    std::thread swapper([&] {
      while (!stop) {
        ::rename((tree + "/d").c_str(), (tree + "/aside").c_str());
        [[maybe_unused]] const int outcome = ::symlink(victim.c_str(), (tree + "/d").c_str());
        ::unlink((tree + "/d").c_str());
        ::rename((tree + "/aside").c_str(), (tree + "/d").c_str());
      }
    });
    try {
      remove_tree(tree);
    } catch (const Error&) {
      // A tree that keeps changing may stay; what counts is the victim.
    }
    stop = true;
    swapper.join();
    remove_tree(tree);
    REQUIRE(exists(victim + "/precious"));
  }
}

TEST_CASE("two that remove the same tree both succeed") {
  const auto folder = scratch();
  for (int round = 0; round < 20; ++round) {
    const std::string tree = folder.path() + "/tree";
    for (int i = 0; i < 20; ++i) {
      make_directories(tree + "/" + std::to_string(i));
      write_new_file(tree + "/" + std::to_string(i) + "/f", "");
    }
    std::atomic<int> failures{0};
    const auto remove = [&] {
      try {
        remove_tree(tree);
      } catch (const Error&) {
        ++failures;
      }
    };
    std::thread first(remove), second(remove);
    first.join();
    second.join();
    CHECK(failures == 0);
    CHECK_FALSE(exists(tree));
  }
}

TEST_CASE("child: remove_tree", "[.]") { remove_tree(fault_folder() + "/tree"); }

TEST_CASE("a removal that fails or is killed anywhere can be done again") {
  if (!has_failpoints()) return;
  for (const std::string action : {"EIO", "EACCES", "kill"}) {
    int failures = 0;
    for (;; ++failures) {
      const auto folder = scratch();
      make_directories(folder.path() + "/tree/a/b");
      write_new_file(folder.path() + "/tree/a/b/f", "");
      write_new_file(folder.path() + "/tree/g", "");
      const std::string rule = "any:" + std::to_string(failures + 1) + ":" + action;
      CAPTURE(rule);
      const ProcessResult result = run_fault_child("child: remove_tree", folder.path(), rule);
      CHECK((result.exit_code == 0) == !exists(folder.path() + "/tree"));
      remove_tree(folder.path() + "/tree");
      CHECK(list_directory(folder.path()).empty());
      if (result.exit_code == 0) break;
    }
    CHECK(failures >= 5);
  }
}
