#include <sys/stat.h>
#include <unistd.h>

#include <clocale>

#include "unpacked.hpp"

using namespace envtool;
using namespace envtool::test;

TEST_CASE("a .tar.bz2 comes out as it went in") {
  const Sandbox sandbox;
  std::string large;
  for (unsigned i = 0; i < 400'000; ++i) large += static_cast<char>(i * 7919U >> 5);
  const std::string far = std::string(60, 'f') + "/" + std::string(90, 'g');
  const std::string archive = sandbox.archive(
      "p-1-0.tar.bz2", tar_bz2_bytes({folder("./"), folder("lib/"), file("./lib/large", large), file("bin/run", "#!/bin/sh\n", 0755),
                                      soft_link("lib/link", "large"), hard_link("lib/hard", "./lib/large"), file(far, "far"),
                                      file("empty", ""), folder("lib"), soft_link("bin/up", "../lib/link")}));
  const std::string box = sandbox.box();
  const auto entries = extract_package(archive, box);
  CHECK(read_file(box + "/lib/large") == large);
  CHECK(read_file(box + "/lib/hard") == large);
  CHECK(read_file(box + "/bin/run") == "#!/bin/sh\n");
  CHECK(read_file(box + "/" + far) == "far");
  CHECK(read_file(box + "/empty").empty());
  CHECK(list_tree(box).size() == 7);

  const ExtractedEntry* entry = find_entry(entries, "lib/large");
  REQUIRE(entry != nullptr);
  CHECK(entry->type == ExtractedEntry::Type::file);
  CHECK(entry->size == large.size());
  CHECK(entry->sha256 == sha256(large));
  entry = find_entry(entries, "lib/hard");
  REQUIRE(entry != nullptr);
  CHECK(entry->type == ExtractedEntry::Type::hardlink);
  CHECK(entry->link_target == "lib/large");
  CHECK(entry->sha256 == sha256(large));
  entry = find_entry(entries, "lib/link");
  REQUIRE(entry != nullptr);
  CHECK(entry->type == ExtractedEntry::Type::symlink);
  CHECK(entry->link_target == "large");
  entry = find_entry(entries, "empty");
  REQUIRE(entry != nullptr);
  CHECK(entry->sha256 == sha256(""));

  struct stat status{};
  REQUIRE(::stat((box + "/lib/large").c_str(), &status) == 0);
  CHECK(status.st_mtim.tv_sec == 1'600'000'000);
  CHECK(status.st_nlink == 2);
  REQUIRE(::stat((box + "/bin/run").c_str(), &status) == 0);
  CHECK((status.st_mode & 0111) != 0);
}

TEST_CASE("names outside of ASCII come out byte for byte in every locale") {
  const Sandbox sandbox;
  const std::string utf8 = "caf\xc3\xa9/\xe6\xbc\xa2\xe5\xad\x97", latin = "caf\xe9";
  const std::string long_name = "dir-\xc3\xbc/" + std::string(120, 'n') + "\xc3\xb6";
  Member by_pax = file("plain", "3");
  by_pax.pax = {{"path", "pax-\xe2\x82\xac"}};
  const std::string archive =
      sandbox.archive("p-1-0.tar.bz2", tar_bz2_bytes({file(utf8, "1"), file(latin, "2"), by_pax, file(long_name, "4"),
                                                      soft_link("l\xc3\xa4", "caf\xc3\xa9")}));
  const std::string before = std::setlocale(LC_ALL, nullptr);
  for (const char* locale : {"C", "C.UTF-8"}) {
    if (std::setlocale(LC_ALL, locale) == nullptr) {
      WARN("skipped: no locale " << locale);
      continue;
    }
    CAPTURE(locale);
    const std::string box = sandbox.box();
    const auto entries = extract_package(archive, box);
    CHECK(entries.size() == 5);
    CHECK(read_file(box + "/" + utf8) == "1");
    CHECK(read_file(box + "/" + latin) == "2");
    CHECK(read_file(box + "/pax-\xe2\x82\xac") == "3");
    CHECK(read_file(box + "/" + long_name) == "4");
    REQUIRE(find_entry(entries, "l\xc3\xa4") != nullptr);
    CHECK(find_entry(entries, "l\xc3\xa4")->link_target == "caf\xc3\xa9");
  }
  std::setlocale(LC_ALL, before.c_str());
}

TEST_CASE("names that only look dangerous are accepted") {
  const Sandbox sandbox;
  const std::vector<std::string> names{"...", "..a", "a..b/c..", ".hidden", "a b", "-rf", "x\\x2dy", "*?[", "'\"$(x)",
                                       "a\tb", "share/man/File::Spec.3"};
  std::vector<Member> members;
  for (const std::string& name : names) members.push_back(file(name, name));
  const std::string archive = sandbox.archive("p-1-0.tar.bz2", tar_bz2_bytes(members));
  const std::string box = sandbox.box();
  extract_package(archive, box);
  for (const std::string& name : names) CHECK(read_file(box + "/" + name) == name);
}

TEST_CASE("sparse files are filled with zeros, in the digest too") {
  const Sandbox sandbox;
  // GNU's sparse format 1.0: the map stands before the data.
  std::string map = "2\n0\n4\n100000\n4\n";
  map.resize(512);
  Member sparse = file("GNUSparseFile.0/sparse", map + "headtail");
  sparse.pax = {{"GNU.sparse.major", "1"}, {"GNU.sparse.minor", "0"}, {"GNU.sparse.name", "sparse"},
                {"GNU.sparse.realsize", "200000"}};
  const std::string archive = sandbox.archive("p-1-0.tar.bz2", tar_bz2_bytes({sparse, file("after", "x")}));
  const std::string box = sandbox.box();
  const auto entries = extract_package(archive, box);
  std::string expected = "head" + std::string(199996, '\0');
  expected.replace(100000, 4, "tail");
  CHECK(read_file(box + "/sparse") == expected);
  REQUIRE(find_entry(entries, "sparse") != nullptr);
  CHECK(find_entry(entries, "sparse")->sha256 == sha256(expected));
  CHECK(find_entry(entries, "sparse")->size == 200000);
  CHECK(read_file(box + "/after") == "x");
}

TEST_CASE("info files are read without unpacking") {
  const Sandbox sandbox;
  const std::vector<Member> members{file("bin/x", "binary"), file("info/index.json", "{\"a\": 1}"), file("info/about.json", "no"),
                                    file("./info/paths.json", "{}"), soft_link("info/link.json", "index.json")};
  for (const bool conda : {false, true}) {
    std::vector<Member> plain = members;
    plain[3].name = "info/paths.json";
    const std::string archive = conda ? sandbox.archive("p-1-0.conda", conda_bytes("p-1-0", plain))
                                      : sandbox.archive("p-1-0.tar.bz2", tar_bz2_bytes(members));
    const auto found = read_package_info(archive, {"info/paths.json", "info/index.json", "info/link.json", "info/missing"});
    REQUIRE(found.size() == 2);
    CHECK(found[0] == std::pair<std::string, std::string>("info/index.json", "{\"a\": 1}"));
    CHECK(found[1] == std::pair<std::string, std::string>("info/paths.json", "{}"));
  }
}

TEST_CASE("a stop request ends unpacking") {
  const Sandbox sandbox;
  const std::string archive = sandbox.archive("p-1-0.tar.bz2", tar_bz2_bytes({file("a", std::string(1 << 20, 'x'))}));
  std::stop_source stop;
  stop.request_stop();
  CHECK(error_kind_of([&] { extract_package(archive, sandbox.box(), {}, stop.get_token()); }) == ErrorKind::interrupted);
}

TEST_CASE("a full disk is told as one") {
  const Sandbox sandbox;
  const std::string archive = sandbox.archive("p-1-0.tar.bz2", tar_bz2_bytes({file("a", std::string(3 << 20, 'x'))}));
  const std::string mount = sandbox.box();
  if (::geteuid() != 0 || std::system(("mount -t tmpfs -o size=1m none " + mount + " 2>/dev/null").c_str()) != 0) {
    WARN("skipped: cannot mount a small tmpfs");
    return;
  }
  const auto kind = error_kind_of([&] { extract_package(archive, mount); });
  CHECK(std::system(("umount " + mount).c_str()) == 0);
  CHECK(kind == ErrorKind::no_space);
}
