#include "envtool/prefix/environments.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"

using namespace envtool;
namespace fs = std::filesystem;
using Paths = std::vector<std::string>;

namespace {
struct Place {
  TemporaryDirectory folder{"/tmp", "envtool-envs-"};
  std::string root = folder.path() + "/root", first = folder.path() + "/first", second = folder.path() + "/second";
  Paths envs_dirs{first, second};
  EnvironmentRegistry registry{folder.path() + "/home"};
  std::string environment(const std::string& path) {
    fs::create_directories(path + "/conda-meta");
    write_atomically(path + "/conda-meta/history", "");
    return path;
  }
};
}  // namespace

TEST_CASE("the list of environments is changed without touching others' lines") {
  Place place;
  CHECK(place.registry.list().empty());
  CHECK_FALSE(place.registry.remove(Prefix("/x")));
  CHECK(place.registry.add(Prefix("/opt/a")));
  CHECK_FALSE(place.registry.add(Prefix("/opt/a")));
  write_atomically(place.registry.file(), "/opt/a\n/opt/no newline/\n/opt/b");
  CHECK(place.registry.add(Prefix("/opt/c")));
  CHECK(read_file(place.registry.file()) == "/opt/a\n/opt/no newline/\n/opt/b\n/opt/c\n");
  CHECK_FALSE(place.registry.add(Prefix("/opt/no newline")));
  CHECK(place.registry.remove(Prefix("/opt/b")));
  CHECK(place.registry.list() == Paths{"/opt/a", "/opt/no newline", "/opt/c"});
}

TEST_CASE("a home that cannot be written is no error") {
  Place place;
  write_atomically(place.folder.path() + "/file", "");
  const EnvironmentRegistry registry(place.folder.path() + "/file");
  CHECK_FALSE(registry.add(Prefix("/opt/a")));
  CHECK(registry.list().empty());
}

TEST_CASE("many processes register at once and no line is lost") {
  Place place;
  std::vector<pid_t> children;
  for (int child = 0; child < 8; ++child) {
    const pid_t pid = fork();
    if (pid == 0) {
      for (int i = 0; i < 5; ++i) place.registry.add(Prefix("/opt/" + std::to_string(child) + "-" + std::to_string(i)));
      _exit(0);
    }
    children.push_back(pid);
  }
  for (pid_t pid : children) {
    int status = 0;
    REQUIRE(waitpid(pid, &status, 0) == pid);
  }
  CHECK(place.registry.list().size() == 40);
}

TEST_CASE("environments are found by name") {
  Place place;
  place.environment(place.root);
  place.environment(place.second + "/both");
  CHECK(find_environment("both", place.root, place.envs_dirs)->path() == place.second + "/both");
  place.environment(place.first + "/both");
  CHECK(find_environment("both", place.root, place.envs_dirs)->path() == place.first + "/both");
  CHECK(find_environment("base", place.root, place.envs_dirs)->path() == place.root);
  CHECK_FALSE(find_environment("none", place.root, place.envs_dirs));
  CHECK_FALSE(find_environment("base", "", place.envs_dirs));
  for (const char* name : {"a/b", "..", ".", "", "a b", "a:b", "a#b"}) CHECK_THROWS_AS(find_environment(name, place.root, place.envs_dirs), Error);
  CHECK(environment_name(Prefix(place.root), place.root, place.envs_dirs) == "base");
  CHECK(environment_name(Prefix(place.first + "/x"), place.root, place.envs_dirs) == "x");
  CHECK(environment_name(Prefix("/elsewhere/x"), place.root, place.envs_dirs).empty());
}

TEST_CASE("all environments are listed once, unfinished ones are not") {
  Place place;
  place.environment(place.root);
  place.environment(place.first + "/a");
  place.environment(place.first + "/a.envtool-0123456789ab");
  fs::create_directories(place.first + "/plain-folder");
  const std::string elsewhere = place.environment(place.folder.path() + "/elsewhere");
  place.registry.add(Prefix(elsewhere));
  place.registry.add(Prefix(place.first + "/a"));
  place.registry.add(Prefix("/gone"));
  Paths found, names;
  for (const FoundEnvironment& item : list_environments(place.root, place.envs_dirs, place.registry)) {
    found.push_back(item.path);
    names.push_back(item.name);
  }
  CHECK(found == Paths{elsewhere, place.first + "/a", place.root});
  CHECK(names == Paths{"", "a", "base"});
}

TEST_CASE("new environments go to the first folder that can be written") {
  Place place;
  write_atomically(place.folder.path() + "/file", "");
  Paths dirs{place.folder.path() + "/file/below", place.second};
  CHECK(new_environment_prefix("x", place.root, dirs).path() == place.second + "/x");
  dirs.pop_back();
  CHECK_THROWS_AS(new_environment_prefix("x", place.root, dirs), Error);
  CHECK_THROWS_AS(new_environment_prefix("../x", place.root, place.envs_dirs), Error);
}
