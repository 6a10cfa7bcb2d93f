#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include "cache_sandbox.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/file_lock.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

/// Runs the work in that many processes at once; gives how many ended well.
int in_processes(int count, const std::function<void(int)>& work) {
  std::vector<pid_t> children;
  for (int i = 0; i < count; ++i) {
    const pid_t child = ::fork();
    REQUIRE(child >= 0);
    if (child == 0) {
      try {
        work(i);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "process %d: %s\n", i, error.what());
        ::_exit(1);
      }
      ::_exit(0);
    }
    children.push_back(child);
  }
  int good = 0;
  for (const pid_t child : children) {
    int status = 0;
    REQUIRE(::waitpid(child, &status, 0) == child);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) ++good;
  }
  return good;
}

void ensure_and_verify(const std::string& pkgs, const std::vector<RepoDataRecord>& records) {
  PackageCache cache({pkgs});
  Fetcher fetcher(CacheSandbox::fetch_options());
  for (const CachedPackage& package : cache.ensure(records, fetcher)) {
    const auto problems = PackageCache::verify(package);
    if (!problems.empty()) throw std::runtime_error(problems.front());
  }
}

std::vector<RepoDataRecord> publish_many(const CacheSandbox& box, int count) {
  std::vector<RepoDataRecord> records;
  for (int i = 0; i < count; ++i)
    records.push_back(box.publish_sample("p" + std::to_string(i), std::string(static_cast<std::size_t>(i + 1) * 20000, 'x')));
  return records;
}

}  // namespace

TEST_CASE("many processes, one cold cache: all succeed, each package is fetched once") {
  const CacheSandbox box;
  const auto records = publish_many(box, 12);
  CHECK(in_processes(16, [&](int i) {
          auto mine = records;
          std::rotate(mine.begin(), mine.begin() + i % 12, mine.end());
          ensure_and_verify(box.pkgs, mine);
        }) == 16);
  CHECK(split_lines(read_file(box.pkgs + "/urls.txt")).size() == records.size());
  CHECK(list_directory(box.pkgs + "/.tmp").empty());
}

TEST_CASE("processes with overlapping wishes do not wait for each other in a circle") {
  const CacheSandbox box;
  const auto records = publish_many(box, 8);
  CHECK(in_processes(8, [&](int i) {
          std::vector<RepoDataRecord> mine(records.begin() + i / 2, records.begin() + i / 2 + 4);
          if (i % 2 == 1) std::reverse(mine.begin(), mine.end());
          ensure_and_verify(box.pkgs, mine);
        }) == 8);
}

TEST_CASE("many processes meet one damaged entry") {
  CacheSandbox box;
  const auto records = publish_many(box, 1);
  box.ensure_one(records[0]);
  overwrite_in_place(box.pkgs + "/p0-1.0-0/lib/p0.txt", "short");
  box.unpublish();
  CHECK(in_processes(12, [&](int) { ensure_and_verify(box.pkgs, records); }) == 12);
  CHECK(list_directory(box.pkgs + "/.tmp").empty());
}

TEST_CASE("without working locks everybody succeeds all the same") {
  const CacheSandbox box;
  const auto records = publish_many(box, 5);
  make_directories(box.pkgs);
  write_new_file(box.pkgs + "/.locks", "a file where the locks should be");
  CHECK(in_processes(6, [&](int) { ensure_and_verify(box.pkgs, records); }) == 6);
  remove_tree(box.pkgs);
  make_directories(box.pkgs + "/.locks");
  // Folders where the lock files should be: opening them for writing fails.
  for (const RepoDataRecord& record : records) make_directories(box.pkgs + "/.locks/" + record.fn + ".lock");
  make_directories(box.pkgs + "/.locks/.cleaning");
  CHECK(in_processes(6, [&](int) { ensure_and_verify(box.pkgs, records); }) == 6);
  CHECK(list_directory(box.pkgs + "/.tmp").empty());
}

TEST_CASE("a lock that is never given up delays, but does not stop") {
  CacheSandbox box;
  const RepoDataRecord record = box.publish_sample("a");
  make_directories(box.pkgs + "/.locks");
  const auto lock = FileLock::try_acquire(box.pkgs + "/.locks/" + record.fn + ".lock", FileLock::Mode::exclusive, "test");
  REQUIRE(lock.has_value());
  struct Waiting : CountingReporter {
    int waits = 0;
    void on_wait(const RepoDataRecord&) override { ++waits; }
  } reporter;
  CacheOptions options;
  options.wait_limit = std::chrono::seconds(1);
  PackageCache cache({box.pkgs}, options);
  CHECK(box.ensure(cache, {record}, &reporter).size() == 1);
  CHECK(reporter.waits >= 1);
}

TEST_CASE("waiting for another process can be interrupted") {
  CacheSandbox box;
  const RepoDataRecord record = box.publish_sample("a");
  make_directories(box.pkgs + "/.locks");
  const auto lock = FileLock::try_acquire(box.pkgs + "/.locks/" + record.fn + ".lock", FileLock::Mode::exclusive, "test");
  std::stop_source stop;
  std::jthread killer([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    stop.request_stop();
  });
  PackageCache cache({box.pkgs});
  const auto start = std::chrono::steady_clock::now();
  CHECK(error_kind_of([&] { box.ensure(cache, {record}, nullptr, stop.get_token()); }) == ErrorKind::interrupted);
  CHECK(std::chrono::steady_clock::now() - start < std::chrono::seconds(2));
}

TEST_CASE("few file descriptors") {
  const CacheSandbox box;
  const auto records = publish_many(box, 40);
  CHECK(in_processes(1, [&](int) {
          const rlimit limit{64, 64};
          if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) throw std::runtime_error("setrlimit");
          ensure_and_verify(box.pkgs, records);
        }) == 1);
}

TEST_CASE("cleaning against users of the cache") {
  const CacheSandbox box;
  const auto records = publish_many(box, 6);
  CHECK(in_processes(8, [&](int i) {
          for (int round = 0; round < 6; ++round) {
            if (i < 2) {
              PackageCache cache({box.pkgs});
              if (is_directory(box.pkgs)) cache.clean(cache.plan_clean(true, true, true));
              ::usleep(3000);
            } else {
              PackageCache cache({box.pkgs});
              Fetcher fetcher(CacheSandbox::fetch_options());
              const auto packages = cache.ensure(records, fetcher);
              // While the packages are held they stay.
              for (int look = 0; look < 3; ++look) {
                ::usleep(1000);
                for (const CachedPackage& package : packages)
                  if (!PackageCache::verify(package).empty()) throw std::runtime_error("a held package vanished");
              }
            }
          }
        }) == 8);
}
