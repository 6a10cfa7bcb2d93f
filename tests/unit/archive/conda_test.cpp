#include "unpacked.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

const std::vector<Member> info{file("info/index.json", "{}"), file("info/paths.json", "{}")};
const std::vector<Member> package{file("bin/x", "binary", 0755), soft_link("bin/y", "x")};

struct Unpacked {
  Sandbox sandbox;
  std::optional<ErrorKind> kind;
  std::string text, box;
  explicit Unpacked(const std::string& bytes, const std::string& name = "p-1-0.conda") {
    const std::string archive = sandbox.archive(name, bytes);
    box = sandbox.box();
    kind = error_kind_of([&] { extract_package(archive, box); }, &text);
  }
};

}  // namespace

TEST_CASE("a .conda file comes out as it went in") {
  const Unpacked unpacked(zip_bytes(conda_entries("p-1-0", info, package)));
  CHECK(unpacked.text.empty());
  CHECK(read_file(unpacked.box + "/bin/x") == "binary");
  CHECK(read_file(unpacked.box + "/bin/y") == "binary");
  CHECK(read_file(unpacked.box + "/info/index.json") == "{}");
}

TEST_CASE("zip files as various writers make them") {
  const auto entries = conda_entries("p-1-0", info, package);
  SECTION("with a comment") { CHECK(Unpacked(zip_bytes(entries, {.zip64 = false, .comment = "hello", .count = {}, .directory_offset = {}})).text.empty()); }
  SECTION("zip64") { CHECK(Unpacked(zip_bytes(entries, {.zip64 = true, .comment = "", .count = {}, .directory_offset = {}})).text.empty()); }
  SECTION("sizes only after the data") {
    auto streamed = entries;
    for (ZipEntry& entry : streamed) {
      entry.flags = 8;
      entry.local_size = 0;
    }
    // The local checksum is zero then as well; the builder writes the real one, which is a contradiction.
    CHECK(Unpacked(zip_bytes(streamed)).kind == ErrorKind::corrupt);
    std::string bytes = zip_bytes(streamed);
    for (std::size_t at = bytes.find("PK\x03\x04"); at != std::string::npos; at = bytes.find("PK\x03\x04", at + 4))
      bytes.replace(at + 14, 4, 4, '\0');
    CHECK(Unpacked(bytes).text.empty());
  }
  SECTION("an unknown further member") {
    auto more = entries;
    more.push_back({"signature.json", "{}", {}, {}, {}, 0, 0});
    CHECK(Unpacked(zip_bytes(more)).text.empty());
  }
  SECTION("the parts in another order") {
    auto other = entries;
    std::swap(other[0], other[2]);
    CHECK(Unpacked(zip_bytes(other)).text.empty());
  }
  SECTION("an empty package part") { CHECK(Unpacked(zip_bytes(conda_entries("p-1-0", info, {}))).text.empty()); }
}

TEST_CASE("malformed .conda containers are refused") {
  const auto good = conda_entries("p-1-0", info, package);
  const auto refused = [](const std::vector<ZipEntry>& entries, const ZipOptions& options = {}) {
    const Unpacked unpacked(zip_bytes(entries, options));
    CAPTURE(unpacked.text);
    CHECK(unpacked.kind == ErrorKind::corrupt);
    CHECK(list_tree(unpacked.box).empty());
  };
  auto entries = good;
  SECTION("no metadata.json") { entries.erase(entries.begin()); refused(entries); }
  SECTION("no package part") { entries.erase(entries.begin() + 1); refused(entries); }
  SECTION("no info part") { entries.erase(entries.begin() + 2); refused(entries); }
  SECTION("two package parts") { entries.push_back(good[1]); entries.back().name = "pkg-q-1-0.tar.zst"; refused(entries); }
  SECTION("two info parts") { entries.push_back(good[2]); entries.back().name = "info-q-1-0.tar.zst"; refused(entries); }
  SECTION("one name twice") { entries.push_back(good[1]); refused(entries); }
  SECTION("parts of two packages") { entries[1].name = "pkg-q-1-0.tar.zst"; refused(entries); }
  SECTION("another name in the local header") { entries[1].local_name = "pkg-q-1-0.tar.zst"; refused(entries); }
  SECTION("another name of the same length in the local header") { entries[2].local_name = "pkg--p-1-0.tar.zst"; refused(entries); }
  SECTION("another size in the local header") { entries[1].local_size = 5; refused(entries); }
  SECTION("compressed") { entries[1].method = 8; refused(entries); }
  SECTION("encrypted") { entries[1].flags = 1; refused(entries); }
  SECTION("other format version") { entries[0].content = "{\"conda_pkg_format_version\": 3}"; refused(entries); }
  SECTION("no format version") { entries[0].content = "{}"; refused(entries); }
  SECTION("format version as text") { entries[0].content = "{\"conda_pkg_format_version\": \"2\"}"; refused(entries); }
  SECTION("wrong checksum of the metadata") { entries[0].crc = 1; refused(entries); }
  SECTION("member count too small") { refused(entries, {.zip64 = false, .comment = "", .count = 2, .directory_offset = {}}); }
  SECTION("member count too large") { refused(entries, {.zip64 = false, .comment = "", .count = 4, .directory_offset = {}}); }
  SECTION("directory elsewhere") { refused(entries, {.zip64 = false, .comment = "", .count = {}, .directory_offset = 0}); }
  SECTION("directory beyond the file") { refused(entries, {.zip64 = false, .comment = "", .count = {}, .directory_offset = 0x7FFFFFFF}); }
  SECTION("zip64 with a wrong count") { refused(entries, {.zip64 = true, .comment = "", .count = 2, .directory_offset = {}}); }
  SECTION("too many members") {
    for (int i = 0; i < 100; ++i) entries.push_back({"m" + std::to_string(i), "", {}, {}, {}, 0, 0});
    refused(entries);
  }
  SECTION("no members") { refused({}); }
  SECTION("two ends") {
    // A whole second zip file as the comment of the first.
    refused(entries, {.zip64 = false, .comment = zip_bytes({}), .count = {}, .directory_offset = {}});
  }
  SECTION("info part is not zstd") { entries[2].content = tar_bytes(info); refused(entries); }
  SECTION("info part is empty") { entries[2].content.clear(); refused(entries); }
  SECTION("info part is bzip2") { entries[2].content = bzip2(tar_bytes(info)); refused(entries); }
}

TEST_CASE("a wrong checksum of a part is found although its data unpacks") {
  auto entries = conda_entries("p-1-0", info, package);
  entries[1].crc = 12345;
  CHECK(Unpacked(zip_bytes(entries)).kind == ErrorKind::corrupt);
}

TEST_CASE("bytes before and after the zip file") {
  const std::string good = zip_bytes(conda_entries("p-1-0", info, package));
  CHECK(Unpacked("garbage" + good).kind == ErrorKind::corrupt);
  CHECK(Unpacked(good + "garbage").kind == ErrorKind::corrupt);
  CHECK(Unpacked(good.substr(0, 30) + good).kind == ErrorKind::corrupt);
}

TEST_CASE("members that overlap") {
  // Two directory entries for the one local header of the package part.
  auto entries = conda_entries("p-1-0", info, package);
  std::string bytes = zip_bytes(entries);
  const std::size_t second = bytes.find("PK\x01\x02", bytes.find("PK\x01\x02") + 4);
  const std::size_t third = bytes.find("PK\x01\x02", second + 4);
  bytes.replace(third + 42, 4, bytes.substr(second + 42, 4));
  CHECK(Unpacked(bytes).kind == ErrorKind::corrupt);
}

TEST_CASE("content and name must agree") {
  const std::string conda = zip_bytes(conda_entries("p-1-0", info, package));
  const std::string bz2 = tar_bz2_bytes(package);
  CHECK(Unpacked(conda, "p-1-0.tar.bz2").kind == ErrorKind::corrupt);
  CHECK(Unpacked(bz2, "p-1-0.conda").kind == ErrorKind::corrupt);
  CHECK(Unpacked(bz2, "p-1-0.zip").kind == ErrorKind::corrupt);
  CHECK(Unpacked("", "p-1-0.conda").kind == ErrorKind::corrupt);
  const Unpacked page("\n <!DOCTYPE html><html>please log in</html>");
  CHECK(page.kind == ErrorKind::corrupt);
  CHECK(page.text.find("login") != std::string::npos);
}
