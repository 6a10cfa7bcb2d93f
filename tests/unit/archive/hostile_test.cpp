#include <sys/stat.h>
#include <unistd.h>

#include "folder_writer.hpp"
#include "unpacked.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

struct Case {
  std::string label;
  std::vector<Member> members;
  ErrorKind kind = ErrorKind::unsafe;
};

Member special(std::string name, char type) {
  Member member = file(std::move(name), "");
  member.type = type;
  return member;
}

Member pax_named(const std::string& path) {
  Member member = file("plain", "x");
  member.pax = {{"path", path}};
  return member;
}

std::vector<Case> corpus() {
  const std::string long_part(256, 'a');
  std::string deep;
  for (int i = 0; i < 200; ++i) deep += "d/";
  std::vector<Case> cases{
      {"parent", {file("../victim", "x")}},
      {"parent alone", {folder("..")}},
      {"parent in the middle", {file("a/../../victim", "x")}},
      {"parent that stays inside", {file("a/../b", "x")}},
      {"parent at the end", {file("a/..", "x")}},
      {"parent after a dot", {file("./../victim", "x")}},
      {"parent folder", {folder("a/../../evil/")}},
      {"parent in a symlink's name", {soft_link("../victim", "target")}},
      {"parent in a hard link's name", {file("f", "x"), hard_link("../victim", "f")}},
      {"absolute", {file("/tmp/victim", "x")}},
      {"absolute with two slashes", {file("//tmp/victim", "x")}},
      {"absolute folder", {folder("/tmp/evil")}},
      {"absolute by an extended header", {pax_named("/tmp/victim")}},
      {"parent by an extended header", {pax_named("a/../../../victim")}},
      {"backslash parent", {file("..\\victim", "x")}},
      {"backslash parent inside", {file("a\\..\\..\\victim", "x")}},
      {"backslash absolute", {file("\\victim", "x")}},
      {"drive letter", {file("C:\\victim", "x")}},
      {"drive letter with slash", {file("c:/victim", "x")}},
      {"drive relative", {file("D:victim", "x")}},
      {"newline", {file("a\nb", "x")}},
      {"carriage return", {file("a\rb", "x")}},
      {"newline in a folder", {file("a\nb/c", "x")}},
      {"newline in a link target", {soft_link("a", "b\nc")}},
      {"root replaced by a file", {file(".", "x")}},
      {"root replaced by a symlink", {soft_link("./", "/tmp")}},
      {"part too long", {file("a/" + long_part, "x")}},
      {"path too long", {file(deep + deep + std::string(200, 'x') + "/" + deep, "x")}},
      {"too deep", {file(deep + "f", "x")}},
      {"file through a symlink", {soft_link("a", "b"), folder("b"), file("a/f", "x")}},
      {"file through an absolute symlink", {soft_link("a", "/tmp"), file("a/victim", "x")}},
      {"file through a parent symlink", {soft_link("a", ".."), file("a/victim", "x")}},
      {"file through a chain", {soft_link("a/b", "."), soft_link("c", "a/b"), file("c/f", "x")}},
      {"folder through a symlink", {soft_link("a", "/tmp"), folder("a/evil")}},
      {"symlink through a symlink", {soft_link("a", "/tmp"), soft_link("a/evil", "x")}},
      {"hard link through a symlink", {soft_link("a", "/tmp"), file("f", "x"), hard_link("a/evil", "f")}},
      {"file over a symlink", {soft_link("a", "/tmp/victim"), file("a", "x")}},
      {"symlink over a file", {file("a", "x"), soft_link("a", "b")}},
      {"symlink over a symlink", {soft_link("a", "b"), soft_link("a", "c")}},
      {"symlink over a folder", {folder("a"), soft_link("a", "b")}},
      {"folder over a symlink", {soft_link("a", "b"), folder("a")}},
      {"folder over a file", {file("a", "x"), folder("a")}},
      {"file over a folder", {folder("a"), file("a", "x")}},
      {"file beneath a file", {file("a", "x"), file("a/b", "y")}},
      {"duplicate file", {file("a", "x"), file("a", "y")}},
      {"duplicate file, same content", {file("a", "x"), file("a", "x")}},
      {"duplicate by another spelling", {file("a/b", "x"), file("./a//b", "y")}},
      {"hard link over a file", {file("a", "x"), file("b", "y"), hard_link("b", "a")}},
      {"hard link to nothing", {hard_link("a", "missing")}},
      {"hard link to a later file", {hard_link("a", "b"), file("b", "x")}},
      {"hard link to itself", {hard_link("a", "a")}},
      {"hard link out", {hard_link("a", "../../../victim")}},
      {"hard link to an absolute path", {hard_link("a", "/etc/passwd")}},
      {"hard link to a symlink", {soft_link("s", "/etc/passwd"), hard_link("a", "s")}},
      {"hard link to a folder", {folder("d"), hard_link("a", "d")}},
      {"hard link through a symlink's folder", {soft_link("s", "/etc"), hard_link("a", "s/passwd")}},
      {"relative symlink out", {soft_link("a", "../victim")}},
      {"relative symlink out, deep", {soft_link("a/b/c", "../../../victim")}},
      {"relative symlink out and back", {soft_link("a", "x/../../box/a")}},
      {"relative symlink out through a link", {folder("d"), soft_link("d/up", "."), soft_link("d/out", "up/up/../../victim")}},
      {"symlink without a target", {soft_link("a", "")}},
      {"character device", {special("dev", '3')}},
      {"block device", {special("dev", '4')}},
      {"FIFO", {special("fifo", '6')}},
      {"empty name", {file("", "x")}},
  };
  return cases;
}

std::string snapshot(const std::string& root, const std::string& box) {
  std::string text;
  for (const std::string& path : list_tree(root)) {
    const std::string full = root + "/" + path;
    if (full.starts_with(box)) continue;
    struct stat status{};
    ::lstat(full.c_str(), &status);
    text += path + " " + std::to_string(status.st_ino) + " " + std::to_string(status.st_mode) + " " +
            std::to_string(status.st_size) + " " + std::to_string(status.st_nlink) + " " +
            std::to_string(status.st_mtim.tv_nsec) + "\n";
  }
  return text;
}

}  // namespace

TEST_CASE("the hostile corpus, in both formats") {
  const Sandbox sandbox;
  const std::string outer = sandbox.outer.path();
  make_directories(outer + "/deep/er");
  for (const char* victim : {"/victim", "/deep/victim", "/deep/er/victim"}) write_new_file(outer + victim, "innocent");
  const std::vector<Case> cases = corpus();
  REQUIRE(cases.size() >= 40);
  for (const Case& one : cases)
    for (const bool conda : {false, true}) {
      CAPTURE(one.label, conda);
      const std::string archive =
          conda ? sandbox.archive("p-1-0.conda", zip_bytes(conda_entries("p-1-0", {file("info/index.json", "{}")}, one.members)))
                : sandbox.archive("p-1-0.tar.bz2", tar_bz2_bytes(one.members));
      const std::string box = sandbox.box();
      const std::string before = snapshot(outer, box);
      std::string text;
      const auto kind = error_kind_of([&] { extract_package(archive, box); }, &text);
      CAPTURE(text);
      CHECK(kind == one.kind);
      CHECK(snapshot(outer, box) == before);
      CHECK_FALSE(exists_no_follow("/tmp/victim"));
      CHECK_FALSE(exists_no_follow("/tmp/evil"));
    }
}

TEST_CASE("a NUL in a name does not hide the rest of it") {
  // libarchive, like other readers, cuts the name there: what is left gets the usual checks.
  const Sandbox sandbox;
  const std::string archive = sandbox.archive("p-1-0.tar.bz2", tar_bz2_bytes({pax_named(std::string("../x\0y", 6))}));
  CHECK(error_kind_of([&] { extract_package(archive, sandbox.box()); }) == ErrorKind::unsafe);
}

TEST_CASE("the parts of a .conda file keep to their places") {
  const Sandbox sandbox;
  const auto unpack = [&](const std::vector<Member>& info, const std::vector<Member>& package) {
    const std::string archive = sandbox.archive("p-1-0.conda", zip_bytes(conda_entries("p-1-0", info, package)));
    return error_kind_of([&] { extract_package(archive, sandbox.box()); });
  };
  CHECK(unpack({file("info/index.json", "{}")}, {file("a", "x")}) == std::nullopt);
  CHECK(unpack({file("info/index.json", "{}")}, {file("info/link.json", "{}")}) == ErrorKind::unsafe);
  CHECK(unpack({file("info/index.json", "{}"), file("bin/x", "")}, {}) == ErrorKind::unsafe);
  CHECK(unpack({soft_link("info", "lib")}, {}) == ErrorKind::unsafe);
  CHECK(unpack({file("info", "")}, {}) == ErrorKind::unsafe);
}

TEST_CASE("setuid, setgid and sticky bits are dropped, files become readable") {
  const Sandbox sandbox;
  const mode_t old_mask = ::umask(022);
  const std::string archive = sandbox.archive(
      "p-1-0.tar.bz2", tar_bz2_bytes({file("suid", "x", 04755), file("sgid", "x", 02755), file("sticky", "x", 01644),
                                      file("none", "x", 0), file("all", "x", 0777), file("private", "x", 0600)}));
  const std::string box = sandbox.box();
  extract_package(archive, box);
  ::umask(old_mask);
  const auto mode = [&](const char* name) {
    struct stat status{};
    REQUIRE(::lstat((box + "/" + name).c_str(), &status) == 0);
    return status.st_mode & 07777;
  };
  CHECK(mode("suid") == 0755);
  CHECK(mode("sgid") == 0755);
  CHECK(mode("sticky") == 0644);
  CHECK(mode("none") == 0644);
  CHECK(mode("all") == 0755);
  CHECK(mode("private") == 0644);
}

TEST_CASE("links that leave the package: each policy") {
  const Sandbox sandbox;
  const std::string absolute = sandbox.archive("a-1-0.tar.bz2", tar_bz2_bytes({soft_link("lib/x", "/usr/share/x")}));
  const std::string relative = sandbox.archive("r-1-0.tar.bz2", tar_bz2_bytes({soft_link("lib/x", "../../x")}));
  const std::string in_info = sandbox.archive(
      "i-1-0.tar.bz2", tar_bz2_bytes({soft_link("info/recipe/a", "/home/x"), soft_link("info/b", "../../../b"), soft_link("info/c", "d")}));
  const auto unpack = [&](const std::string& archive, OutsideLinks policy) {
    ExtractLimits limits;
    limits.outside_links = policy;
    return error_kind_of([&] { extract_package(archive, sandbox.box(), limits); });
  };
  CHECK(unpack(absolute, OutsideLinks::reject) == ErrorKind::unsafe);
  CHECK(unpack(absolute, OutsideLinks::keep_absolute) == std::nullopt);
  CHECK(unpack(absolute, OutsideLinks::keep) == std::nullopt);
  CHECK(unpack(relative, OutsideLinks::reject) == ErrorKind::unsafe);
  CHECK(unpack(relative, OutsideLinks::keep_absolute) == ErrorKind::unsafe);
  CHECK(unpack(relative, OutsideLinks::keep) == std::nullopt);
  for (const OutsideLinks policy : {OutsideLinks::reject, OutsideLinks::keep_absolute}) {
    const std::string box = sandbox.box();
    ExtractLimits limits;
    limits.outside_links = policy;
    const auto entries = extract_package(in_info, box, limits);
    CHECK(entries.size() == 1);
    CHECK(find_entry(entries, "info/c") != nullptr);
    CHECK_FALSE(exists_no_follow(box + "/info/recipe/a"));
    CHECK_FALSE(exists_no_follow(box + "/info/b"));
  }
}

TEST_CASE("without openat2 the folder writer refuses the same") {
  for (const auto walk : {FolderWriter::Walk::openat2, FolderWriter::Walk::part_by_part}) {
    const Sandbox sandbox;
    const std::string box = sandbox.box();
    FolderWriter writer(box, "p.conda", walk);
    writer.make_symlink("out", "/tmp");
    writer.make_symlink("up", "..");
    writer.make_directory("real/folder");
    writer.make_symlink("real/here", "folder");
    CHECK(error_kind_of([&] { writer.create_file("out/x", false); }) == ErrorKind::unsafe);
    CHECK(error_kind_of([&] { writer.create_file("up/x", false); }) == ErrorKind::unsafe);
    CHECK(error_kind_of([&] { writer.create_file("real/here/x", false); }) == ErrorKind::unsafe);
    CHECK(error_kind_of([&] { writer.make_directory("up/x/y"); }) == ErrorKind::unsafe);
    CHECK(error_kind_of([&] { writer.make_symlink("out/x", "y"); }) == ErrorKind::unsafe);
    CHECK(error_kind_of([&] { writer.make_hardlink("h", "out/passwd"); }) == ErrorKind::unsafe);
    writer.create_file("real/folder/x", true);
    CHECK(exists(box + "/real/folder/x"));
    CHECK(list_directory(sandbox.outer.path() + "/deep/er") == std::vector<std::string>{"box"});
  }
}

TEST_CASE("the folder must be empty") {
  const Sandbox sandbox;
  const std::string archive = sandbox.archive("p-1-0.tar.bz2", tar_bz2_bytes({file("a", "x")}));
  const std::string box = sandbox.box();
  write_new_file(box + "/old", "");
  CHECK(error_kind_of([&] { extract_package(archive, box); }) == ErrorKind::internal);
  remove_tree(box);
  CHECK(error_kind_of([&] { extract_package(archive, box); }).has_value());
}
