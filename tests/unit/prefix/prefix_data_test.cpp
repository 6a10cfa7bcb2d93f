#include "envtool/prefix/prefix_data.hpp"

#include <catch2/catch.hpp>
#include <filesystem>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"

using namespace envtool;
namespace fs = std::filesystem;

namespace {
struct Place {
  TemporaryDirectory folder{"/tmp", "envtool-data-"};
  Prefix prefix{folder.path() + "/env"};
  Place() { fs::create_directories(prefix.conda_meta()); }
  void record(const std::string& name, const std::string& version, const std::string& more = "") {
    write_atomically(prefix.conda_meta() + "/" + name + "-" + version + "-0.json",
                     "{\"name\": \"" + name + "\", \"version\": \"" + version + "\", \"build\": \"0\", \"build_number\": 0, \"depends\": [], \"files\": []" + more + "}");
  }
  Error failure() {
    try {
      PrefixData::load(prefix);
    } catch (const Error& error) {
      return error;
    }
    FAIL("no error");
    return Error("");
  }
};
}  // namespace

TEST_CASE("records are found by name") {
  Place place;
  CHECK(PrefixData::load(Prefix(place.folder.path() + "/nothing")).records().empty());
  place.record("zlib", "1.2");
  place.record("a-b", "1");
  write_atomically(place.prefix.history_file(), "");
  fs::create_directories(place.prefix.state_directory());
  const PrefixData data = PrefixData::load(place.prefix);
  REQUIRE(data.records().size() == 2);
  CHECK(data.records()[0].name == "a-b");
  REQUIRE(data.find("zlib") != nullptr);
  CHECK(data.find("zlib")->version == "1.2");
  CHECK(data.find("zli") == nullptr);
  CHECK(data.file_names() == std::vector<std::string>{"a-b-1-0.json", "zlib-1.2-0.json"});
}

TEST_CASE("a damaged record is named") {
  Place place;
  place.record("good", "1");
  for (const char* text : {"", "{", "[]", "{\"name\": 3}", "null"}) {
    write_atomically(place.prefix.conda_meta() + "/bad-1-0.json", text);
    const Error error = place.failure();
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK(error.where().find("bad-1-0.json") != std::string::npos);
  }
}

TEST_CASE("records under a wrong name are passed over, two of one package are an error") {
  Place place;
  place.record("a", "1");
  fs::copy_file(place.prefix.conda_meta() + "/a-1-0.json", place.prefix.conda_meta() + "/other.json");
  const PrefixData data = PrefixData::load(place.prefix);
  CHECK(data.records().size() == 1);
  CHECK(data.ignored() == std::vector<std::string>{"other.json"});
  place.record("a", "2");
  CHECK(place.failure().kind() == ErrorKind::corrupt);
}

TEST_CASE("a record with a path that leads outside is refused") {
  Place place;
  place.record("a", "1", ", \"paths_data\": {\"paths\": [{\"_path\": \"../../victim\"}], \"paths_version\": 1}");
  CHECK(place.failure().kind() == ErrorKind::unsafe);
}
