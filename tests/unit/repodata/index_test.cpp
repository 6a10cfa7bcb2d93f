#include <unistd.h>

#include "channel_fixture.hpp"
#include "repodata_index.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

struct IndexFixture {
  TemporaryDirectory folder{"/tmp", "envtool-index-"};
  std::string path = folder.path() + "/index";
  RepoDataIndex::Place place{"c", "u/", "noarch"};

  void write(std::size_t names, std::size_t versions) {
    IndexBuilder builder("noarch");
    for (std::size_t v = 0; v < versions; ++v) {
      for (std::size_t n = 0; n < names; ++n) {
        const std::string name = "name" + std::to_string(n), version = std::to_string(v);
        const std::string depends = "name" + std::to_string((n * 7 + v) % names) + " >=" + version;
        RawRecord record;
        record.name = name;
        record.version = version;
        record.build = "0";
        record.depends = {depends, "__unix"};
        record.sha256 = sha256(name + version);
        REQUIRE(builder.add(Section::packages_conda, name + "-" + version + "-0.conda", record).empty());
      }
    }
    remove_file(path);
    FileDescriptor file(open(path.c_str(), O_RDWR | O_CREAT, 0600));
    builder.write(file.get(), path, {sha256("source"), 5, 6, 7});
  }
  RepoDataIndex read() const { return RepoDataIndex(FileDescriptor(open(path.c_str(), O_RDONLY))); }
};

}  // namespace

TEST_CASE_METHOD(IndexFixture, "An index gives back what went in") {
  write(50, 9);
  const RepoDataIndex index = read();
  CHECK(index.size() == 50);
  CHECK(index.header().record_count == 450);
  CHECK(index.header().source_digest == sha256("source").bytes);
  CHECK(index.header().source_size == 5);
  CHECK(index.name(0) == "name0");
  CHECK(index.name(1) == "name1");
  CHECK(index.name(2) == "name10");
  for (std::size_t n = 0; n < 50; ++n) {
    std::unordered_set<std::string> dependencies;
    const auto records = index.records("name" + std::to_string(n), place)->records({}, &dependencies);
    REQUIRE(records.size() == 9);
    CHECK(records[3].sha256 == sha256("name" + std::to_string(n) + "3"));
    CHECK(records[3].depends.front() == "name" + std::to_string((n * 7 + 3) % 50) + " >=3");
    CHECK(dependencies.size() == 9);
    CHECK(dependencies.contains("name" + std::to_string(n * 7 % 50)));
  }
  CHECK(index.records("name", place) == nullptr);
  CHECK(index.records("zzz", place) == nullptr);
  CHECK(index.records("", place) == nullptr);
}

TEST_CASE_METHOD(IndexFixture, "A table says the same of its records as the records themselves") {
  IndexBuilder builder("noarch");
  RawRecord record;
  record.name = "a";
  record.version = "1.0";
  record.build = "h_0";
  record.build_number = 7;
  record.timestamp = 100;
  record.size = 12;
  record.depends = {"b >=1", "c"};
  record.constrains = {"d <2"};
  REQUIRE(builder.add(Section::packages_conda, "a-1.0-h_0.conda", record).empty());
  record.version = "2.0";
  record.indexed_timestamp = 200;
  record.depends = {"c"};
  record.constrains.clear();
  record.track_features = {"slow"};
  record.extra_depends = {{"more", {"e >=5"}}};
  record.noarch = NoarchType::python;
  record.subdir = "linux-64";
  record.sha256 = sha256("a");
  REQUIRE(builder.add(Section::packages_conda, "a-2.0-h_0.conda", record).empty());
  auto taken = builder.take_block("a");
  const RecordBlock table(std::move(taken.bytes), taken.record_count, "a", place);
  const auto records = table.records();
  REQUIRE(table.size() == 2);
  REQUIRE(records.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const auto& row = table.row(i);
    CHECK(table.text(row.version) == records[i].version);
    CHECK(table.text(row.build) == records[i].build);
    CHECK(table.text(row.subdir) == records[i].subdir);
    CHECK(row.noarch == records[i].noarch);
    CHECK(row.build_number == records[i].build_number);
    CHECK(row.timestamp == records[i].timestamp);
    CHECK(row.has_track_features == !records[i].track_features.empty());
    std::vector<std::string> depends, constrains;
    for (const auto text : table.depends(row)) depends.emplace_back(table.text(text));
    for (const auto text : table.constrains(row)) constrains.emplace_back(table.text(text));
    CHECK(depends == records[i].depends);
    CHECK(constrains == records[i].constrains);
    CHECK(table.record(i).url == records[i].url);
    CHECK(&table.record(i) == &table.record(i));
  }
  CHECK(table.row(0).release_time == 100);
  CHECK(table.row(1).release_time == 200);
  CHECK(records[1].subdir == "linux-64");
  CHECK(records[1].sha256 == sha256("a"));
  CHECK_FALSE(records[0].sha256);
  std::unordered_set<std::string> names;
  table.add_dependencies(names);
  CHECK(names == std::unordered_set<std::string>{"b", "c", "e"});
}

TEST_CASE_METHOD(IndexFixture, "A filter drops records and what only they depend on") {
  write(50, 9);
  std::unordered_set<std::string> dependencies;
  const auto records = read().records("name1", place)->records([](const RepoDataRecord& r) { return r.version == "4"; }, &dependencies);
  REQUIRE(records.size() == 1);
  CHECK(dependencies == std::unordered_set<std::string>{"name11"});
}

TEST_CASE_METHOD(IndexFixture, "An empty index is an index") {
  write(0, 0);
  CHECK(read().size() == 0);
  CHECK(read().records("a", place) == nullptr);
}

TEST_CASE_METHOD(IndexFixture, "No bit may change, no byte may be missing") {
  write(5, 3);
  const std::string good = read_file(path);
  const auto reads_like_the_good_one = [&] {
    const RepoDataIndex index = read();
    std::string text;
    for (int n = 0; n < 5; ++n) {
      if (const auto block = index.records("name" + std::to_string(n), place))
        for (const auto& record : block->records()) text += record.url + record.depends.front();
    }
    return text;
  };
  const std::string expected = reads_like_the_good_one();
  std::size_t damaged = 0, harmless = 0;
  const auto try_it = [&](const std::string& content) {
    write_atomically(path, content);
    try {
      if (reads_like_the_good_one() == expected) ++harmless;
    } catch (const DamagedIndex&) {
      ++damaged;
    }
  };
  for (std::size_t i = 0; i < good.size(); ++i) {
    for (int bit = 0; bit < 8; bit += 3) {
      std::string changed = good;
      changed[i] = static_cast<char>(changed[i] ^ (1 << bit));
      try_it(changed);
    }
  }
  CHECK(damaged == good.size() * 3);
  damaged = 0;
  for (std::size_t size = 0; size < good.size(); ++size) try_it(good.substr(0, size));
  CHECK(damaged == good.size());
  CHECK(harmless == 0);
}

TEST_CASE_METHOD(IndexFixture, "A block whose checksum was made to fit is still read within its bounds") {
  write(3, 3);
  std::string content = read_file(path);
  IndexHeader header;
  std::memcpy(&header, content.data(), sizeof header);
  IndexEntry entry;
  std::memcpy(&entry, content.data() + header.directory_offset, sizeof entry);
  std::size_t damaged = 0, read_well = 0;
  std::uint32_t state = 7;
  for (int round = 0; round < 3000; ++round) {
    std::string changed = content;
    for (int hit = 0; hit < 3; ++hit) {
      state = state * 1664525U + 1013904223U;
      changed[entry.block_offset + (state >> 8) % entry.block_size] = static_cast<char>(state >> 3);
    }
    IndexEntry forged = entry;
    forged.block_checksum = index_checksum(changed.data() + entry.block_offset, entry.block_size);
    std::memcpy(changed.data() + header.directory_offset, &forged, sizeof forged);
    IndexHeader forged_header = header;
    forged_header.directory_checksum = index_checksum(changed.data() + header.directory_offset, header.directory_size);
    forged_header.checksum = index_checksum(&forged_header, sizeof forged_header - sizeof forged_header.checksum);
    std::memcpy(changed.data(), &forged_header, sizeof forged_header);
    write_atomically(path, changed);
    try {
      read().records("name0", place)->records();
      ++read_well;
    } catch (const DamagedIndex&) {
      ++damaged;
    }
  }
  CHECK(damaged > 0);
  CHECK(read_well > 0);
}

TEST_CASE("Names are taken out of dependency strings") {
  CHECK(dependency_name("numpy") == "numpy");
  CHECK(dependency_name("numpy >=1.2,<2") == "numpy");
  CHECK(dependency_name("  Numpy>=1") == "numpy");
  CHECK(dependency_name("numpy=1.2=py_0") == "numpy");
  CHECK(dependency_name("conda-forge::numpy 1.*") == "numpy");
  CHECK(dependency_name("conda-forge/linux-64::numpy") == "numpy");
  CHECK(dependency_name("numpy[version='>=1', when=\"a::b\"]") == "numpy");
  CHECK(dependency_name("libstdcxx-ng 4.8.*") == "libstdcxx-ng");
  CHECK(dependency_name("__glibc >=2.17") == "__glibc");
  CHECK(dependency_name("py*") == "");
  CHECK(dependency_name("") == "");
}
