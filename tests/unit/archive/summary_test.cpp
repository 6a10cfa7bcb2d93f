#include "envtool/archive/package_summary.hpp"
#include "unpacked.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

const std::vector<WantedInfo> wanted{{"info/index.json", 1000}, {"info/about.json", 1000}};

/// Reads an archive of these bytes; the error's kind and text, if any.
struct Summarised {
  Sandbox sandbox;
  std::optional<ErrorKind> kind;
  std::string text;
  PackageSummary summary;
  explicit Summarised(const std::string& bytes, const std::string& name = "p-1-0.tar.bz2") {
    const std::string archive = sandbox.archive(name, bytes);
    kind = error_kind_of([&] { summary = read_package_summary(archive, wanted); }, &text);
  }
};

std::vector<Member> good_members() {
  return {file("info/index.json", "{\"name\": \"p\"}"), file("info/about.json", "{}"), file("info/files", "bin/x\n"),
          file("bin/x", std::string(3'000'000, 'x'))};
}

}  // namespace

TEST_CASE("a summary has the wanted files and the digests of the whole archive") {
  for (const bool is_conda : {true, false}) {
    const std::string bytes = is_conda ? conda_bytes("p-1-0", good_members()) : tar_bz2_bytes(good_members());
    const Summarised read(bytes, is_conda ? "p-1-0.conda" : "p-1-0.tar.bz2");
    REQUIRE(read.text.empty());
    CHECK(read.summary.info == std::vector<std::pair<std::string, std::string>>{{"info/index.json", "{\"name\": \"p\"}"},
                                                                               {"info/about.json", "{}"}});
    CHECK(read.summary.sha256 == sha256(bytes));
    CHECK(read.summary.md5 == md5(bytes));
    CHECK(read.summary.stamp.size == bytes.size());
    CHECK(read.summary.stamp == file_stamp(read.sandbox.outer.path() + (is_conda ? "/p-1-0.conda" : "/p-1-0.tar.bz2")));
  }
}

TEST_CASE("an archive longer than one piece is digested whole") {
  // Stored data that does not shrink, so that the file itself has several pieces.
  std::string noise(3'500'000, '\0');
  std::uint32_t state = 1;
  for (char& c : noise) c = static_cast<char>((state = state * 1664525 + 1013904223) >> 24);
  std::vector<Member> members = good_members();
  members.push_back(file("share/noise", noise));
  std::string bytes = conda_bytes("p-1-0", members);
  REQUIRE(bytes.size() > 3'000'000);
  CHECK(Summarised(bytes, "p-1-0.conda").summary.sha256 == sha256(bytes));
  bytes[bytes.size() / 2] ^= 1;  // in the middle of the package's part, which is not unpacked
  const Summarised damaged(bytes, "p-1-0.conda");
  CHECK(damaged.kind == ErrorKind::corrupt);
  CHECK(damaged.text.find("pkg-p-1-0.tar.zst") != std::string::npos);
}

TEST_CASE("damaged and hostile archives have no summary") {
  std::vector<Member> members = good_members();
  SECTION("cut short") {
    const std::string bytes = tar_bz2_bytes(members);
    CHECK(Summarised(bytes.substr(0, bytes.size() / 2)).kind == ErrorKind::corrupt);
    const std::string conda = conda_bytes("p-1-0", members);
    CHECK(Summarised(conda.substr(0, conda.size() / 2), "p-1-0.conda").kind == ErrorKind::corrupt);
  }
  SECTION("empty, text, of the other kind") {
    CHECK(Summarised("").kind == ErrorKind::corrupt);
    CHECK(Summarised("hello").kind == ErrorKind::corrupt);
    CHECK(Summarised(conda_bytes("p-1-0", members)).kind == ErrorKind::corrupt);
  }
  SECTION("a wanted file that is too long") {
    members[0] = file("info/index.json", std::string(1001, ' '));
    const Summarised read(tar_bz2_bytes(members));
    CHECK(read.kind == ErrorKind::unsafe);
    CHECK(read.text.find("info/index.json") != std::string::npos);
  }
  SECTION("a wanted file that is there twice") {
    members.push_back(members[0]);
    CHECK(Summarised(tar_bz2_bytes(members)).kind == ErrorKind::unsafe);
  }
  SECTION("a wanted file that is a link") {
    members[0] = soft_link("info/index.json", "/etc/passwd");
    CHECK(Summarised(tar_bz2_bytes(members)).kind == ErrorKind::unsafe);
    members[0] = hard_link("info/index.json", "info/files");
    CHECK(Summarised(tar_bz2_bytes(members)).kind == ErrorKind::unsafe);
  }
  SECTION("a member that leaves the folder") {
    members.push_back(file("../../outside", "x"));
    CHECK(Summarised(tar_bz2_bytes(members)).kind == ErrorKind::unsafe);
  }
  SECTION("a bomb") {
    // 1.3 GB of zeros in a kilobyte.
    std::string zeros(64 << 20, '\0');
    std::string tar = tar_bytes({file("info/files", zeros)});
    tar.resize(tar.size() - 1024);
    const std::string member = bzip2(tar);
    std::string bytes;
    for (int i = 0; i < 20; ++i) bytes += member;  // bzip2 streams one after the other are one file
    CHECK(Summarised(bytes).kind == ErrorKind::unsafe);
  }
}

TEST_CASE("what is no file has no stamp") {
  const Sandbox sandbox;
  CHECK(error_kind_of([&] { file_stamp(sandbox.box()); }) == ErrorKind::corrupt);
  CHECK(error_kind_of([&] { file_stamp(sandbox.outer.path() + "/none"); }).has_value());
}
