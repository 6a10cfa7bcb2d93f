// Locks, journals, places that are taken, stops.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "envtool/base/error.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "install_fixture.hpp"

using namespace envtool;
using namespace envtool::test;
namespace fs = std::filesystem;

namespace {
struct Place {
  TemporaryDirectory folder{"/tmp", "envtool-recover-"};
  std::string cache = folder.path() + "/pkgs";
  Prefix prefix{folder.path() + "/envs/one"};
  Place() { fs::create_directories(cache); }
  PackageBuilder package(std::string name, std::string version = "1.0") { return {cache, std::move(name), std::move(version)}; }
};

InstallOptions quick() {
  InstallOptions options;
  options.durability = Durability::none;
  options.lock_timeout = std::chrono::milliseconds(300);
  return options;
}

ErrorKind kind_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("no error");
  return ErrorKind::internal;
}
}  // namespace

TEST_CASE("a new environment takes an empty folder, and nothing else") {
  Place place;
  const PackageSource a = place.package("a").file("x", "x");
  fs::create_directories(place.prefix.path());
  install(place.prefix, {a}, quick());
  CHECK(slurp(place.prefix / "x") == "x");

  const auto create = [&](const Prefix& prefix) {
    return [&, prefix] { create_prefix(plan_links(prefix.path(), diff({}, {a.record}), {a}), {}, quick()); };
  };
  const Manifest before = manifest(place.prefix.path());
  CHECK(kind_of(create(place.prefix)) == ErrorKind::prefix_exists);
  CHECK(difference(before, manifest(place.prefix.path())) == "");
  const std::string file = place.folder.path() + "/file", link = place.folder.path() + "/link";
  spit(file, "a file");
  fs::create_directory(place.folder.path() + "/empty");
  fs::create_symlink("empty", link);
  CHECK(kind_of(create(Prefix(file))) == ErrorKind::prefix_exists);
  CHECK(kind_of(create(Prefix(link))) == ErrorKind::prefix_exists);
}

TEST_CASE("a replaced environment waits until it is let go, and can be put back") {
  Place place;
  const PackageSource a = place.package("a").file("x", "x"), b = place.package("b").file("y", "y");
  install(place.prefix, {a}, quick());
  const Manifest before = manifest(place.prefix.path());
  InstallOptions options = quick();
  options.existing = ExistingPrefix::replace;
  const LinkPlan plan = plan_links(place.prefix.path(), diff({}, {b.record}), {b});
  {
    const InstallResult result = create_prefix(plan, {}, options);
    REQUIRE(result.replaced);
    CHECK(slurp(place.prefix / "y") == "y");
    sweep_leftovers(place.prefix);
    result.replaced->restore();
  }
  CHECK(difference(before, manifest(place.prefix.path())) == "");
  CHECK(list_directory(place.folder.path() + "/envs") == std::vector<std::string>{"one"});
  create_prefix(plan, {}, options);
  CHECK_FALSE(fs::exists(place.prefix / "x"));
  CHECK(list_directory(place.folder.path() + "/envs") == std::vector<std::string>{"one"});
  // What is no environment is not replaced, and one that somebody works on is waited for.
  spit(place.folder.path() + "/plain/file", "mine");
  const std::string plain = place.folder.path() + "/plain";
  CHECK(kind_of([&] { create_prefix(plan_links(plain, diff({}, {b.record}), {b}), {}, options); }) == ErrorKind::prefix_exists);
  const PrefixLock lock = PrefixLock::acquire(place.prefix, quick());
  CHECK(kind_of([&] { create_prefix(plan, {}, options); }) == ErrorKind::locked);
}

TEST_CASE("a failed or stopped creation leaves nothing") {
  Place place;
  PackageSource a = place.package("a").file("x", "x").file("y", "y");
  fs::create_directories(place.folder.path() + "/envs");
  SECTION("a cached file is missing") { fs::remove(a.extracted_directory + "/y"); }
  SECTION("a cached file has another size") { spit(a.extracted_directory + "/y", "longer"); }
  SECTION("a cached file is a device") {
    fs::remove(a.extracted_directory + "/y");
    REQUIRE(mkfifo((a.extracted_directory + "/y").c_str(), 0600) == 0);
  }
  CHECK(kind_of([&] { install(place.prefix, {a}, quick()); }) == ErrorKind::corrupt);
  CHECK(list_directory(place.folder.path() + "/envs").empty());

  std::stop_source stop;
  stop.request_stop();
  const PackageSource b = place.package("b").file("z", "z");
  CHECK(kind_of([&] { create_prefix(plan_links(place.prefix.path(), diff({}, {b.record}), {b}), {}, quick(), stop.get_token()); }) ==
        ErrorKind::interrupted);
  CHECK(list_directory(place.folder.path() + "/envs").empty());
}

TEST_CASE("a stopped or failed change leaves the environment as it was") {
  Place place;
  const PackageSource a = place.package("a").file("x", "x"), b = place.package("b").file("y", "y");
  install(place.prefix, {a}, quick());
  const Manifest before = manifest(place.prefix.path());
  PrefixLock lock = PrefixLock::acquire(place.prefix, quick());
  const LinkPlan plan = plan_for(place.prefix, {a, b});
  std::stop_source stop;
  stop.request_stop();
  CHECK(kind_of([&] { apply_to_prefix(lock, plan, {}, quick(), stop.get_token()); }) == ErrorKind::interrupted);
  fs::remove(b.extracted_directory + "/y");
  CHECK(kind_of([&] { apply_to_prefix(lock, plan, {}, quick()); }) == ErrorKind::corrupt);
  CHECK(difference(before, manifest(place.prefix.path())) == "");
  CHECK_FALSE(has_pending_change(place.prefix));
}

TEST_CASE("a plan for another state of the environment is refused") {
  Place place;
  const PackageSource a = place.package("a").file("x", "x"), b = place.package("b").file("y", "y"), c = place.package("c").file("z", "z");
  install(place.prefix, {a}, quick());
  const LinkPlan stale = plan_for(place.prefix, {a, b});
  install(place.prefix, {a, c}, quick());
  PrefixLock lock = PrefixLock::acquire(place.prefix, quick());
  CHECK(kind_of([&] { apply_to_prefix(lock, stale, {}, quick()); }) == ErrorKind::locked);
  CHECK_FALSE(fs::exists(place.prefix / "y"));
}

TEST_CASE("one process at a time changes an environment") {
  Place place;
  install(place.prefix, {place.package("a").file("x", "x")}, quick());
  {
    const PrefixLock lock = PrefixLock::acquire(place.prefix, quick());
    CHECK(kind_of([&] { PrefixLock::acquire(place.prefix, quick()); }) == ErrorKind::locked);
    CHECK(kind_of([&] { remove_prefix(place.prefix, quick()); }) == ErrorKind::locked);
    // Readers find nothing pending and are not held up.
    CHECK(recover(place.prefix).outcome == RecoverResult::Outcome::clean);
    fs::create_directories(place.prefix.transaction_directory());
    CHECK(recover(place.prefix).outcome == RecoverResult::Outcome::busy);
  }
  CHECK(recover(place.prefix).outcome == RecoverResult::Outcome::discarded);
  CHECK(recover(place.prefix).outcome == RecoverResult::Outcome::clean);
  CHECK(kind_of([&] { PrefixLock::acquire(Prefix(place.folder.path() + "/nothing"), quick()); }) == ErrorKind::environment_not_found);
}

TEST_CASE("variables, requests and history are written with the packages") {
  Place place;
  const PackageSource a = place.package("a").file("x", "x");
  using Requests = std::map<std::string, std::vector<std::string>>;
  LinkPlanOptions options;
  options.requested_specs = Requests{{"a", {"a >=1"}}};
  EnvironmentChange change;
  change.variables = EnvironmentVariables{{"NAME", "some value"}};
  change.history.command = {"envtool", "create", "-c", "https://user:secret@host.example/t/tk-123/chan", "a"};
  change.history.tool_version = "1.2.3";
  change.history.update_specs = {"a >=1"};
  create_prefix(plan_links(place.prefix.path(), diff({}, {a.record}), {a}, options), change, quick());
  CHECK(read_state(place.prefix) == EnvironmentVariables{{"NAME", "some value"}});
  CHECK(PrefixData::load(place.prefix).find("a")->requested_specs == std::vector<std::string>{"a >=1"});
  CHECK(History::load(place.prefix).requested_specs() == std::map<std::string, std::string>{{"a", "a >=1"}});
  const std::string text = slurp(place.prefix.history_file());
  CHECK(text.find("secret") == std::string::npos);
  CHECK(text.find("tk-123") == std::string::npos);
  CHECK(text.find("# envtool version: 1.2.3\n") != std::string::npos);

  // A later change keeps what it is not told about, and rewrites requests of packages that stay.
  options.requested_specs = Requests{{"a", {"a"}}};
  PrefixLock lock = PrefixLock::acquire(place.prefix, quick());
  apply_to_prefix(lock, plan_for(place.prefix, {a}, options), {}, quick());
  CHECK(read_state(place.prefix).size() == 1);
  CHECK(PrefixData::load(place.prefix).find("a")->requested_specs == std::vector<std::string>{"a"});
  CHECK(slurp(place.prefix / "conda-meta/.envtool/generation") == "2\n");
}

TEST_CASE("an environment is removed whole; files of others are named before") {
  Place place;
  install(place.prefix, {place.package("a").file("lib/x.py", "x")}, quick());
  spit(place.prefix / "lib/mine.txt", "mine");
  spit(place.prefix / "lib/__pycache__/x.cpython-312.pyc", "byte code");
  CHECK(unowned_files(place.prefix) == std::vector<std::string>{"lib/mine.txt"});
  remove_prefix(place.prefix, quick());
  CHECK(list_directory(place.folder.path() + "/envs").empty());
  CHECK(kind_of([&] { remove_prefix(place.prefix, quick()); }) == ErrorKind::environment_not_found);
  spit(place.folder.path() + "/plain/file", "no environment");
  CHECK(kind_of([&] { remove_prefix(Prefix(place.folder.path() + "/plain"), quick()); }) == ErrorKind::environment_not_found);
}

TEST_CASE("leftovers of dead processes are swept, those of living ones and of others stay") {
  Place place;
  const std::string envs = place.folder.path() + "/envs/";
  spit(envs + "one.envtool-0123456789ab/conda-meta/.envtool/lock", "");
  spit(envs + "one.envtool-0123456789ab/lib/x", "x");
  fs::create_directories(envs + "one.envtool-aaaaaaaaaaaa/conda-meta");
  spit(envs + ".envtool-trash-0123456789ab/lib/x", "x");
  spit(envs + "other.envtool-0123456789ab/conda-meta/.envtool/lock", "");  // swept with its own environment
  spit(envs + "one.envtool-notes/file", "the user's");
  spit(envs + "one.envtool-cccccccccccc/conda-meta/.envtool/lock", "");
  const auto living = FileLock::try_acquire(envs + "one.envtool-cccccccccccc/conda-meta/.envtool/lock", FileLock::Mode::exclusive, "test");
  REQUIRE(living);
  sweep_leftovers(place.prefix);
  CHECK(list_directory(place.folder.path() + "/envs") ==
        std::vector<std::string>{"one.envtool-cccccccccccc", "one.envtool-notes", "other.envtool-0123456789ab"});
}

TEST_CASE("an environment that waits for its replacement is put back when its place is empty") {
  Place place;
  const std::string envs = place.folder.path() + "/envs/", waiting = envs + "one.envtool-old-0123456789ab";
  install(place.prefix, {place.package("a").file("x", "old")}, quick());
  const Manifest old = manifest(place.prefix.path());
  fs::rename(place.prefix.path(), place.folder.path() + "/old");
  SECTION("its replacement is complete") {
    install(place.prefix, {place.package("b").file("y", "new")}, quick());
    fs::rename(place.folder.path() + "/old", waiting);
    sweep_leftovers(place.prefix);
    CHECK(list_directory(place.folder.path() + "/envs") == std::vector<std::string>{"one"});
    CHECK(slurp(place.prefix / "y") == "new");
    CHECK_FALSE(unfinished_note(place.prefix));
    return;
  }
  fs::rename(place.folder.path() + "/old", waiting);
  SECTION("nothing came in its place") {
    spit(envs + "one.envtool-0123456789ab/conda-meta/.envtool/lock", "");
    sweep_leftovers(place.prefix);
    CHECK(difference(old, manifest(place.prefix.path())) == "");
    CHECK(list_directory(place.folder.path() + "/envs") == std::vector<std::string>{"one"});
  }
  SECTION("its process lives") {
    const auto living = FileLock::try_acquire(waiting + "/conda-meta/.envtool/lock", FileLock::Mode::exclusive, "test");
    REQUIRE(living);
    sweep_leftovers(place.prefix);
    CHECK_FALSE(fs::exists(place.prefix.path()));
  }
}

TEST_CASE("what was replaced is kept while pip packages are missing") {
  Place place;
  const PackageSource a = place.package("a").file("x", "old"), b = place.package("b").file("y", "new");
  install(place.prefix, {a}, quick());
  InstallOptions options = quick();
  options.existing = ExistingPrefix::replace;
  EnvironmentChange change;
  change.pip_follows = true;
  const std::string copy = place.folder.path() + "/copy";
  {
    const InstallResult result = create_prefix(plan_links(place.prefix.path(), diff({}, {b.record}), {b}), change, options);
    REQUIRE(unfinished_note(place.prefix));
    CHECK(unfinished_note(place.prefix)->find(".envtool-old-") != std::string::npos);
    // As a process would leave it that is killed now.
    REQUIRE(std::system(("cp -a '" + place.folder.path() + "/envs' '" + copy + "'").c_str()) == 0);
  }
  for (const std::string& name : list_directory(copy))
    if (name != "one") fs::rename(copy + "/" + name, place.folder.path() + "/envs/" + name);
  sweep_leftovers(place.prefix);
  CHECK(list_directory(place.folder.path() + "/envs").size() == 2);
  mark_finished(place.prefix);
  CHECK_FALSE(unfinished_note(place.prefix));
  sweep_leftovers(place.prefix);
  CHECK(list_directory(place.folder.path() + "/envs") == std::vector<std::string>{"one"});
}

TEST_CASE("an unfinished change behind a symlink is refused") {
  Place place;
  install(place.prefix, {place.package("a").file("x", "x")}, quick());
  const std::string outside = place.folder.path() + "/outside";
  spit(outside + "/tx/keep", "keep");
  SECTION("the folder of changes") { fs::create_directory_symlink(outside + "/tx", place.prefix.transaction_directory()); }
  SECTION("the folder of the tool") {
    fs::remove_all(place.prefix.state_directory());
    fs::create_directory_symlink(outside, place.prefix.state_directory());
  }
  SECTION("the journal") {
    fs::create_directories(place.prefix.transaction_directory());
    fs::create_symlink(outside + "/tx/keep", place.prefix.transaction_directory() + "/journal.ready");
  }
  CHECK(kind_of([&] { recover(place.prefix, quick()); }) == ErrorKind::unsafe);
  CHECK(slurp(outside + "/tx/keep") == "keep");
}

TEST_CASE("many processes create one environment: one wins, the others say so") {
  Place place;
  const PackageSource a = place.package("a").file("x", "x").file("lib/y", "y");
  std::vector<pid_t> children;
  for (int i = 0; i < 8; ++i) {
    const pid_t child = fork();
    if (child == 0) {
      int code = 3;
      try {
        create_prefix(plan_links(place.prefix.path(), diff({}, {a.record}), {a}), {}, quick());
        code = 0;
      } catch (const Error& error) {
        code = error.kind() == ErrorKind::prefix_exists ? 1 : 2;
        if (code == 2) std::fprintf(stderr, "%s\n", error.what());
      }
      _exit(code);
    }
    children.push_back(child);
  }
  int won = 0, lost = 0;
  for (pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    won += WIFEXITED(status) && WEXITSTATUS(status) == 0;
    lost += WIFEXITED(status) && WEXITSTATUS(status) == 1;
  }
  CHECK(won == 1);
  CHECK(lost == 7);
  CHECK(list_directory(place.folder.path() + "/envs") == std::vector<std::string>{"one"});
  CHECK(PrefixData::load(place.prefix).records().size() == 1);
}

TEST_CASE("writers and readers of one environment: every state is a whole one") {
  Place place;
  const std::vector<PackageSource> packages{place.package("a").file("a", "a"), place.package("b").file("b", "b"), place.package("c").file("c", "c")};
  install(place.prefix, {}, quick());
  InstallOptions patient = quick();
  patient.lock_timeout = std::chrono::seconds(60);
  std::vector<pid_t> children;
  for (unsigned writer = 0; writer < 4; ++writer) {
    const pid_t child = fork();
    if (child == 0) {
      int code = 0;
      try {
        for (unsigned round = 0; round < 15; ++round) {
          const unsigned mask = (writer * 7 + round * 5 + 3) % 8;
          std::vector<PackageSource> wanted;
          for (unsigned i = 0; i < 3; ++i)
            if (mask & (1U << i)) wanted.push_back(packages[i]);
          install(place.prefix, wanted, patient);
        }
      } catch (const std::exception&) {
        code = 1;
      }
      _exit(code);
    }
    children.push_back(child);
  }
  for (int i = 0; i < 300; ++i) CHECK_NOTHROW(PrefixData::load(place.prefix));
  for (pid_t child : children) {
    int status = 0;
    REQUIRE(waitpid(child, &status, 0) == child);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == 0);
  }
  CHECK(recover(place.prefix).outcome == RecoverResult::Outcome::clean);
  for (const char* name : {"a", "b", "c"})
    CHECK((PrefixData::load(place.prefix).find(name) != nullptr) == fs::exists(place.prefix / name));
  CHECK(History::load(place.prefix).entries().size() == 61);
}

TEST_CASE("cache and environment on different file systems") {
  if (!fs::is_directory("/dev/shm") || access("/dev/shm", W_OK | X_OK) != 0) {
    WARN("skipped: there is no /dev/shm");
    return;
  }
  const TemporaryDirectory memory("/dev/shm", "envtool-cross-");
  Place place;
  const Prefix prefix(memory.path() + "/env");
  const std::string p = placeholder;
  const PackageSource a = place.package("a").file("bin/a", "a", 0755).text("etc/a", p).link("l", "bin/a").no_link("n", "n");
  install(prefix, {a}, quick());
  CHECK(slurp(prefix / "bin/a") == "a");
  CHECK((fs::status(prefix / "bin/a").permissions() & fs::perms::owner_exec) != fs::perms::none);
  CHECK(PrefixData::load(prefix).find("a")->link_type == LinkType::copy);
  const PackageSource b = place.package("b").file("lib/b", "b");
  install(prefix, {a, b}, quick());
  CHECK(slurp(prefix / "lib/b") == "b");
}

#ifdef ENVTOOL_FAILPOINTS

TEST_CASE("worker: leave a journal", "[.]") {
  const std::string folder = std::getenv("ENVTOOL_TEST_FOLDER");
  const PackageSource old_a = PackageBuilder(folder + "/worker-pkgs", "a").file("x", "x");
  const PackageSource new_a = PackageBuilder(folder + "/worker-pkgs", "a", "2.0").file("x", "new").file("y", "y");
  const Prefix prefix(folder + "/envs/one");
  install(prefix, {old_a}, quick());
  EnvironmentChange change;
  PrefixLock lock = PrefixLock::acquire(prefix, quick());
  const LinkPlan plan = plan_for(prefix, {new_a});
  setenv("ENVTOOL_TEST_READY", "1", 1);
  apply_to_prefix(lock, plan, change, quick());
}

TEST_CASE("a damaged journal is noticed at every byte, and nothing is guessed") {
  Place place;
  REQUIRE(run_worker("worker: leave a journal",
                     {{"ENVTOOL_TEST_FOLDER", place.folder.path()}, {"ENVTOOL_FAILPOINT", "apply.committed:1:kill"}}) == 137);
  const std::string tx = place.prefix.transaction_directory();
  const std::string whole = slurp(tx + "/journal.ready");
  REQUIRE(slurp(tx + "/journal.copy") == whole);
  REQUIRE(slurp(place.prefix / "x") == "x");
  const Manifest pending = manifest(place.prefix.path());

  // Both copies damaged in the same way: refused, and not a file is touched.
  std::size_t tried = 0;
  for (std::size_t at = 0; at < whole.size(); at += 3) {
    std::string damaged = whole;
    if (at % 2 == 0)
      damaged[at] = static_cast<char>(damaged[at] ^ 1);
    else
      damaged.resize(at);
    spit(tx + "/journal.ready", damaged);
    spit(tx + "/journal.copy", damaged);
    CHECK(kind_of([&] { recover(place.prefix, quick()); }) == ErrorKind::corrupt);
    ++tried;
  }
  CHECK(tried > 300);
  spit(tx + "/journal.ready", whole);
  spit(tx + "/journal.copy", whole);
  CHECK(difference(pending, manifest(place.prefix.path())) == "");
  // One copy damaged: the other is used.
  spit(tx + "/journal.ready", whole.substr(0, whole.size() / 2));
  CHECK(recover(place.prefix, quick()).outcome == RecoverResult::Outcome::rolled_forward);
  CHECK(slurp(place.prefix / "x") == "new");
  CHECK(slurp(place.prefix / "y") == "y");
}

TEST_CASE("staged files that got lost are made again from the cache") {
  Place place;
  REQUIRE(run_worker("worker: leave a journal",
                     {{"ENVTOOL_TEST_FOLDER", place.folder.path()}, {"ENVTOOL_FAILPOINT", "apply.committed:1:kill"}}) == 137);
  const std::string tx = place.prefix.transaction_directory();
  SECTION("from the cache") {
    for (const std::string& path : list_tree(tx + "/new"))
      if (slurp(tx + "/new/" + path) == "new" || slurp(tx + "/new/" + path) == "y") fs::remove(tx + "/new/" + path);
    const RecoverResult result = recover(place.prefix, quick());
    CHECK(result.lost.empty());
    CHECK(slurp(place.prefix / "x") == "new");
    CHECK(slurp(place.prefix / "y") == "y");
  }
  SECTION("without a cache the loss is told") {
    fs::remove_all(place.folder.path() + "/worker-pkgs");
    for (const std::string& path : list_tree(tx + "/new"))
      if (slurp(tx + "/new/" + path) == "y") fs::remove(tx + "/new/" + path);
    const RecoverResult result = recover(place.prefix, quick());
    CHECK(result.lost == std::vector<std::string>{"y"});
    CHECK(slurp(place.prefix / "x") == "new");
  }
  CHECK_FALSE(has_pending_change(place.prefix));
}

#endif
