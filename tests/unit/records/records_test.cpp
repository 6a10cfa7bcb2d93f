#include <functional>

#include <catch2/catch.hpp>
#include <nlohmann/json.hpp>

#include "envtool/base/error.hpp"
#include "envtool/records/prefix_record.hpp"
#include "envtool/records/record_json.hpp"

using namespace envtool;

namespace {
ErrorKind kind_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind();
  }
  FAIL("no error was thrown");
  return ErrorKind::internal;
}

constexpr const char* numpy_index = R"({
  "arch": "x86_64", "build": "py311_0", "build_number": 3, "constrains": ["numpy-base <0a0"],
  "depends": ["python >=3.11,<3.12.0a0"], "license": "BSD-3-Clause", "name": "numpy", "platform": "linux",
  "subdir": "linux-64", "timestamp": 1670000000, "version": "1.24.2", "track_features": "a, b",
  "size": 12, "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "md5": "d41d8cd98f00b204e9800998ecf8427e"})";
}  // namespace

TEST_CASE("index.json is read with every field") {
  const PackageRecord record = parse_index_json(numpy_index, "numpy/info/index.json");
  CHECK(record.dist() == "numpy-1.24.2-py311_0");
  CHECK(record.build_number == 3);
  CHECK(record.depends == std::vector<std::string>{"python >=3.11,<3.12.0a0"});
  CHECK(record.constrains == std::vector<std::string>{"numpy-base <0a0"});
  CHECK(record.track_features == std::vector<std::string>{"a", "b"});
  CHECK(record.timestamp == 1670000000000);  // seconds were scaled
  CHECK(record.sha256->hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(record.md5->hex() == "d41d8cd98f00b204e9800998ecf8427e");
}

TEST_CASE("wrong records are refused and say where and which field") {
  auto broken = [](const char* key, nlohmann::json value) {
    auto document = nlohmann::json::parse(numpy_index);
    document[key] = std::move(value);
    return document.dump();
  };
  const std::vector<std::pair<const char*, nlohmann::json>> cases = {
      {"name", 3}, {"name", "../evil"}, {"name", "UPPER"}, {"version", "1-2"}, {"version", ""}, {"build", "a/b"},
      {"build_number", -1}, {"build_number", "one"}, {"depends", "python"}, {"depends", {1}}, {"size", "12"},
      {"sha256", "abc"}, {"md5", "zz"}, {"noarch", "ruby"}, {"subdir", "../x"}, {"timestamp", {1}},
      {"python_site_packages_path", "../../etc"}, {"depends", nlohmann::json::object()}};
  for (const auto& [key, value] : cases) {
    INFO(key << " = " << value.dump());
    try {
      parse_index_json(broken(key, value), "some/index.json");
      FAIL("accepted");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_input);
      CHECK(error.where() == "some/index.json");
      CHECK(error.message().find(key) != std::string::npos);
    }
  }
  CHECK(kind_of([] { parse_index_json("[]", "x"); }) == ErrorKind::invalid_input);
  CHECK(kind_of([] { parse_index_json("{", "x"); }) == ErrorKind::invalid_input);
  CHECK(kind_of([] { parse_index_json(std::string(100000, '['), "x"); }) == ErrorKind::invalid_input);
  CHECK(kind_of([] { parse_index_json(std::string(100, '[') + std::string(100, ']'), "x"); }) ==
        ErrorKind::invalid_input);
}

TEST_CASE("a repodata record survives writing and reading") {
  RepoDataRecord record;
  static_cast<PackageRecord&>(record) = parse_index_json(numpy_index, "x");
  record.fn = "numpy-1.24.2-py311_0.conda";
  record.channel = "https://example.org/chan";
  record.url = "https://example.org/chan/linux-64/numpy-1.24.2-py311_0.conda";
  record.noarch = NoarchType::python;
  record.python_site_packages_path = "lib/python3.11/site-packages";
  const RepoDataRecord again = parse_repodata_record(to_json(record), "y");
  CHECK(to_json(again) == to_json(record));
  CHECK(again.url == record.url);
  CHECK(again.noarch == NoarchType::python);
  CHECK(again.track_features == record.track_features);
}

TEST_CASE("paths.json: types, modes, and paths that escape") {
  const PathsJson paths = parse_paths_json(R"({"paths_version": 1, "paths": [
    {"_path": "bin/x", "path_type": "hardlink", "size_in_bytes": 3, "file_mode": "binary",
     "prefix_placeholder": "/opt/p", "sha256": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"_path": "lib/y", "path_type": "softlink"}, {"_path": "d", "path_type": "directory", "no_link": true}]})", "p");
  REQUIRE(paths.paths.size() == 3);
  CHECK(paths.paths[0].file_mode == FileMode::binary);
  CHECK(paths.paths[0].prefix_placeholder == "/opt/p");
  CHECK(paths.paths[1].path_type == PathType::softlink);
  CHECK(paths.paths[2].no_link);
  for (const char* path : {"/etc/passwd", "../x", "a/../b", "a//b", "", ".", "a/.", "a/", "a\\u0000b", "a\\nb"}) {
    INFO(path);
    CHECK(kind_of([&] {
            parse_paths_json(std::string(R"({"paths_version": 1, "paths": [{"_path": ")") + path + R"("}]})", "p");
          }) == ErrorKind::unsafe);
  }
  CHECK(kind_of([] { parse_paths_json(R"({"paths": [{"_path": "a"}, {"_path": "a"}]})", "p"); }) ==
        ErrorKind::invalid_input);
  CHECK(kind_of([] { parse_paths_json(R"({"paths_version": 2, "paths": []})", "p"); }) == ErrorKind::invalid_input);
}

TEST_CASE("legacy manifests") {
  const PathsJson paths = paths_from_legacy_files("bin/a\nlib/b c.so\nshare/d\n",
      "/old/prefix binary \"lib/b c.so\"\nbin/a\n", "share/d\n", "info/files");
  REQUIRE(paths.paths.size() == 3);
  CHECK(paths.paths[0].prefix_placeholder == "/opt/anaconda1anaconda2anaconda3");
  CHECK(paths.paths[1].prefix_placeholder == "/old/prefix");
  CHECK(paths.paths[1].file_mode == FileMode::binary);
  CHECK(paths.paths[2].no_link);
  CHECK(kind_of([] { paths_from_legacy_files("../x\n", "", "", "f"); }) == ErrorKind::unsafe);
}

TEST_CASE("entry points: valid odd ones pass, hostile ones do not") {
  const EntryPoint entry = parse_entry_point("bsdiff4 = bsdiff4.cli:main_bsdiff4", "l");
  CHECK(entry.command == "bsdiff4");
  CHECK(entry.module == "bsdiff4.cli");
  CHECK(entry.function == "main_bsdiff4");
  CHECK(parse_entry_point("f2py3.11=numpy.f2py.f2py2e:main", "l").command == "f2py3.11");
  CHECK(parse_entry_point("x=a:Klass.method [extra]", "l").function == "Klass.method");
  for (const char* text : {"x", "=a:b", "../x=a:b", "x/y=a:b", "x=a", "x=a:b;import os", "x=a b:c", "x=os;:c", "x=a:b()",
                           "x=a:\nimport os", ".=a:b", "..=a:b", "-x=a:b", "x=1a:b", "x=a..b:c", "x\ny=a:b", "x=a:"}) {
    INFO(text);
    CHECK(kind_of([&] { parse_entry_point(text, "l"); }) == ErrorKind::unsafe);
  }
}

TEST_CASE("conda-meta records survive writing and reading, and hostile paths are refused") {
  PrefixRecord record;
  static_cast<PackageRecord&>(record) = parse_index_json(numpy_index, "x");
  record.fn = "numpy-1.24.2-py311_0.conda";
  record.files = {"bin/f2py", "lib/x.py"};
  PathEntry entry;
  entry.path = "bin/f2py";
  entry.path_type = PathType::unix_python_entry_point;
  record.paths = {entry};
  record.link_type = LinkType::copy;
  record.link_source = "/pkgs/numpy";
  record.requested_specs = {"numpy >=1.20"};
  const std::string text = to_json(record);
  const PrefixRecord again = parse_prefix_record(text, "conda-meta/numpy.json");
  CHECK(to_json(again) == text);
  CHECK(again.link_type == LinkType::copy);
  CHECK(again.requested_specs == record.requested_specs);
  CHECK(again.file_name() == "numpy-1.24.2-py311_0.json");
  CHECK_FALSE(again.placed);
  CHECK_FALSE(nlohmann::json::parse(text).contains("envtool"));
  record.placed.emplace();
  record.placed->executables = {"bin/f2py"};
  record.placed->links = {{"lib/x.so", "x.so.1"}};
  const PrefixRecord placed = parse_prefix_record(to_json(record), "m");
  REQUIRE(placed.placed);
  CHECK(placed.placed->executables == record.placed->executables);
  CHECK(placed.placed->links == record.placed->links);
  // An empty list says something, too: nothing was executable.
  record.placed.emplace();
  CHECK(parse_prefix_record(to_json(record), "m").placed);

  auto document = nlohmann::json::parse(text);
  document["files"][0] = "../../etc/passwd";
  CHECK(kind_of([&] { parse_prefix_record(document.dump(), "m"); }) == ErrorKind::unsafe);
  document = nlohmann::json::parse(text);
  document["paths_data"]["paths"][0]["_path"] = "/etc/passwd";
  CHECK(kind_of([&] { parse_prefix_record(document.dump(), "m"); }) == ErrorKind::unsafe);
  document = nlohmann::json::parse(text);
  document.erase("requested_specs");
  CHECK(parse_prefix_record(document.dump(), "m").requested_specs == record.requested_specs);
}

TEST_CASE("archive names split from the right") {
  const auto name = parse_archive_name("scikit-learn-1.2.0-py311h_0.conda");
  REQUIRE(name);
  CHECK(name->name == "scikit-learn");
  CHECK(name->version == "1.2.0");
  CHECK(name->build == "py311h_0");
  CHECK(name->extension == ".conda");
  CHECK(parse_archive_name("a-1-0.tar.bz2"));
  for (const char* text : {"a-1.conda", "a.conda", "-1-0.conda", "a-1-0.zip", "../a-1-0.conda", "A-1-0.conda", ".conda"}) {
    INFO(text);
    CHECK_FALSE(parse_archive_name(text));
  }
}
