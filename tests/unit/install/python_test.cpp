// noarch Python packages with a Python that runs.
#include <sys/stat.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <cstdlib>
#include <filesystem>

#include "envtool/os/process.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "install_fixture.hpp"

using namespace envtool;
using namespace envtool::test;
namespace fs = std::filesystem;

namespace {
/// The machine's Python, `3.11` and its path; empty when there is none.
std::pair<std::string, std::string> system_python() {
  ProcessRequest request;
  const EnvSnapshot environment = EnvSnapshot::capture();
  request.environment = &environment;
  request.arguments = {"/usr/bin/env", "python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2]); print(sys.executable)"};
  const ProcessResult result = run_process(request);
  if (result.exit_code != 0) return {};
  const std::size_t newline = result.output.find('\n');
  return {result.output.substr(0, newline), result.output.substr(newline + 1, result.output.size() - newline - 2)};
}

struct Place {
  TemporaryDirectory folder{"/tmp", "envtool-python-"};
  std::string cache = folder.path() + "/pkgs";
  std::pair<std::string, std::string> host = system_python();
  Place() { fs::create_directories(cache); }

  /// A `python` package whose interpreter hands everything to the machine's.
  PackageSource python(const std::string& patch = ".1") {
    return PackageBuilder(cache, "python", host.first + patch)
        .file("bin/python" + host.first, "#!/bin/sh\nexec '" + host.second + "' \"$@\"\n", 0755);
  }
  PackageSource pure(const std::string& version = "1.0") {
    return PackageBuilder(cache, "pure", version)
        .noarch_python()
        .depends("python")
        .entry_point("say-it", "pure.main", "Speaker.say")
        .file("site-packages/pure/__init__.py", "VERSION = '" + version + "'\n")
        .file("site-packages/pure/main.py", "import sys\nclass Speaker:\n    @staticmethod\n    def say():\n        print('said', sys.argv[1:])\n        return 7\n")
        .file("site-packages/pure/broken.py", "def (:\n")
        .text("site-packages/pure/where.py", std::string("PREFIX = '") + placeholder + "'\n")
        .file("python-scripts/old-style", "#!/bin/sh\necho old\n", 0755);
  }
  std::string site() const { return "lib/python" + host.first + "/site-packages"; }
};

InstallOptions quick() {
  InstallOptions options;
  options.durability = Durability::none;
  return options;
}

ProcessResult run(const std::vector<std::string>& arguments, const std::map<std::string, std::string>& more = {}) {
  std::map<std::string, std::string> variables{{"PATH", "/usr/bin:/bin"}};
  variables.insert(more.begin(), more.end());
  const EnvSnapshot environment(variables);
  ProcessRequest request;
  request.environment = &environment;
  request.arguments = arguments;
  return run_process(request);
}

std::vector<std::string> byte_code_of(const Prefix& prefix) {
  const PrefixData data = PrefixData::load(prefix);
  std::vector<std::string> paths;
  for (const PathEntry& entry : data.find("pure")->paths)
    if (entry.path_type == PathType::pyc_file) paths.push_back(entry.path);
  return paths;
}
}  // namespace

#define NEEDS_PYTHON(place)                                       \
  if ((place).host.first.empty()) {                               \
    WARN("skipped: there is no python3 on this machine");         \
    return;                                                       \
  }

TEST_CASE("byte code is part of a new environment, and fits its sources") {
  Place place;
  NEEDS_PYTHON(place);
  const Prefix prefix(place.folder.path() + "/env");
  const InstallResult result = install(prefix, {place.python(), place.pure()}, quick());
  CHECK(result.compiled == 3);  // one of four files is no Python; that is no error
  const std::vector<std::string> compiled = byte_code_of(prefix);
  REQUIRE(compiled.size() == 3);
  for (const std::string& path : compiled) CHECK(fs::exists(prefix / path));
  // The interpreter takes the byte code as it is: source time and size fit. It names no environment,
  // and Python puts the real place in.
  const std::string check = "import sys; sys.dont_write_bytecode = True; sys.path.insert(0, '" + (prefix / place.site()) +
                            "'); import pure.main, importlib.util, marshal\n"
                            "assert pure.main.__cached__.startswith('" + prefix.path() + "')\n"
                            "code = marshal.loads(open(pure.main.__cached__, 'rb').read()[16:])\n"
                            "assert code.co_filename == '" + place.site() + "/pure/main.py', code.co_filename\n"
                            "place = pure.main.Speaker.say.__code__.co_filename\n"
                            "assert place == '" + (prefix / place.site()) + "/pure/main.py', place\n"
                            "import os, struct\n"
                            "head = open(pure.main.__cached__, 'rb').read(16)\n"
                            "st = os.stat(pure.main.__file__)\n"
                            "assert struct.unpack('<II', head[8:]) == (int(st.st_mtime), st.st_size)\n";
  const ProcessResult checked = run({place.host.second, "-c", check});
  INFO(checked.error_output);
  CHECK(checked.exit_code == 0);
}

TEST_CASE("a second environment takes the byte code of the first") {
  Place place;
  NEEDS_PYTHON(place);
  InstallOptions options = quick();
  options.byte_code_folder = place.folder.path() + "/byte-code";
  PackageSource python = place.python();
  python.record.sha256 = sha256("this python");
  // Made once: its files' times are part of what byte code is found by.
  const PackageSource pure = place.pure();
  const Prefix first(place.folder.path() + "/first"), second(place.folder.path() + "/second");
  CHECK(install(first, {python, pure}, options).compiled == 3);
  // `where.py` has the prefix in it: it is not the same source in another environment.
  const auto kept = list_tree(options.byte_code_folder);
  REQUIRE(kept.size() == 3);
  CHECK(std::none_of(kept.begin(), kept.end(), [](const std::string& path) { return path.find("tmp") != std::string::npos; }));

  SECTION("linked, not compiled") {
    CHECK(install(second, {python, pure}, options).compiled == 3);
    const std::string main = place.site() + "/pure/__pycache__/main.cpython-";
    unsigned shared = 0;
    for (const std::string& path : byte_code_of(second))
      if (fs::hard_link_count(second / path) == 3) ++shared;
    CHECK(shared == 2);
    CHECK(list_tree(options.byte_code_folder).size() == 4);
  }
  SECTION("damaged byte code is made anew") {
    for (const std::string& path : kept) {
      fs::remove(options.byte_code_folder + "/" + path);
      spit(options.byte_code_folder + "/" + path, path.back() % 2 == 0 ? "" : "not byte code, though longer than a header");
    }
    CHECK(install(second, {python, pure}, options).compiled == 3);
    for (const std::string& path : byte_code_of(second)) CHECK(slurp(second / path).substr(4, 4) == std::string(4, '\0'));
  }
  SECTION("another Python compiles for itself") {
    python.record.sha256 = sha256("another python");
    CHECK(install(second, {python, pure}, options).compiled == 3);
    CHECK(list_tree(options.byte_code_folder).size() == 6);
  }
  SECTION("without hard links it is copied") {
    options.link.hardlink = false;
    CHECK(install(second, {python, pure}, options).compiled == 3);
    for (const std::string& path : byte_code_of(second)) CHECK(fs::hard_link_count(second / path) == 1);
  }
}

TEST_CASE("no byte code is written through a link that a package ships") {
  Place place;
  NEEDS_PYTHON(place);
  const std::string outside = place.folder.path() + "/outside";
  fs::create_directories(outside);
  const Prefix prefix(place.folder.path() + "/env");
  const PackageSource linked = PackageBuilder(place.cache, "linked").noarch_python().depends("python")
                                   .file("site-packages/linked/a.py", "A = 1\n").link("site-packages/linked/__pycache__", outside);
  try {
    install(prefix, {place.python(), linked}, quick());
  } catch (const Error&) {
    CHECK_FALSE(fs::exists(prefix.path()));
  }
  CHECK(list_directory(outside).empty());
}

TEST_CASE("byte code comes and goes with its package") {
  Place place;
  NEEDS_PYTHON(place);
  const Prefix prefix(place.folder.path() + "/env");
  install(prefix, {place.python()}, quick());
  const std::string cache = place.site() + "/pure/__pycache__";

  // Python stays: compiled before the commit. A new Python: compiled after it.
  const bool new_python = GENERATE(false, true);
  CAPTURE(new_python);
  InstallResult result = install(prefix, {place.python(new_python ? ".2" : ".1"), place.pure()}, quick());
  CHECK(result.compiled == 3);
  CHECK(list_directory(prefix / cache).size() == 3);
  result = install(prefix, {place.python(new_python ? ".2" : ".1"), place.pure("2.0")}, quick());
  CHECK(result.saved.empty());
  CHECK(list_directory(prefix / cache).size() == 3);
  const ProcessResult version =
      run({place.host.second, "-c", "import sys; sys.path.insert(0, '" + (prefix / place.site()) + "'); import pure; print(pure.VERSION)"});
  CHECK(version.output == "2.0\n");
  install(prefix, {place.python(new_python ? ".2" : ".1")}, quick());
  CHECK_FALSE(fs::exists(prefix / place.site()));
}

TEST_CASE("console scripts run without activation, wherever the environment is") {
  Place place;
  NEEDS_PYTHON(place);
  const std::string deep = place.folder.path();
  std::vector<std::string> folders{deep + "/plain", deep + "/with space", deep + "/quo\"te $HOME `id`", deep + "/ünïcode",
                                   deep + "/a b;c&d", deep + "/it's"};
  // The `#!` line has 127 bytes, one less, one more; and far more.
  const std::string tail = "/bin/python" + place.host.first;
  for (std::size_t length : {126U, 127U, 128U, 129U, 200U, 254U, 257U}) {
    std::string folder = deep + "/";
    while (folder.size() + tail.size() + 2 < length) folder += (folder.size() - folder.rfind('/') > 100) ? '/' : 'x';
    if (folder.back() == '/') folder.back() = 'y';
    folders.push_back(folder);
  }
  for (const std::string& folder : folders) {
    CAPTURE(folder);
    const Prefix prefix(folder);
    install(prefix, {place.python(), place.pure()}, quick());
    const ProcessResult said = run({prefix / "bin/say-it", "a b"}, {{"PYTHONPATH", prefix / place.site()}});
    CAPTURE(said.error_output);
    CHECK(said.output == "said ['a b']\n");
    CHECK(said.error_output.empty());
    CHECK(said.exit_code == 7);
    CHECK(run({prefix / "bin/old-style"}).output == "old\n");
    CHECK(slurp(prefix / place.site() + "/pure/where.py") == "PREFIX = '" + folder + "'\n");
  }
}

TEST_CASE("a Python that does not run is no reason to fail") {
  Place place;
  const Prefix prefix(place.folder.path() + "/env");
  const PackageSource python = PackageBuilder(place.cache, "python", "3.11.1").file("bin/python3.11", "not a program", 0755);
  place.host.first = "3.11";
  const InstallResult result = install(prefix, {python, place.pure()}, quick());
  CHECK(result.compiled == 0);
  CHECK(byte_code_of(prefix).empty());
}
