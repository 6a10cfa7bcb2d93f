#include "repodata_reader.hpp"

#include "channel_fixture.hpp"
#include "repodata_index.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

// A document read into an index.
struct Read {
  TemporaryDirectory folder{"/tmp", "envtool-reader-"};
  ReadSummary summary;
  std::unique_ptr<RepoDataIndex> index;
  RepoDataIndex::Place place{"https://host/channel", "https://host/channel/linux-64/", "linux-64"};

  explicit Read(const std::string& text) {
    const std::string document = folder.path() + "/repodata.json", file = folder.path() + "/index";
    write_atomically(document, text);
    ByteSource source(FileDescriptor(open(document.c_str(), O_RDONLY)), BodyForm::json, "https://host/repodata.json", 1 << 30);
    IndexBuilder builder("linux-64");
    summary = read_repodata(source, builder, {});
    FileDescriptor out(open(file.c_str(), O_RDWR | O_CREAT, 0600));
    builder.write(out.get(), file, {});
    index = std::make_unique<RepoDataIndex>(std::move(out));
  }
  std::vector<RepoDataRecord> operator[](const std::string& name) const {
    const auto block = index->records(name, place);
    return block ? block->records() : std::vector<RepoDataRecord>();
  }
  RepoDataRecord only(const std::string& name) const {
    const auto records = (*this)[name];
    REQUIRE(records.size() == 1);
    return records.front();
  }
};

std::vector<std::string> file_names(const std::vector<RepoDataRecord>& records) {
  std::vector<std::string> names;
  for (const auto& record : records) names.push_back(record.fn);
  return names;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("Every field of a record survives") {
  const Read read(R"({"info": {"subdir": "linux-64"}, "packages.conda": {"a-1.0-py_7.conda": {
    "name": "a", "version": "1.0", "build": "py_7", "build_number": 7, "depends": ["b >=1", "c"], "constrains": ["d <2"],
    "extra_depends": {"gpu": ["cuda >=12", "e"], "x": []}, "track_features": "f1 f2", "features": "mkl",
    "flags": ["gpu", "blas:mkl"], "subdir": "linux-64", "noarch": "python", "license": "MIT", "license_family": "BSD",
    "timestamp": 1689209309623, "indexed_timestamp": 1773851561010, "size": 123,
    "sha256": "eb65e866067865793b981c2ba74485f75bef441842b5998badc4ec66717685c7", "md5": "82ECC40F09B9C44483E6B70CAD2545D7",
    "python_site_packages_path": "lib/python3.13t/site-packages", "arch": "x86_64", "platform": "linux",
    "purls": ["pkg:pypi/a"], "unknown": {"deep": [1, 2]}}}})");
  const RepoDataRecord record = read.only("a");
  CHECK(record.name == "a");
  CHECK(record.version == "1.0");
  CHECK(record.build == "py_7");
  CHECK(record.build_number == 7);
  CHECK(record.depends == Names{"b >=1", "c"});
  CHECK(record.constrains == Names{"d <2"});
  REQUIRE(record.extra_depends.size() == 2);
  CHECK(record.extra_depends[0].first == "gpu");
  CHECK(record.extra_depends[0].second == Names{"cuda >=12", "e"});
  CHECK(record.track_features == Names{"f1", "f2"});
  CHECK(record.features == "mkl");
  CHECK(record.flags == Names{"gpu", "blas:mkl"});
  CHECK(record.subdir == "linux-64");
  CHECK(record.noarch == NoarchType::python);
  CHECK(record.license == "MIT");
  CHECK(record.license_family == "BSD");
  CHECK(record.timestamp == 1689209309623);
  CHECK(record.indexed_timestamp == 1773851561010);
  CHECK(record.size == 123);
  REQUIRE(record.sha256);
  CHECK(record.sha256->hex() == "eb65e866067865793b981c2ba74485f75bef441842b5998badc4ec66717685c7");
  REQUIRE(record.md5);
  CHECK(record.md5->hex() == "82ecc40f09b9c44483e6b70cad2545d7");
  CHECK(record.python_site_packages_path == "lib/python3.13t/site-packages");
  CHECK(record.arch == "x86_64");
  CHECK(record.platform == "linux");
  CHECK(record.fn == "a-1.0-py_7.conda");
  CHECK(record.url == "https://host/channel/linux-64/a-1.0-py_7.conda");
  CHECK(record.channel == "https://host/channel");
  CHECK(read.summary.skipped == 0);
}

TEST_CASE("Odd but known shapes of fields") {
  const auto field = [](const std::string& more) { return Read(index_of(record("a", "1", "", ", " + more))).only("a"); };
  CHECK(field(R"("noarch": true)").noarch == NoarchType::generic);
  CHECK(field(R"("noarch": false)").noarch == NoarchType::none);
  CHECK(field(R"("noarch": null)").noarch == NoarchType::none);
  CHECK(field(R"("track_features": ["x", "y"])").track_features == Names{"x", "y"});
  CHECK(field(R"("track_features": "x, y,z")").track_features == Names{"x", "y", "z"});
  CHECK(field(R"("track_features": "")").track_features.empty());
  CHECK(field(R"("timestamp": 1500000000)").timestamp == 1500000000000);
  CHECK(field(R"("timestamp": 1500000000000)").timestamp == 1500000000000);
  CHECK(field(R"("timestamp": 1.5e9)").timestamp == 1500000000000);
  CHECK(field(R"("timestamp": -5)").timestamp == 0);
  CHECK(field(R"("timestamp": "yesterday")").timestamp == 0);
  CHECK(field(R"("timestamp": 18446744073709551615)").timestamp == 0);
  CHECK(field(R"("size": "12")").size == 0);
  CHECK(field(R"("size": null)").size == 0);
  CHECK(field(R"("md5": null, "sha256": null)").md5 == std::nullopt);
  CHECK(field(R"("constrains": null)").constrains.empty());
  CHECK(field(R"("extra-depends": {"g": ["h"]})").extra_depends.size() == 1);
  CHECK(field(R"("license": ["MIT"])").license.empty());
  CHECK(field(R"("subdir": "noarch")").subdir == "noarch");
  CHECK(field(R"("subdir": "../../evil")").subdir == "linux-64");
  CHECK(field(R"("build_number": 3, "build_number": 4)").build_number == 4);
}

TEST_CASE("Records that cannot be used are left out and counted") {
  const auto problem = [](const std::string& member) {
    const Read read(index_of(record("good", "1") + ", " + member));
    CHECK(read.summary.records == 2);
    CHECK(read.summary.skipped == 1);
    CHECK(read.only("good").version == "1");
    CHECK(read.index->header().record_count == 1);
    return read.summary.first_problem;
  };
  const auto with = [&](const std::string& more) { return problem(record("a", "1", "", ", " + more)); };
  CHECK(problem(R"("a-1-0.conda": 5)") == "`a-1-0.conda`: it is not an object");
  CHECK(problem(R"("a-1-0.conda": {})") == "`a-1-0.conda`: it has no `name`");
  CHECK(problem(R"("a-1-0.conda": {"name": "a"})") == "`a-1-0.conda`: it has no `version`");
  CHECK(problem(R"("x": {"name": "a", "version": "1", "build": "0"})") == "`x`: its file name is not valid (CEP 26)");
  CHECK(problem(R"("../../a-1-0.conda": {"name": "a", "version": "1", "build": "0"})").find("file name") != std::string::npos);
  CHECK(problem(R"("a/b-1-0.conda": {"name": "a", "version": "1", "build": "0"})").find("file name") != std::string::npos);
  CHECK(problem(record("UPPER", "1")).find("name is not valid") != std::string::npos);
  CHECK(problem(record("../a", "1")).find("name is not valid") != std::string::npos);
  CHECK(problem(record(std::string(65, 'a'), "1")).find("not valid") != std::string::npos);
  CHECK(problem(record("a", "1/2")).find("version is not valid") != std::string::npos);
  CHECK(problem(record("a", std::string(65, '1'))).find("version is not valid") != std::string::npos);
  CHECK(with(R"("build": "x/y")").find("build string") != std::string::npos);
  CHECK(with(R"("name": 5)") == "`a-1-h0_0.conda`: `name` is not a string");
  CHECK(with(R"("depends": "b")") == "`a-1-h0_0.conda`: `depends` is not a list");
  CHECK(with(R"("depends": ["b", 1])") == "`a-1-h0_0.conda`: `depends` is not a string");
  CHECK(with(R"("build_number": -1)") == "`a-1-h0_0.conda`: `build_number` is not a count");
  CHECK(with(R"("build_number": "0")") == "`a-1-h0_0.conda`: `build_number` is not a count");
  CHECK(with(R"("sha256": "abc")") == "`a-1-h0_0.conda`: `sha256` is not a digest");
  CHECK(with(R"("extra_depends": [])") == "`a-1-h0_0.conda`: `extra_depends` is not an object");
}

TEST_CASE(".conda is preferred, removed files are gone, the last of two counts") {
  const auto packages = [](const std::string& bz2, const std::string& conda, const std::string& more = "") {
    return Read(R"({"packages": {)" + bz2 + R"(}, "packages.conda": {)" + conda + "}" + more + "}");
  };
  const std::string old_a = record("a", "1", "", "", ".tar.bz2"), new_a = record("a", "1");
  CHECK(file_names(packages(old_a, new_a)["a"]) == Names{"a-1-h0_0.conda"});
  CHECK(file_names(packages(old_a, "")["a"]) == Names{"a-1-h0_0.tar.bz2"});
  CHECK(file_names(packages(old_a, new_a, R"(, "removed": ["a-1-h0_0.conda", 5])")["a"]) == Names{"a-1-h0_0.tar.bz2"});
  CHECK(packages(old_a, new_a, R"(, "removed": ["a-1-h0_0.conda", "a-1-h0_0.tar.bz2"])").index->size() == 0);
  CHECK(packages("", record("a", "1", R"("first")") + "," + record("a", "1", R"("second")")).only("a").depends ==
        Names{"second"});
  // The whole section a second time.
  const Read twice(R"({"packages.conda": {)" + record("a", "1") + "," + record("b", "1") + R"(}, "packages": {)" +
                   record("c", "1", "", "", ".tar.bz2") + R"(}, "packages.conda": {)" + record("b", "2") + "}}");
  CHECK(twice["a"].empty());
  CHECK(twice.only("b").version == "2");
  CHECK(twice.only("c").version == "1");
}

TEST_CASE("Revision 3 records (CEP 48)") {
  const Read read(R"({"info": {"repodata_revisions": {"v3": {"n_packages": 1}}}, "packages.conda": {)" + record("a", "1") +
                  R"(}, "v3": {"tar.bz2": {}, "whl": {"w-1-0": {}}, "conda": {"a-3-0": {"name": "a", "version": "3", "build": "0",
                  "build_number": 0, "depends": ["p[version=2,when=__unix]"], "extra_depends": {"test": ["t"]}}}}})");
  CHECK(file_names(read["a"]) == Names{"a-1-h0_0.conda", "a-3-0.conda"});
  CHECK(read["a"][1].extra_depends.front().second == Names{"t"});
  CHECK(read.summary.skipped == 0);
}

TEST_CASE("Whole documents that are odd") {
  CHECK(Read("").index->size() == 0);
  CHECK(Read(" \n").index->size() == 0);
  CHECK(Read("{}").index->size() == 0);
  CHECK(Read(R"({"info": null, "packages": null, "removed": null, "signatures": {"a": {"b": [1]}}})").index->size() == 0);
  CHECK(Read(R"({"info": {"base_url": "https://files.example/x"}, "repodata_version": 2})").index->base_url() ==
        "https://files.example/x");
  CHECK(Read(R"({"info": {"channel_relations": {"base": "../x", "later": 5}}})").index->relation_base() == "../x");
  CHECK(error_of([] { Read(R"({"repodata_version": 4})"); }).kind() == ErrorKind::invalid_input);
  CHECK(error_of([] { Read(R"({"info": {"repodata_version": 99}})"); }).kind() == ErrorKind::invalid_input);
}

TEST_CASE("Documents that are wrong name the place") {
  const auto wrong = [](const std::string& text) {
    const Error error = error_of([&] { Read read(text); });
    CHECK(error.kind() == ErrorKind::corrupt);
    CHECK(error.where().starts_with("https://host/repodata.json, byte "));
    return error;
  };
  CHECK(wrong("<html>").where() == "https://host/repodata.json, byte 0");
  CHECK(wrong("[]").where() == "https://host/repodata.json, byte 0");
  CHECK(wrong(R"({"packages": []})").where() == "https://host/repodata.json, byte 13");
  CHECK(wrong(R"({"packages": {"a": {"name": 1e}}})").why().find("`a`") != std::string::npos);
  CHECK(wrong(R"({"packages": {"a": {"name": 0123}}})").where() == "https://host/repodata.json, byte 19");
  CHECK(wrong("{\"packages\": {\"a\": {\"name\": \"\xff\"}}}").why().find("UTF-8") != std::string::npos);
  wrong("{\"packages\": {\"\xff\": {}}}");
  wrong(R"({"packages": {"a": {"name": "\ud800"}}})");
  wrong(R"({"packages": {"a": {"x": nul}}})");
  wrong(R"({"packages": {"a": {"x": [1,]}}})");
  wrong(R"({"packages": {"a": {)" + std::string(100000, '['));
  wrong(R"({"info": 5})");
  wrong(R"({"info": {"base_url": 5}})");
  wrong(R"({"repodata_version": "one"})");
  wrong("\xef\xbb\xbf{}");
}

TEST_CASE("A number beyond all types costs its record, not the document") {
  const Read read(R"({"info": {"x": 1}, "packages": {)" + record("a", "1", "", R"(, "size": 18446744073709551616)", ".tar.bz2") + "," +
                  record("c", "1", "", R"(, "size": 1e999)", ".tar.bz2") + "," +
                  record("b", "1", "", "", ".tar.bz2") + R"(}, "repodata_version": null})");
  CHECK(read.index->size() == 1);
  CHECK(read.summary.skipped == 2);
  CHECK(read.summary.first_problem.find("too large") != std::string::npos);
  CHECK_THROWS_AS(Read(R"({"repodata_version": 18446744073709551616})"), Error);
  CHECK_THROWS_AS(Read(R"({"info": {"x": 18446744073709551616}})"), Error);
}

TEST_CASE("A document cut anywhere is an error, never a crash or a shorter channel") {
  const std::string text = R"({"info": {"subdir": "linux-64"}, "packages": {)" + record("b", "1", "", "", ".tar.bz2") +
                           R"(}, "packages.conda": {)" + record("a", "1", R"("b >=1")") + R"(}, "removed": ["x-1-0.conda"],
                           "repodata_version": 1})";
  REQUIRE(Read(text).index->size() == 2);
  for (std::size_t size = 1; size < text.size(); ++size) {
    CAPTURE(size);
    CHECK(error_of([&] { Read read(text.substr(0, size)); }).kind() == ErrorKind::corrupt);
  }
}

TEST_CASE("One changed byte never crashes the reader") {
  const std::string text = R"({"info": {"subdir": "linux-64"}, "packages.conda": {)" +
                           record("a", "1", R"("b >=1")", R"(, "sha256": null, "track_features": "x y", "timestamp": 15)") + "}}";
  std::size_t read_well = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    for (const char c : {'\0', '"', '\\', '{', ']', '\xff', '0'}) {
      std::string changed = text;
      changed[i] = c;
      try {
        Read read(changed);
        ++read_well;
      } catch (const Error& error) {
        CHECK((error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::invalid_input));
      }
    }
  }
  CHECK(read_well > 0);
}
