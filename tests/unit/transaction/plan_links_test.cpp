#include <algorithm>
#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/transaction/link_plan.hpp"

using namespace envtool;

namespace {
const std::string prefix = "/opt/env";

PathEntry entry(const std::string& path, const std::string& content = "content") {
  PathEntry result;
  result.path = path;
  result.sha256 = sha256(content);
  result.size_in_bytes = content.size();
  return result;
}

PackageSource package(const std::string& name, std::vector<PathEntry> paths, std::vector<std::string> depends = {},
                      const std::string& version = "1") {
  PackageSource source;
  source.record.name = name;
  source.record.version = version;
  source.record.build = "0";
  source.record.subdir = "linux-64";
  source.record.sha256 = sha256(source.record.dist());
  source.record.depends = std::move(depends);
  source.extracted_directory = "/pkgs/" + source.record.dist();
  source.paths.paths = std::move(paths);
  return source;
}

PackageSource noarch(PackageSource source) {
  source.record.noarch = NoarchType::python;
  return source;
}

/// What is recorded after a plan was carried out.
std::vector<PrefixRecord> records_of(const LinkPlan& plan) {
  std::vector<PrefixRecord> records;
  for (const PlannedPackage& item : plan.packages) records.push_back(item.record);
  return records;
}

LinkPlan plan(const std::vector<PrefixRecord>& installed, const std::vector<PackageSource>& wanted, const LinkPlanOptions& options = {},
              const std::string& where = prefix) {
  std::vector<RepoDataRecord> records;
  for (const auto& item : wanted) records.push_back(item.record);
  return plan_links(where, diff(installed, records), wanted, options);
}

const FileAction* action(const LinkPlan& plan, const std::string& target) {
  for (const auto& item : plan.files)
    if (item.target == target) return &item;
  return nullptr;
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

const PackageSource python = package("python", {entry("bin/python3.11")}, {}, "3.11.2");
}  // namespace

TEST_CASE("noarch Python packages are moved, get scripts and byte code") {
  PackageSource pure = noarch(package("pure", {entry("site-packages/pure/__init__.py"), entry("python-scripts/tool"), entry("share/x.py"),
                                               entry("site-packages/pure/data.txt")}, {"python"}));
  pure.link.entry_points.push_back({"run-it", "pure.main", "Main.go"});
  const LinkPlan result = plan({}, {python, pure});
  CHECK(action(result, "lib/python3.11/site-packages/pure/__init__.py") != nullptr);
  CHECK(action(result, "bin/tool") != nullptr);
  REQUIRE(action(result, "bin/run-it") != nullptr);
  CHECK(action(result, "bin/run-it")->kind == FileAction::Kind::entry_point);
  REQUIRE(result.compile.size() == 1);
  CHECK(result.compile[0].target == "lib/python3.11/site-packages/pure/__pycache__/__init__.cpython-311.pyc");
  CHECK(kind_of([&] { plan({}, {pure}); }) == ErrorKind::unsatisfiable);
  // abi3 (CEP 20): a platform subdir changes nothing about it.
  PackageSource abi3 = noarch(package("fast", {entry("site-packages/fast.abi3.so")}, {"python"}));
  CHECK(action(plan({}, {python, abi3}), "lib/python3.11/site-packages/fast.abi3.so") != nullptr);
}

TEST_CASE("paths that a package must not have are refused before any change") {
  for (const char* path : {"../x", "/etc/passwd", "a/../../x", "", ".", "a//b", "conda-meta/x.json", "conda-meta", "a/./b"})
    CHECK(kind_of([&] { plan({}, {package("a", {entry(path)})}); }) == ErrorKind::unsafe);
  PackageSource escaping = noarch(package("a", {entry("python-scripts/../../x")}));
  CHECK(kind_of([&] { plan({}, {python, escaping}); }) == ErrorKind::unsafe);
  PackageSource command = noarch(package("a", {}));
  command.link.entry_points.push_back({"../../evil", "m", "f"});
  CHECK(kind_of([&] { plan({}, {python, command}); }) == ErrorKind::unsafe);
  // Metadata of the package is not linked, whatever its manifest says.
  CHECK(plan({}, {package("a", {entry("info/index.json"), entry("x")})}).files.size() == 1);
}

TEST_CASE("hostile paths of installed records are left alone") {
  PrefixRecord record;
  record.name = "a";
  record.version = "1";
  record.build = "0";
  for (const char* path : {"../victim", "/etc/passwd", "conda-meta/history", "ok"}) {
    PathEntry item;
    item.path = path;
    record.paths.push_back(item);
    record.files.push_back(path);
  }
  const LinkPlan result = plan({record}, {});
  REQUIRE(result.removals.size() == 1);
  CHECK(result.removals[0].path == "ok");
  CHECK(result.warnings.size() == 2);
}

TEST_CASE("a binary needs room for the prefix") {
  PathEntry binary = entry("lib/x.so");
  binary.prefix_placeholder = "/" + std::string(29, 'p');
  binary.file_mode = FileMode::binary;
  const auto with = [&](std::size_t length) { return [&, length] { plan({}, {package("a", {binary})}, {}, "/" + std::string(length - 1, 'e')); }; };
  CHECK_NOTHROW(with(29)());
  CHECK_NOTHROW(with(30)());
  CHECK(kind_of(with(31)) == ErrorKind::invalid_input);
  binary.file_mode = FileMode::text;
  CHECK_NOTHROW(with(300)());
}

TEST_CASE("different content at one path has a winner, whatever the order") {
  const PackageSource low = package("zz-low", {entry("x", "low")}), high = package("a-high", {entry("x", "high")}, {"zz-low"}),
                      other = package("m-other", {entry("x", "other")});
  std::vector<PackageSource> all{low, high, other};
  std::sort(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.record.name < b.record.name; });
  do {
    const LinkPlan result = plan({}, all);
    REQUIRE(result.files.size() == 3);
    const FileAction* winner = action(result, "x");
    REQUIRE(winner != nullptr);
    CHECK(result.packages[winner->package].record.name == "a-high");  // it depends on the other
    REQUIRE(result.conflicts.size() == 1);
    CHECK(result.conflicts[0].winner == "a-high-1-0");
    CHECK(result.conflicts[0].losers == std::vector<std::string>{"m-other-1-0", "zz-low-1-0"});
  } while (std::next_permutation(all.begin(), all.end(), [](const auto& a, const auto& b) { return a.record.name < b.record.name; }));

  LinkPlanOptions prevent;
  prevent.conflicts = PathConflictPolicy::prevent;
  CHECK(kind_of([&] { plan({}, all, prevent); }) == ErrorKind::clobber);
  // Identical content is no conflict.
  const LinkPlan same = plan({}, {package("a", {entry("x")}), package("b", {entry("x")})}, prevent);
  CHECK(same.files.size() == 1);
  CHECK(same.shared.size() == 1);
  CHECK(same.conflicts.empty());
}

TEST_CASE("paths that stay owned are not removed") {
  const PackageSource a = package("a", {entry("shared"), entry("own-a")}), b = package("b", {entry("shared"), entry("own-b")});
  const LinkPlan both = plan({}, {a, b});
  const LinkPlan without = plan(records_of(both), {b});
  REQUIRE(without.removals.size() == 1);
  CHECK(without.removals[0].path == "own-a");
  CHECK(without.files.empty());
}

TEST_CASE("a file and a folder at one path cannot be") {
  const PackageSource file = package("a", {entry("x")}), folder = package("b", {entry("x/y")});
  CHECK(kind_of([&] { plan({}, {file, folder}); }) == ErrorKind::clobber);
  const auto has_file = records_of(plan({}, {file})), has_folder = records_of(plan({}, {folder}));
  CHECK(kind_of([&] { plan(has_file, {file, folder}); }) == ErrorKind::clobber);
  CHECK(kind_of([&] { plan(has_folder, {file, folder}); }) == ErrorKind::clobber);
  // One after the other is fine.
  CHECK_NOTHROW(plan(has_file, {folder}));
  CHECK_NOTHROW(plan(has_folder, {file}));
}

TEST_CASE("a symlink of another package may lead to a folder") {
  PathEntry link = entry("lib64");
  link.path_type = PathType::softlink;
  const LinkPlan result = plan({}, {package("a", {link}), package("b", {entry("lib64/x"), entry("lib/y")})});
  REQUIRE(action(result, "lib64/x") != nullptr);
  CHECK(action(result, "lib64/x")->through_link);
  CHECK_FALSE(action(result, "lib/y")->through_link);
}

TEST_CASE("records and requests") {
  const PackageSource a = package("a", {entry("x")}), a2 = package("a", {entry("x", "new")}, {}, "2"), b = package("b", {});
  const auto installed = records_of(plan({}, {a, b}));
  LinkPlanOptions options;
  options.requested_specs = {{"a", {"a >=2"}}, {"b", {"b"}}};
  const LinkPlan result = plan(installed, {a2, b}, options);
  CHECK(result.removed_records == std::vector<std::string>{"a-1-0.json"});
  CHECK(result.basis == std::vector<std::string>{"a-1-0.json", "b-1-0.json"});
  REQUIRE(result.rewritten_records.size() == 1);
  CHECK(result.rewritten_records[0].requested_specs == std::vector<std::string>{"b"});
  CHECK(result.packages[0].record.requested_specs == std::vector<std::string>{"a >=2"});
  CHECK(result.replaced.contains("x"));
  CHECK(result.removals.empty());
}

TEST_CASE("link scripts are named, not run") {
  const LinkPlan result = plan({}, {package("a", {entry("bin/.a-post-link.sh"), entry("bin/.b-post-link.sh")})});
  REQUIRE(result.link_scripts.size() == 1);
  CHECK(result.link_scripts[0].action == "post-link");
}

TEST_CASE("odd prefixes are refused") {
  for (const char* where : {"", "relative", "/", "/a/", "/a\nb", "/a\x1b[31m"})
    CHECK(kind_of([&] { plan({}, {}, {}, where); }) == ErrorKind::invalid_input);
}

TEST_CASE("the first lines of console scripts") {
  const EntryPoint point{"run", "package.module", "Class.method"};
  const std::string script = entry_point_script(point, "/opt/env/bin/python3.11");
  CHECK(script.rfind("#!/opt/env/bin/python3.11\n", 0) == 0);
  CHECK(script.find("from package.module import Class\n") != std::string::npos);
  CHECK(script.find("sys.exit(Class.method())") != std::string::npos);
  const std::string exact = "/" + std::string(124, 'x'), longer = exact + "x";
  CHECK(entry_point_script(point, exact).rfind("#!" + exact + "\n", 0) == 0);
  CHECK(entry_point_script(point, longer).rfind("#!/bin/sh\n'''exec' \"" + longer + "\" \"$0\" \"$@\"\n' '''\n", 0) == 0);
  CHECK(entry_point_script(point, "/a b/$(reboot)/python").rfind("#!/bin/sh\n'''exec' '/a b/$(reboot)/python' ", 0) == 0);
  CHECK_THROWS_AS(entry_point_script(point, "/a b/it's/python"), Error);
  CHECK_THROWS_AS(entry_point_script(point, "/a\nb/python"), Error);
}
