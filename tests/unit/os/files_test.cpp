#include <catch2/catch.hpp>

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <barrier>
#include <cerrno>
#include <csignal>
#include <functional>
#include <set>
#include <system_error>
#include <thread>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "fault_child.hpp"

using namespace envtool;
using Names = std::vector<std::string>;

namespace {

TemporaryDirectory scratch() { return TemporaryDirectory("/tmp", "envtool-test-"); }

struct stat status_of(const std::string& path) {
  struct stat status{};
  REQUIRE(::lstat(path.c_str(), &status) == 0);
  return status;
}

/// A small file system of its own; empty path when this user cannot mount.
class SmallFileSystem {
 public:
  SmallFileSystem(const std::string& path, const std::string& options) {
    make_directories(path);
    if (::mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) == 0) {
      path_ = path;
    } else {
      WARN("SKIPPED: cannot mount a tmpfs here: " << std::generic_category().message(errno));
    }
  }
  SmallFileSystem(const SmallFileSystem&) = delete;
  SmallFileSystem& operator=(const SmallFileSystem&) = delete;
  ~SmallFileSystem() {
    if (!path_.empty()) ::umount2(path_.c_str(), MNT_DETACH);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

ErrorKind kind_of_failure(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK_FALSE(error.where().empty());
    return error.kind();
  }
  FAIL("did not fail");
  return ErrorKind::internal;
}

}  // namespace

TEST_CASE("reading files") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/f";
  CHECK_FALSE(read_file_if_exists(path));
  CHECK_FALSE(read_file_if_exists(path + "/below"));
  CHECK_THROWS_AS(read_file(path), Error);
  for (const std::size_t size : {0UL, 1UL, 65535UL, 65536UL, 65537UL, 1000000UL}) {
    const std::string content(size, 'x');
    write_atomically(path, content);
    CHECK(read_file(path) == content);
    CHECK(read_file_if_exists(path) == content);
  }
  CHECK_FALSE(read_file_if_exists(path + "/below"));
  CHECK(read_file(path, 1000000).size() == 1000000);
  CHECK(kind_of_failure([&] { read_file(path, 999999); }) == ErrorKind::invalid_input);
  CHECK_THROWS_AS(read_file(folder.path()), Error);
  CHECK_FALSE(read_file("/proc/self/status").empty());  // says size 0
  CHECK(kind_of_failure([] { read_named_file("/dev/zero", 100000); }) == ErrorKind::invalid_input);
  CHECK(kind_of_failure([] { read_file("/dev/zero", 100000); }) == ErrorKind::invalid_input);
  CHECK(read_file("/dev/null").empty());
}

TEST_CASE("a pipe in the place of a file is not waited for") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/pipe";
  REQUIRE(::mkfifo(path.c_str(), 0600) == 0);
  CHECK(kind_of_failure([&] { read_file(path); }) == ErrorKind::invalid_input);
  CHECK(kind_of_failure([&] { read_file_if_exists(path); }) == ErrorKind::invalid_input);
  CHECK_FALSE(is_regular_file(path));
  std::thread writer([&] {
    std::FILE* file = std::fopen(path.c_str(), "w");
    std::fputs("text", file);
    std::fclose(file);
  });
  CHECK(read_named_file(path, 100) == "text");
  writer.join();
}

TEST_CASE("what exists") {
  const auto folder = scratch();
  const std::string link = folder.path() + "/link";
  REQUIRE(::symlink("nowhere", link.c_str()) == 0);
  CHECK_FALSE(exists(link));
  CHECK(exists_no_follow(link));
  CHECK(exists(folder.path()));
  CHECK(is_directory(folder.path()));
  CHECK_FALSE(is_directory(link));
  CHECK_FALSE(exists(link + "/x"));
}

TEST_CASE("an atomic write replaces the file, its inode and nothing else") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/f";
  const std::string other = folder.path() + "/hard";
  ::umask(022);
  write_atomically(path, "old", 0666);
  CHECK((status_of(path).st_mode & 07777) == 0644);
  REQUIRE(::link(path.c_str(), other.c_str()) == 0);
  write_atomically(path, "new", 0600, Durability::full);
  CHECK(read_file(path) == "new");
  CHECK(read_file(other) == "old");
  CHECK((status_of(path).st_mode & 07777) == 0600);
  CHECK(list_directory(folder.path()) == Names{"f", "hard"});

  const std::string link = folder.path() + "/link";
  REQUIRE(::symlink("f", link.c_str()) == 0);
  write_atomically(link, "own");
  CHECK(read_file(path) == "new");
  CHECK(S_ISREG(status_of(link).st_mode));

  const std::string longest = folder.path() + "/" + std::string(255, 'n');
  write_atomically(longest, "x");
  CHECK(read_file(longest) == "x");
}

TEST_CASE("a failing atomic write leaves no temporary file") {
  const auto folder = scratch();
  make_directories(folder.path() + "/d/below");
  CHECK_THROWS_AS(write_atomically(folder.path() + "/d", "x"), Error);
  CHECK_THROWS_AS(write_atomically(folder.path() + "/none/f", "x"), Error);
  CHECK(list_directory(folder.path()) == Names{"d"});
  CHECK(list_directory(folder.path() + "/d") == Names{"below"});
}

TEST_CASE("readers of a file that is written atomically see old or new") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/f";
  write_atomically(path, std::string(50000, 'a'));
  std::jthread writer([&](const std::stop_token& stop) {
    for (char c = 'b'; !stop.stop_requested(); c = c == 'z' ? 'a' : static_cast<char>(c + 1)) {
      write_atomically(path, std::string(50000, c));
    }
  });
  std::size_t mixed = 0;
  for (int i = 0; i < 500; ++i) {
    const std::string content = read_file(path);
    if (content.size() != 50000 || content.find_first_not_of(content[0]) != std::string::npos) ++mixed;
  }
  CHECK(mixed == 0);
}

TEST_CASE("a new file must be new") {
  const auto folder = scratch();
  const std::string path = folder.path() + "/f";
  write_new_file(path, "one");
  CHECK_THROWS_AS(write_new_file(path, "two"), Error);
  CHECK(read_file(path) == "one");
  REQUIRE(::symlink("g", (folder.path() + "/link").c_str()) == 0);
  CHECK_THROWS_AS(write_new_file(folder.path() + "/link", "x"), Error);
  CHECK(list_directory(folder.path()) == Names{"f", "link"});
}

TEST_CASE("making folders") {
  const auto folder = scratch();
  make_directories(folder.path() + "/a/b//c/");
  CHECK(is_directory(folder.path() + "/a/b/c"));
  make_directories(folder.path() + "/a/b/c");
  make_directories("/");
  REQUIRE(::symlink("a", (folder.path() + "/to_a").c_str()) == 0);
  make_directories(folder.path() + "/to_a/x");
  CHECK(is_directory(folder.path() + "/a/x"));
  write_new_file(folder.path() + "/file", "");
  CHECK_THROWS_AS(make_directories(folder.path() + "/file"), Error);
  CHECK_THROWS_AS(make_directories(folder.path() + "/file/x"), Error);
  REQUIRE(::symlink("nowhere", (folder.path() + "/dangling").c_str()) == 0);
  CHECK_THROWS_AS(make_directories(folder.path() + "/dangling"), Error);
  CHECK_THROWS_AS(make_directories(folder.path() + "/dangling/x"), Error);
  CHECK_THROWS_AS(make_directories(""), Error);
  CHECK_THROWS_AS(make_directories("/proc/envtool-test"), Error);
}

TEST_CASE("many make the same folders at once") {
  const auto folder = scratch();
  std::atomic<int> failures{0};
  std::barrier start(4);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 50; ++n) {
        start.arrive_and_wait();
        try {
          make_directories(folder.path() + "/" + std::to_string(n) + "/a/b/c/d");
        } catch (const Error&) {
          ++failures;
        }
      }
    });
  }
  threads.clear();
  CHECK(failures == 0);
  CHECK(list_directory(folder.path()).size() == 50);
}

TEST_CASE("renaming with and without replacing") {
  const auto folder = scratch();
  const std::string a = folder.path() + "/a", b = folder.path() + "/b";
  write_new_file(a, "a");
  write_new_file(b, "b");
  CHECK_FALSE(rename_no_replace(a, b));
  CHECK(read_file(b) == "b");
  rename_path(a, b);
  CHECK(read_file(b) == "a");
  CHECK(rename_no_replace(b, a));
  CHECK(list_directory(folder.path()) == Names{"a"});
  make_directories(folder.path() + "/empty");
  make_directories(folder.path() + "/tree/x");
  CHECK_FALSE(rename_no_replace(folder.path() + "/tree", folder.path() + "/empty"));
  CHECK_THROWS_AS(rename_path(folder.path() + "/none", a), Error);
  CHECK_THROWS_AS(rename_no_replace(folder.path() + "/none", folder.path() + "/new"), Error);
  remove_file(a);
  remove_file(a);
  CHECK_FALSE(exists(a));
  CHECK_THROWS_AS(remove_file(folder.path() + "/tree"), Error);
  sync_directory(folder.path());
  sync_file_system(folder.path());
  CHECK_THROWS_AS(sync_directory(folder.path() + "/none"), Error);
  CHECK_THROWS_AS(sync_file_system(folder.path() + "/none"), Error);
}

TEST_CASE("linking and copying on one file system") {
  const auto folder = scratch();
  const std::string from = folder.path() + "/from";
  write_new_file(from, std::string(300000, 'x'));
  REQUIRE(::chmod(from.c_str(), 06751) == 0);
  const timespec times[2] = {{1000000000, 0}, {1234567890, 123456789}};
  REQUIRE(::utimensat(AT_FDCWD, from.c_str(), times, 0) == 0);

  CHECK(link_or_copy(from, folder.path() + "/hard") == LinkOutcome::hardlink);
  CHECK(status_of(folder.path() + "/hard").st_ino == status_of(from).st_ino);
  for (const bool reflink : {true, false}) {
    const std::string to = folder.path() + "/copy" + std::to_string(reflink);
    const LinkOutcome outcome = link_or_copy(from, to, {.hardlink = false, .reflink = reflink});
    CHECK((outcome == LinkOutcome::copy || (reflink && outcome == LinkOutcome::reflink)));
    const struct stat status = status_of(to);
    CHECK(status.st_ino != status_of(from).st_ino);
    CHECK((status.st_mode & 07777) == 0751);  // no setuid, no setgid
    CHECK(status.st_mtim.tv_sec == 1234567890);
    CHECK(status.st_mtim.tv_nsec == 123456789);
    CHECK(read_file(to) == read_file(from));
    CHECK_THROWS_AS(link_or_copy(from, to, {.hardlink = false, .reflink = reflink}), Error);
  }
  CHECK_THROWS_AS(link_or_copy(from, folder.path() + "/hard"), Error);
  CHECK_THROWS_AS(link_or_copy(folder.path() + "/none", folder.path() + "/x"), Error);
  CHECK_THROWS_AS(link_or_copy(from, folder.path() + "/none/x"), Error);

  write_new_file(folder.path() + "/nothing", "");
  CHECK(link_or_copy(folder.path() + "/nothing", folder.path() + "/nothing2", {false, false}) == LinkOutcome::copy);
  CHECK(read_file(folder.path() + "/nothing2").empty());
}

TEST_CASE("symlinks are placed as symlinks, special files not at all") {
  const auto folder = scratch();
  REQUIRE(::symlink("../no/where", (folder.path() + "/link").c_str()) == 0);
  for (const bool hardlink : {true, false}) {
    const std::string to = folder.path() + "/to" + std::to_string(hardlink);
    link_or_copy(folder.path() + "/link", to, {.hardlink = hardlink});
    char target[64];
    CHECK(std::string(target, static_cast<std::size_t>(::readlink(to.c_str(), target, sizeof target))) == "../no/where");
  }
  REQUIRE(::mkfifo((folder.path() + "/fifo").c_str(), 0600) == 0);
  CHECK(kind_of_failure([&] { link_or_copy(folder.path() + "/fifo", folder.path() + "/x", {.hardlink = false}); }) ==
        ErrorKind::unsafe);
  CHECK_FALSE(exists_no_follow(folder.path() + "/x"));
}

TEST_CASE("across file systems files are copied") {
  const auto folder = scratch();
  const SmallFileSystem other(folder.path() + "/mounted", "size=1m");
  if (other.path().empty()) return;
  const std::string from = folder.path() + "/from";
  write_new_file(from, std::string(10000, 'x'), 0755);
  CHECK(link_or_copy(from, other.path() + "/to") == LinkOutcome::copy);
  CHECK(read_file(other.path() + "/to") == std::string(10000, 'x'));
  CHECK((status_of(other.path() + "/to").st_mode & 0777) == (status_of(from).st_mode & 0777));
  CHECK_THROWS_AS(rename_path(from, other.path() + "/moved"), Error);
}

TEST_CASE("a really full file system is reported and keeps its old content") {
  const auto folder = scratch();
  const SmallFileSystem full(folder.path() + "/mounted", "size=64k");
  if (full.path().empty()) return;
  write_atomically(full.path() + "/f", "old");
  const std::string large(200000, 'x');
  CHECK(kind_of_failure([&] { write_atomically(full.path() + "/f", large); }) == ErrorKind::no_space);
  CHECK(kind_of_failure([&] { write_new_file(full.path() + "/g", large); }) == ErrorKind::no_space);
  write_new_file(folder.path() + "/large", large);
  CHECK(kind_of_failure([&] { link_or_copy(folder.path() + "/large", full.path() + "/h"); }) == ErrorKind::no_space);
  CHECK(list_directory(full.path()) == Names{"f"});
  CHECK(read_file(full.path() + "/f") == "old");
  CHECK(file_system_space(full.path() + "/not/there").free_bytes <= 65536);
}

TEST_CASE("inodes can run out too") {
  const auto folder = scratch();
  const SmallFileSystem full(folder.path() + "/mounted", "size=1m,nr_inodes=4");
  if (full.path().empty()) return;
  CHECK(file_system_space(full.path()).free_inodes == 3);
  const auto fill = [&] {
    for (int i = 0; i < 10; ++i) make_directories(full.path() + "/" + std::to_string(i));
  };
  CHECK(kind_of_failure(fill) == ErrorKind::no_space);
  CHECK(file_system_space(full.path()).free_inodes == 0);
  CHECK(kind_of_failure([&] { write_atomically(full.path() + "/f", "x"); }) == ErrorKind::no_space);
}

TEST_CASE("free space, temporary folders and names") {
  CHECK(file_system_space("/tmp").free_bytes > 0);
  CHECK(file_system_space("/tmp/envtool-none/x/y").free_inodes > 0);
  std::string kept;
  {
    TemporaryDirectory first("/tmp", "envtool-test-");
    CHECK((status_of(first.path()).st_mode & 0777) == 0700);
    const std::string path = first.path();
    make_directories(path + "/a/b");
    TemporaryDirectory second = std::move(first);
    CHECK(second.path() == path);
    kept = TemporaryDirectory("/tmp", "envtool-test-").release();
    CHECK(is_directory(path));
    {
      TemporaryDirectory third = std::move(second);
    }
    CHECK_FALSE(exists(path));
  }
  CHECK(is_directory(kept));
  remove_tree(kept);
  CHECK_THROWS_AS(TemporaryDirectory("/tmp/envtool-none", "x"), Error);
  CHECK(random_name().size() == 12);
  CHECK(random_name(3).find_first_not_of("0123456789abcdef") == std::string::npos);
  std::set<std::string> names;
  for (int i = 0; i < 1000; ++i) names.insert(random_name());
  CHECK(names.size() == 1000);
}

TEST_CASE("file descriptors close themselves") {
  int number = -1;
  {
    FileDescriptor fd(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    REQUIRE(fd);
    number = fd.get();
    FileDescriptor moved = std::move(fd);
    CHECK(moved.get() == number);
    moved = FileDescriptor(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
    CHECK(moved);
    CHECK(::fcntl(number, F_GETFD) == -1);
    number = moved.get();
  }
  CHECK(::fcntl(number, F_GETFD) == -1);
}

// The children of the fault tests; each runs with a fail point set.
TEST_CASE("child: write_atomically", "[.]") {
  write_atomically(fault_folder() + "/f", "new", 0644, Durability::full);
}
TEST_CASE("child: write_new_file", "[.]") { write_new_file(fault_folder() + "/g", "new"); }
TEST_CASE("child: copy", "[.]") { link_or_copy(fault_folder() + "/f", fault_folder() + "/g", {false, true}); }
TEST_CASE("child: link", "[.]") { link_or_copy(fault_folder() + "/f", fault_folder() + "/g"); }
TEST_CASE("child: make_directories", "[.]") { make_directories(fault_folder() + "/a/b"); }
TEST_CASE("child: rename_no_replace", "[.]") {
  const std::string folder = fault_folder();
  CHECK_FALSE(rename_no_replace(folder + "/f", folder + "/taken"));
  CHECK_FALSE(rename_no_replace(folder + "/d", folder + "/e"));
  CHECK(rename_no_replace(folder + "/f", folder + "/new"));
  CHECK(rename_no_replace(folder + "/d", folder + "/newd"));
}

TEST_CASE("an atomic write that fails at any point leaves old or new and no temporary file") {
  if (!has_failpoints()) return;
  for (const std::string error : {"ENOSPC", "EIO", "EDQUOT", "EROFS", "5"}) {
    int failures = 0;
    for (;; ++failures) {
      const auto folder = scratch();
      write_new_file(folder.path() + "/f", "old");
      const std::string rule = "any:" + std::to_string(failures + 1) + ":" + error;
      CAPTURE(rule);
      const ProcessResult result = run_fault_child("child: write_atomically", folder.path(), rule);
      CHECK(list_directory(folder.path()) == Names{"f"});
      const std::string content = read_file(folder.path() + "/f");
      if (result.exit_code == 0) {
        CHECK(content == "new");
        break;
      }
      // The sixth step syncs the folder: the rename has been done.
      CHECK(content == (failures == 5 ? "new" : "old"));
    }
    CHECK(failures == 6);  // create, write, sync, close, rename, sync of the folder
  }
}

TEST_CASE("an atomic write that is killed at any point leaves old or new") {
  if (!has_failpoints()) return;
  int kills = 0;
  for (;; ++kills) {
    const auto folder = scratch();
    write_new_file(folder.path() + "/f", "old");
    const std::string rule = "any:" + std::to_string(kills + 1) + ":kill";
    CAPTURE(rule);
    const ProcessResult result = run_fault_child("child: write_atomically", folder.path(), rule);
    const std::string content = read_file(folder.path() + "/f");
    if (result.exit_code == 0) break;
    CHECK(result.exit_code == 128 + SIGKILL);
    CHECK((content == "old" || content == "new"));
  }
  CHECK(kills == 6);
}

TEST_CASE("a folder whose parent another process makes just then is made") {
  if (!has_failpoints()) return;
  // As if `a/b` had been missing at the first call and were there, made by others, a moment later.
  const auto folder = scratch();
  make_directories(folder.path() + "/a/b");
  CHECK(run_fault_child("child: make_directories", folder.path(), "os.mkdir:1:ENOENT").exit_code == 0);
  remove_tree(folder.path() + "/a");
  CHECK(run_fault_child("child: make_directories", folder.path(), "os.mkdir:2:ENOSPC").exit_code != 0);
  CHECK(list_directory(folder.path()).empty());
  // A parent that never appears ends in an error.
  CHECK(run_fault_child("child: make_directories", folder.path(), "os.mkdir:1+:ENOENT").exit_code != 0);
}

TEST_CASE("new files and copies that fail leave nothing") {
  if (!has_failpoints()) return;
  for (const std::string test : {"child: write_new_file", "child: copy"}) {
    int failures = 0;
    for (;; ++failures) {
      const auto folder = scratch();
      write_new_file(folder.path() + "/f", std::string(100000, 'x'));
      const std::string rule = "any:" + std::to_string(failures + 1) + ":ENOSPC";
      CAPTURE(test, rule);
      if (run_fault_child(test, folder.path(), rule).exit_code == 0) break;
      CHECK(list_directory(folder.path()) == Names{"f"});
    }
    CHECK(failures >= 3);
  }
}

TEST_CASE("links fall back for what another way may do, and only for that") {
  if (!has_failpoints()) return;
  for (const std::string error : {"EXDEV", "EPERM", "EMLINK", "EOPNOTSUPP", "ENOSYS"}) {
    const auto folder = scratch();
    write_new_file(folder.path() + "/f", "content");
    CAPTURE(error);
    const std::string rules = "os.link:1:" + error + ",os.reflink:1:EOPNOTSUPP,os.write:1:" + error;
    CHECK(run_fault_child("child: link", folder.path(), rules).exit_code == 0);
    CHECK(read_file(folder.path() + "/g") == "content");
    CHECK(status_of(folder.path() + "/g").st_nlink == 1);
  }
  for (const std::string rule : {"os.link:1:ENOSPC", "os.link:1:EIO", "os.link:1:EXDEV,os.reflink:1:EIO"}) {
    const auto folder = scratch();
    write_new_file(folder.path() + "/f", "content");
    CAPTURE(rule);
    CHECK(run_fault_child("child: link", folder.path(), rule).exit_code != 0);
    CHECK(list_directory(folder.path()) == Names{"f"});
  }
}

TEST_CASE("renaming without replacing works where the kernel call does not") {
  if (!has_failpoints()) return;
  for (const std::string rule : {"os.rename:1+:EINVAL", "os.rename:1:EINVAL,os.rename:2:ENOSYS,os.rename:3:EINVAL,os.rename:4:EINVAL",
                                 "os.rename:1:EINVAL,os.rename:3:EINVAL,os.link:1+:EPERM"}) {
    const auto folder = scratch();
    write_new_file(folder.path() + "/f", "f");
    write_new_file(folder.path() + "/taken", "taken");
    make_directories(folder.path() + "/d/x");
    make_directories(folder.path() + "/e");
    CAPTURE(rule);
    const ProcessResult result = run_fault_child("child: rename_no_replace", folder.path(), rule);
    CHECK(read_file(folder.path() + "/taken") == "taken");
    CHECK(list_directory(folder.path() + "/e").empty());
    if (rule == "os.rename:1+:EINVAL") {
      // The fallback for folders is a rename itself, which fails here: nothing may be half done.
      CHECK(result.exit_code != 0);
      CHECK(list_directory(folder.path()) == Names{"d", "e", "new", "taken"});
    } else {
      CAPTURE(result.output);
      CHECK(result.exit_code == 0);
      CHECK(list_directory(folder.path()) == Names{"e", "new", "newd", "taken"});
      CHECK(read_file(folder.path() + "/new") == "f");
      CHECK(is_directory(folder.path() + "/newd/x"));
    }
  }
}

TEST_CASE("a fail point that cannot be understood is an error") {
  if (!has_failpoints()) return;
  const auto folder = scratch();
  for (const std::string rule : {"x", "os.write:1", "os.write:0:kill", "os.write:x:kill", "os.write:1:EWRONG", ":1:kill", "a:1:0"}) {
    CAPTURE(rule);
    CHECK(run_fault_child("child: write_new_file", folder.path(), rule).exit_code != 0);
    CHECK(list_directory(folder.path()).empty());
  }
}
