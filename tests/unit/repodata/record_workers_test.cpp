#include "record_workers.hpp"

#include <unistd.h>

#include "channel_fixture.hpp"
#include "repodata_index.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

struct Given {
  Section section = Section::packages_conda;
  std::string file_name, json;
  bool forgets = false;
};

std::string record_json(const std::string& name, const std::string& version, const std::string& build, const std::string& more = {}) {
  return R"({"name": ")" + name + R"(", "version": ")" + version + R"(", "build": ")" + build +
         R"(", "build_number": 0, "depends": ["python >=3.8", ")" + name + R"(-base )" + version + R"(", "__unix"]})" + more;
}

// More text than several batches hold, with everything in it that could be told apart by order.
std::vector<Given> many_records() {
  std::vector<Given> given;
  for (int round = 0; round < 8; ++round) {
    for (int i = 0; i < 400; ++i) {
      const std::string name = "name-" + std::to_string(i), version = std::to_string(round % 5) + ".0";
      const std::string file = name + "-" + version + "-b" + std::to_string(i % 3);
      const auto section = round < 2 ? Section::packages : Section::packages_conda;
      given.push_back({section, file + (round < 4 ? ".tar.bz2" : ".conda"), record_json(name, version, "b" + std::to_string(i % 3))});
      // Names that are not the file name's, some of the same file, the later one with other content.
      if (i % 7 == 0) given.push_back({section, file + "x.conda", record_json("other" + std::to_string(i % 5), std::to_string(round), "0")});
      if (i % 11 == 0) given.push_back({section, "last-1-0.conda", record_json("last", "1", "0_" + std::to_string(i))});
      if (i % 13 == 0) given.push_back({section, file + ".rpm", record_json(name, version, "0")});
    }
    if (round == 5) given.push_back({Section::packages, {}, {}, true});
  }
  return given;
}

struct Outcome {
  std::string records;  // all of the index, in its order
  ReadSummary summary;
  std::optional<RecordWorkers::Malformed> malformed;
};

Outcome run(const std::vector<Given>& given, unsigned count) {
  RecordWorkers workers("noarch", count);
  std::uint64_t offset = 0;
  for (const Given& record : given) {
    if (record.forgets) workers.forget(record.section);
    else workers.add(record.section, record.file_name, record.json, offset);
    offset += 1000;
  }
  Outcome outcome;
  IndexBuilder builder("noarch");
  outcome.malformed = workers.finish(builder, outcome.summary);
  if (outcome.malformed) return outcome;
  const TemporaryDirectory folder{"/tmp", "envtool-workers-"};
  const std::string path = folder.path() + "/index";
  FileDescriptor file(open(path.c_str(), O_RDWR | O_CREAT, 0600));
  builder.write(file.get(), path, {});
  const RepoDataIndex index(std::move(file));
  for (std::size_t i = 0; i < index.size(); ++i) {
    for (const RepoDataRecord& record : index.records(index.name(i), {"c", "u/", "noarch"})->records()) {
      outcome.records += record.fn + " " + record.name + " " + record.version + " " + record.build;
      for (const std::string& dependency : record.depends) outcome.records += " " + dependency;
      outcome.records += "\n";
    }
  }
  return outcome;
}

}  // namespace

TEST_CASE("The number of threads does not show in an index") {
  const auto given = many_records();
  const Outcome one = run(given, 1);
  CHECK(one.records.size() > 50'000);
  CHECK(one.summary.skipped == 8 * 31);
  CHECK(one.summary.first_problem == "`name-0-0.0-b0.rpm`: its file name is not valid (CEP 26)");
  for (const unsigned count : {2U, 3U, 4U, 7U}) {
    const Outcome several = run(given, count);
    CHECK(several.records == one.records);
    CHECK(several.summary.skipped == one.summary.skipped);
    CHECK(several.summary.first_problem == one.summary.first_problem);
  }
}

TEST_CASE("The first malformed record is told, whichever thread has it") {
  auto given = many_records();
  const std::size_t first = given.size() / 2;
  for (std::size_t i = first; i < given.size(); i += 50) given[i].json = R"({"name": "x",)";
  for (const unsigned count : {1U, 2U, 4U}) {
    const Outcome outcome = run(given, count);
    REQUIRE(outcome.malformed);
    CHECK(outcome.malformed->offset == first * 1000);
    CHECK(outcome.malformed->file_name == given[first].file_name);
  }
}

TEST_CASE("Workers that are not finished end without harm") {
  const auto given = many_records();
  RecordWorkers workers("noarch", 4);
  for (const Given& record : given) workers.add(record.section, record.file_name, record.json, 0);
  CHECK_FALSE(workers.failed());
}
