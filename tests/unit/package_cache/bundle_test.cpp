#include "envtool/package_cache/bundle.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include "cache_sandbox.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {
/// An environment with files that pip installed.
struct PipBox : CacheSandbox {
  std::string prefix = root.path() + "/env";
  std::vector<std::string> paths{"bin/shout", "lib/site-packages/shout.py", "lib/site-packages/big.so"};
  Bundle about;

  PipBox() {
    make_directories(prefix + "/bin");
    make_directories(prefix + "/lib/site-packages");
    write_new_file(prefix + "/bin/shout", "#!" + prefix + "/bin/python\n", 0755);
    write_new_file(prefix + "/lib/site-packages/shout.py", "x = 1\n");
    write_new_file(prefix + "/lib/site-packages/big.so", std::string(2 << 20, 'x'));
    about.name = "shout";
    about.version = "1.0";
    about.prefix = prefix;
  }
  std::string keep(bool hardlink = true) { return BundleStore({pkgs}).keep(about, paths, hardlink, {}); }
};
}  // namespace

TEST_CASE("files are kept and found again") {
  PipBox box;
  const std::string id = box.keep();
  const auto bundle = BundleStore({box.other, box.pkgs}).find(id);
  REQUIRE(bundle);
  CHECK(bundle->name == "shout");
  CHECK(bundle->prefix == box.prefix);
  REQUIRE(bundle->files.size() == 3);
  CHECK(bundle->files[0].path == "bin/shout");
  CHECK(bundle->files[0].mode == 0755);
  CHECK(bundle_problem(*bundle, {}).empty());
  CHECK(read_file(bundle->folder + "/bin/shout") == read_file(box.prefix + "/bin/shout"));
  // The same files are the same bundle; small ones are copies.
  CHECK(box.keep() == id);
  CHECK(list_directory(box.pkgs + "/.pip").size() == 1);
  CHECK(list_directory(box.pkgs + "/.tmp").empty());
  overwrite_in_place(box.prefix + "/lib/site-packages/shout.py", "y = 2\n");
  CHECK(bundle_problem(*bundle, {}).empty());
  CHECK(box.keep() != id);
  CHECK_FALSE(BundleStore({box.pkgs}).find(std::string(64, '0')));
  CHECK_FALSE(BundleStore({box.pkgs}).find("../" + id));
}

TEST_CASE("a kept file that was changed or lost is noticed") {
  PipBox box;
  const std::string id = box.keep();
  const Bundle bundle = BundleStore({box.pkgs}).find(id).value();
  SECTION("through the link of a large file") {
    overwrite_in_place(box.prefix + "/lib/site-packages/big.so", std::string(2 << 20, 'y'));
    CHECK(bundle_problem(bundle, {}).find("was changed") != std::string::npos);
  }
  SECTION("gone") {
    remove_file(bundle.folder + "/bin/shout");
    CHECK(bundle_problem(bundle, {}).find("is gone") != std::string::npos);
  }
  SECTION("another mode") {
    REQUIRE(::chmod((bundle.folder + "/bin/shout").c_str(), 0644) == 0);
    CHECK_FALSE(bundle_problem(bundle, {}).empty());
  }
  SECTION("a symlink instead") {
    remove_file(bundle.folder + "/lib/site-packages/shout.py");
    REQUIRE(::symlink((box.prefix + "/lib/site-packages/shout.py").c_str(), (bundle.folder + "/lib/site-packages/shout.py").c_str()) == 0);
    CHECK_FALSE(bundle_problem(bundle, {}).empty());
  }
  SECTION("the description") {
    const std::string manifest = bundle.folder + "/../manifest";
    const std::string text = read_file(manifest);
    write_atomically(manifest, text + "file " + std::string(64, '0') + " 1 644 0 x\n");
    CHECK_FALSE(BundleStore({box.pkgs}).find(id));
  }
}

TEST_CASE("what cannot be kept is told") {
  PipBox box;
  for (const char* path : {"lib/nothing", "../outside", "/etc/passwd", "conda-meta/history", "lib/site-packages", "a\nb"}) {
    CAPTURE(path);
    box.paths = {path};
    CHECK(error_kind_of([&] { box.keep(); }));
  }
  REQUIRE(::symlink("/etc", (box.prefix + "/away").c_str()) == 0);
  box.paths = {"away/passwd"};
  CHECK(error_kind_of([&] { box.keep(); }) == ErrorKind::corrupt);
  CHECK(list_directory(box.pkgs + "/.tmp").empty());
}

TEST_CASE("hostile descriptions") {
  const std::string good = render_bundle({"n", "1", "/p", {{"bin/x", sha256("x"), 1, 0755, 5}}, ""});
  CHECK(parse_bundle(good, "x").files[0].mtime_ns == 5);
  for (const char* path : {"../x", "/etc/x", "conda-meta/history", "conda-meta", "a//b", ""})
    CHECK(error_kind_of([&] { parse_bundle(render_bundle({"n", "1", "/p", {{path, sha256("x"), 1, 0755, 5}}, ""}), "x"); }) == ErrorKind::unsafe);
  CHECK(error_kind_of([&] { parse_bundle(render_bundle({"n", "1", "/p", {{"x", sha256("x"), 1, 04755, 5}}, ""}), "x"); }) == ErrorKind::corrupt);
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK(error_kind_of([&] { parse_bundle(good.substr(0, size), "x"); }).has_value() == (size != good.find("file")));
}

TEST_CASE("cleaning leaves what revisions need") {
  PipBox box;
  const RepoDataRecord needed = box.publish_sample("needed"), archived = box.publish_sample("archived"), free = box.publish_sample("free");
  PackageCache cache({box.pkgs});
  box.ensure(cache, {needed, archived, free});
  remove_tree(box.pkgs + "/archived-1.0-0");
  const std::string kept = box.keep();
  box.paths.pop_back();
  const std::string other = box.keep();
  CacheNeeds needs{{}, {needed, archived}, {kept}};
  const auto names = [](const std::vector<PackageCache::CleanItem>& items) {
    std::vector<std::string> result;
    for (const auto& item : items) result.push_back(item.path.substr(item.path.rfind('/') + 1));
    return result;
  };
  auto plan = cache.plan_clean(true, true, false, needs);
  CHECK(names(plan.tarballs) == std::vector<std::string>{"free-1.0-0.conda", "needed-1.0-0.conda"});
  // A bundle of this hour may belong to a command that has not finished.
  CHECK(names(plan.packages) == std::vector<std::string>{"free-1.0-0"});
  std::vector<std::string> stay = names(plan.kept);
  std::sort(stay.begin(), stay.end());
  std::vector<std::string> expected{"archived-1.0-0.conda", "needed-1.0-0", kept, other};
  std::sort(expected.begin(), expected.end());
  CHECK(stay == expected);

  plan = cache.plan_clean(true, true, true, needs);
  CHECK(plan.kept.empty());
  CHECK(plan.packages.size() == 4);
  CHECK(cache.clean(plan).empty());
  CHECK(list_directory(box.pkgs + "/.pip").empty());

  // Other content under the same name is not what is needed.
  RepoDataRecord same_name = needed;
  same_name.sha256 = sha256("other");
  box.ensure(cache, {needed});
  CHECK(names(cache.plan_clean(false, true, false, {{}, {same_name}, {}}).packages) == std::vector<std::string>{"needed-1.0-0"});

  // What an environment has is in use.
  CHECK(cache.plan_clean(false, true, false, {{needed}, {}, {}}).packages.empty());
  CHECK(names(cache.plan_clean(false, true, true, {{needed}, {}, {}}).packages) == std::vector<std::string>{"needed-1.0-0"});
}
