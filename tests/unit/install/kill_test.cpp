// Kills a change at every one of its fail points, makes every call fail once, and compares what is left
// with what was before and what should be after.
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "install_fixture.hpp"

using namespace envtool;
using namespace envtool::test;
namespace fs = std::filesystem;

namespace {
/// Everything about a scenario follows from its folder, so that a worker process finds the same packages.
struct Scenario {
  std::string folder, name;
  std::string cache = folder + "/pkgs";
  Prefix prefix{folder + "/envs/one"};

  PackageBuilder package(const std::string& package_name, const std::string& version) const {
    if (!is_prebuilt()) fs::remove_all(cache + "/" + package_name + "-" + version + "-0");
    return {cache, package_name, version};
  }

  std::vector<PackageSource> before() const {
    if (name == "create") return {};
    const std::string p = placeholder;
    return {package("alpha", "1").file("bin/alpha", "old alpha", 0755).text("etc/alpha", p + " one").file("lib/kept", "the same").link("lib/link", "one")
                .binary("lib/bin.so", p + "/x" + std::string(3, '\0')).file("share/goes/deep/down", "x").file("turns/to-file/inner", "1").file("turns/to-folder", "2")
                .file("moves", "from alpha").file("edited.conf", "as packaged").file("mod.py", "x = 1\n"),
            package("beta", "1").file("bin/beta", "beta").file("clash", "beta's").file("share/beta/data", "data"),
            package("gone", "1").file("bin/gone", "gone").link("share/gone/link", "nowhere").folder("var/gone")};
  }

  std::vector<PackageSource> after() const {
    const std::string p = placeholder;
    if (name == "remove") return {before()[1]};
    if (name == "empty") return {};
    std::vector<PackageSource> wanted{
        package("alpha", "2").file("bin/alpha", "new alpha", 0755).text("etc/alpha", p + " two").file("lib/kept", "the same").link("lib/link", "two")
            .binary("lib/bin.so", p + "/yy" + std::string(3, '\0')).file("share/comes/deep/down", "y").file("turns/to-file", "3").file("turns/to-folder/inner", "4")
            .file("edited.conf", "as packaged anew").file("in-the-way", "ours"),
        package("beta", "1").file("bin/beta", "beta").file("clash", "beta's").file("share/beta/data", "data"),
        package("zeta", "1").file("moves", "from zeta").file("clash", "zeta's").no_link("share/zeta", "copied")};
    if (name == "create") wanted.push_back(package("extra", "1").folder("var/extra").link("lib/extra", "../bin"));
    return wanted;
  }

  /// What the user did: a file where a new one will come, an edited one, one of their own, byte code.
  void user_files() const {
    if (name == "create") return;
    spit(prefix / "in-the-way", "the user's");
    spit(prefix / "edited.conf", "edited by the user");
    spit(prefix / "share/goes/user-file", "the user's own");
    spit(prefix / "__pycache__/mod.cpython-311.pyc", "byte code");
  }
};

/// Names the one thing that differs by design: `to` may be there with the user's content in any state.
void check_user_files(const Scenario& scenario) {
  if (scenario.name == "create") return;
  std::multiset<std::string> contents;
  for (const std::string& path : list_tree(scenario.prefix.path()))
    if (path.rfind("conda-meta/", 0) != 0 && fs::is_regular_file(scenario.prefix / path)) contents.insert(slurp(scenario.prefix / path));
  CHECK(contents.count("the user's") == 1);
  CHECK(contents.count("edited by the user") == 1);
  CHECK(contents.count("the user's own") == 1);
}

void copy_tree(const std::string& from, const std::string& to) {
  fs::remove_all(to);
  fs::create_directories(fs::path(to).parent_path());
  REQUIRE(std::system(("cp -a '" + from + "' '" + to + "'").c_str()) == 0);
}

InstallOptions worker_options() {
  InstallOptions options;
  options.durability = std::getenv("ENVTOOL_TEST_FULL") != nullptr ? Durability::full : Durability::none;
  options.threads = 1;
  return options;
}

/// Memory where there is some: the sweeps write a great deal, and a busy disk makes them wait.
std::string scratch() { return fs::is_directory("/dev/shm") && access("/dev/shm", W_OK | X_OK) == 0 ? "/dev/shm" : "/tmp"; }

struct Sweep {
  TemporaryDirectory folder{scratch(), "envtool-kill-"};
  Scenario scenario;
  std::string saved = folder.path() + "/saved";
  Manifest old_state, new_state;

  explicit Sweep(const std::string& name) : scenario{folder.path() + "/work", name} {
    fs::create_directories(scenario.cache);
    if (name != "create") {
      install(scenario.prefix, scenario.before(), worker_options());
      scenario.user_files();
      copy_tree(scenario.prefix.path(), saved);
      old_state = manifest(scenario.prefix.path());
    }
    install(scenario.prefix, scenario.after(), worker_options());
    new_state = manifest(scenario.prefix.path());
    check_user_files(scenario);
  }

  void reset() {
    fs::remove_all(scenario.prefix.path());
    for (const auto& item : fs::directory_iterator(scenario.folder + "/envs"))
      if (item.path() != scenario.prefix.path()) fs::remove_all(item.path());
    if (scenario.name != "create") copy_tree(saved, scenario.prefix.path());
  }

  int run(const std::string& worker, const std::string& fault, bool full = false) {
    std::map<std::string, std::string> variables{
        {"ENVTOOL_TEST_FOLDER", scenario.folder}, {"ENVTOOL_TEST_PREBUILT", "1"}, {"ENVTOOL_TEST_SCENARIO", scenario.name}, {"ENVTOOL_FAILPOINT", fault}};
    if (full) variables["ENVTOOL_TEST_FULL"] = "1";
    return run_worker(worker, variables);
  }

  /// `old` or `new`, else what is wrong.
  std::string state() {
    if (!fs::exists(scenario.prefix.path())) return scenario.name == "create" ? "old" : "the environment is gone";
    const Manifest now = manifest(scenario.prefix.path());
    if (scenario.name != "create" && difference(old_state, now).empty()) return "old";
    const std::string wrong = difference(new_state, now);
    return wrong.empty() ? "new" : "neither: " + wrong + " (old: " + difference(old_state, now) + ")";
  }

  /// One ordinary command: it recovers, then the state has to be one of the two, exactly.
  std::string state_after_recovery() {
    if (fs::exists(scenario.prefix.conda_meta())) {
      recover(scenario.prefix, worker_options());
      if (has_pending_change(scenario.prefix)) return "still pending";
    }
    const std::string result = state();
    if (result == "old" || result == "new") {
      check_user_files(scenario);
      if (scenario.name != "create" || result == "new") {
        const std::size_t blocks = History::load(scenario.prefix).entries().size();
        const std::size_t old_blocks = scenario.name == "create" ? 0 : 1;
        if (blocks != old_blocks + (result == "new" ? 1 : 0)) return "history has " + std::to_string(blocks) + " blocks";
        // What can be brought back is what the records say.
        const RevisionStore revisions = RevisionStore::load(scenario.prefix);
        for (std::size_t number = 0; number < blocks; ++number)
          if (!revisions.is_recorded(number)) return "revision " + std::to_string(number) + " is not recorded";
        std::vector<std::string> recorded, present;
        for (const RepoDataRecord& record : revisions.state(blocks - 1).packages) recorded.push_back(record.dist());
        const PrefixData data = PrefixData::load(scenario.prefix);
        for (const PrefixRecord& record : data.records()) present.push_back(record.dist());
        if (recorded != present) return "the last revision has other packages than the environment";
      }
    }
    return result;
  }
};

/// Creates the environment anew, in the place of the one that is there.
InstallResult replace_with(const Scenario& scenario) {
  std::vector<RepoDataRecord> records;
  for (const PackageSource& source : scenario.after()) records.push_back(source.record);
  InstallOptions options = worker_options();
  options.existing = ExistingPrefix::replace;
  return create_prefix(plan_links(scenario.prefix.path(), diff({}, records), scenario.after()), {}, options);
}

const int killed = 128 + 9;

/// Every how many points a sweep stops: 1 tries all (`ENVTOOL_TEST_STRIDE=1`), more saves time. Where it
/// starts varies from run to run, so that many runs see every point.
int stride(int otherwise) {
  const char* text = std::getenv("ENVTOOL_TEST_STRIDE");
  return text != nullptr ? std::max(1, std::atoi(text)) : otherwise;
}
int first_point(int step) { return 1 + static_cast<int>(getpid()) % step; }
}  // namespace

TEST_CASE("worker: change", "[.]") {
  const Scenario scenario{std::getenv("ENVTOOL_TEST_FOLDER"), std::getenv("ENVTOOL_TEST_SCENARIO")};
  install(scenario.prefix, scenario.after(), worker_options());
}

TEST_CASE("worker: replace", "[.]") {
  const Scenario scenario{std::getenv("ENVTOOL_TEST_FOLDER"), std::getenv("ENVTOOL_TEST_SCENARIO")};
  replace_with(scenario);
}

TEST_CASE("worker: recover", "[.]") {
  const Scenario scenario{std::getenv("ENVTOOL_TEST_FOLDER"), std::getenv("ENVTOOL_TEST_SCENARIO")};
  recover(scenario.prefix, worker_options());
}

TEST_CASE("worker: remove the environment", "[.]") {
  const Scenario scenario{std::getenv("ENVTOOL_TEST_FOLDER"), std::getenv("ENVTOOL_TEST_SCENARIO")};
  remove_prefix(scenario.prefix, worker_options());
}

/// The same without the library's own fail points, at the entry of the system calls themselves: that no
/// call was forgotten. Needs strace; run with `test_install [strace]`.
TEST_CASE("killed or failing at every system call, an environment is old or new", "[.][strace]") {
  if (std::system("strace -V >/dev/null 2>&1") != 0) {
    WARN("skipped: there is no strace");
    return;
  }
  const std::string name = GENERATE(as<std::string>(), "create", "update", "remove");
  CAPTURE(name);
  Sweep sweep(name);
  const auto run = [&](const std::string& call, const std::string& fault, int n) {
    sweep.reset();
    const int code = run_worker("worker: change", {{"ENVTOOL_TEST_FOLDER", sweep.scenario.folder},
                                                   {"ENVTOOL_TEST_SCENARIO", name},
                                                   {"ENVTOOL_TEST_PREBUILT", "1"},
                                                   {"ENVTOOL_TEST_FULL", "1"},
                                                   {"ENVTOOL_TEST_TRACE", "trace=" + call},
                                                   {"ENVTOOL_TEST_INJECT", "inject=" + call + ":" + fault + ":when=" + std::to_string(n)}});
    const std::string direct = sweep.state(), state = sweep.state_after_recovery();
    CAPTURE(call, fault, n, state);
    REQUIRE((state == "old" || state == "new"));
    if (code == 0) CHECK(direct == "new");
    return code;
  };
  int kills = 0, errors = 0, refused = 0;
  for (const char* call : {"mkdir", "mkdirat", "link", "linkat", "symlink", "symlinkat", "rename", "renameat", "renameat2", "unlink",
                           "unlinkat", "rmdir", "openat", "write", "chmod", "fchmod", "fallocate", "copy_file_range", "ioctl",
                           "utimensat", "fsync", "syncfs", "close", "openat2", "newfstatat", "getdents64"}) {
    int count = 0;
    while (run(call, "signal=KILL", count + 1) != 0) ++count;
    kills += count;
    for (int n = 1; n <= count; ++n)
      for (const char* fault : {"error=ENOSPC", "error=EIO"}) {
        refused += run(call, fault, n) != 0;
        ++errors;
      }
  }
  WARN(name << ": killed at " << kills << " system calls; of " << errors << " failing ones " << refused << " were told");
  CHECK(kills > 100);
}

#ifdef ENVTOOL_FAILPOINTS

TEST_CASE("killed at every step, an environment is old or new") {
  const std::string name = GENERATE(as<std::string>(), "create", "update", "remove", "empty");
  CAPTURE(name);
  Sweep sweep(name);
  int points = 0, news = 0;
  const int step = stride(3);
  for (int n = first_point(step);; n += step) {
    CAPTURE(n);
    sweep.reset();
    const bool full = n % 7 == 0;
    const int code = sweep.run("worker: change", "any:" + std::to_string(n) + ":kill", full);
    if (code == 0 && !full) break;
    if (code != 0) REQUIRE(code == killed);
    ++points;
    const std::string state = sweep.state_after_recovery();
      INFO(state);
    REQUIRE((state == "old" || state == "new"));
    if (state == "new") ++news;
    // A second recovery finds nothing, and asking again for the change gives it exactly.
    if (fs::exists(sweep.scenario.prefix.conda_meta()))
      CHECK(recover(sweep.scenario.prefix).outcome == RecoverResult::Outcome::clean);
    install(sweep.scenario.prefix, sweep.scenario.after(), worker_options());
    REQUIRE(sweep.state() == "new");
    for (const std::string& entry : list_directory(sweep.scenario.folder + "/envs")) CHECK(entry == "one");
  }
  WARN(name << ": killed at " << points << " points, " << news << " of them after the commit");
  CHECK(points > 60 / step);
  CHECK((news > 0 || name == "create"));
}

TEST_CASE("killed again while recovering, an environment is still old or new") {
  Sweep sweep("update");
  int pairs = 0;
  const int step = stride(3);
  for (int n = 10 + first_point(step);; n += 4 * step) {
    CAPTURE(n);
    sweep.reset();
    if (sweep.run("worker: change", "any:" + std::to_string(n) + ":kill") == 0) break;
    for (int m = first_point(step);; m += 3 * step) {
      CAPTURE(m);
      sweep.reset();
      sweep.run("worker: change", "any:" + std::to_string(n) + ":kill");
      if (sweep.run("worker: recover", "any:" + std::to_string(m) + ":kill") == 0) break;
      // A third time, at another place.
      sweep.run("worker: recover", "any:" + std::to_string(1 + m % 7) + ":kill");
      ++pairs;
      const std::string state = sweep.state_after_recovery();
      INFO(state);
      REQUIRE((state == "old" || state == "new"));
    }
  }
  WARN(pairs << " pairs of kills");
  CHECK(pairs > 10);
}

TEST_CASE("an unfinished change is finished in a copy of its environment") {
  Sweep sweep("update");
  // The journal's inode numbers say nothing there.
  for (int n = 45; n < 165; n += 5 * stride(3)) {
    CAPTURE(n);
    sweep.reset();
    if (sweep.run("worker: change", "any:" + std::to_string(n) + ":kill") == 0) break;
    copy_tree(sweep.scenario.prefix.path(), sweep.folder.path() + "/copy");
    copy_tree(sweep.folder.path() + "/copy", sweep.scenario.prefix.path());
    const std::string state = sweep.state_after_recovery();
      INFO(state);
    INFO(state);
    REQUIRE((state == "old" || state == "new"));
  }
}

TEST_CASE("with any call failing, an environment is old or new, and the exit says which") {
  const std::string name = GENERATE(as<std::string>(), "create", "update", "remove");
  const std::string fault = GENERATE(as<std::string>(), "ENOSPC", "EIO");
  CAPTURE(name, fault);
  Sweep sweep(name);
  int points = 0, failures = 0;
  const int step = stride(6);
  for (int n = first_point(step);; n += step) {
    CAPTURE(n);
    sweep.reset();
    const int code = sweep.run("worker: change", "any:" + std::to_string(n) + ":" + fault);
    REQUIRE(code < 128);
    const std::string direct = sweep.state();
    if (code == 0) REQUIRE(direct == "new");
    const std::string state = sweep.state_after_recovery();
      INFO(state);
    REQUIRE((state == "old" || state == "new"));
    if (code != 0) ++failures;
    ++points;
    if (code == 0) {
      sweep.reset();
      if (sweep.run("worker: change", "any:" + std::to_string(n) + ":kill") == 0) break;
    }
    REQUIRE(n < 2000);
  }
  WARN(name << ", " << fault << ": " << points << " points, " << failures << " failed commands");
  CHECK(failures > 40 / step);
}

TEST_CASE("with every call failing from one on, an environment is old or new") {
  Sweep sweep("update");
  const int step = stride(6);
  for (int n = first_point(step); n < 400; n += step) {
    CAPTURE(n);
    sweep.reset();
    const int code = sweep.run("worker: change", "any:" + std::to_string(n) + "+:ENOSPC");
    REQUIRE(code < 128);
    const std::string state = sweep.state_after_recovery();
      INFO(state);
    REQUIRE((state == "old" || state == "new"));
    if (code == 0) break;
  }
}

TEST_CASE("a file system that cannot swap files is served too") {
  Sweep sweep("update");
  sweep.reset();
  REQUIRE(sweep.run("worker: change", "install.exchange:1+:EINVAL") == 0);
  CHECK(sweep.state() == "new");
  int points = 0;
  const int step = stride(2);
  for (int n = first_point(step);; n += step) {
    CAPTURE(n);
    sweep.reset();
    if (sweep.run("worker: change", "install.exchange:1+:EINVAL,install.rename:" + std::to_string(n) + ":kill") == 0) break;
    ++points;
    REQUIRE(sweep.state_after_recovery() == "new");
  }
  CHECK(points > 20 / step);
}

TEST_CASE("killed while an environment is replaced, the old or the new one is there") {
  Sweep sweep("update");
  sweep.reset();
  replace_with(sweep.scenario);
  sweep.new_state = manifest(sweep.scenario.prefix.path());
  CHECK_FALSE(fs::exists(sweep.scenario.prefix / "share/goes/user-file"));
  int points = 0, news = 0;
  const int step = stride(3);
  for (int n = first_point(step);; n += step) {
    CAPTURE(n);
    sweep.reset();
    const int code = sweep.run("worker: replace", "any:" + std::to_string(n) + ":kill");
    const std::string state = sweep.state();
    INFO(state);
    REQUIRE((state == "old" || state == "new"));
    if (code == 0) break;
    ++points;
    news += state == "new";
    sweep_leftovers(sweep.scenario.prefix);
    CHECK(list_directory(sweep.scenario.folder + "/envs") == std::vector<std::string>{"one"});
  }
  CHECK(points > 50 / step);
  CHECK(news > 3 / step);
}

TEST_CASE("killed while an environment is removed, it is there or gone") {
  Sweep sweep("update");
  int points = 0;
  for (int n = 1;; ++n) {
    CAPTURE(n);
    sweep.reset();
    if (sweep.run("worker: remove the environment", "any:" + std::to_string(n) + ":kill") == 0) break;
    ++points;
    if (fs::exists(sweep.scenario.prefix.path())) {
      REQUIRE(sweep.state() == "old");
    } else {
      sweep_leftovers(sweep.scenario.prefix);
      CHECK(list_directory(sweep.scenario.folder + "/envs").empty());
    }
  }
  CHECK(points > 5);
}

#else

TEST_CASE("kill tests need a build with ENVTOOL_FAILPOINTS") { WARN("skipped: configure with -DENVTOOL_FAILPOINTS=ON"); }

#endif
