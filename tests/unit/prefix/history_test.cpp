#include "envtool/prefix/history.hpp"

#include <catch2/catch.hpp>

using namespace envtool;
using Specs = std::map<std::string, std::string>;
using Lines = std::vector<std::string>;

TEST_CASE("a block is written as CEP 32 says and read back") {
  HistoryEntry entry;
  entry.time = "2024-05-06 07:08:09";
  entry.command = {"envtool", "install", "numpy>=1", "it's"};
  entry.tool_version = "0.1.0";
  entry.linked = {"conda-forge/linux-64::numpy-1.26.4-py312_0", "conda-forge/noarch::six-1-0"};
  entry.unlinked = {"conda-forge/linux-64::numpy-1.25.0-py312_0"};
  entry.update_specs = {"numpy >=1", "python[version='>=3.8']", "a\"b'c\\d"};
  entry.remove_specs = {"old"};
  entry.neutered_specs = {"x"};
  const std::string text = render(entry);
  CHECK(text ==
        "==> 2024-05-06 07:08:09 <==\n"
        "# cmd: envtool install numpy>=1 it's\n"
        "# envtool version: 0.1.0\n"
        "-conda-forge/linux-64::numpy-1.25.0-py312_0\n"
        "+conda-forge/linux-64::numpy-1.26.4-py312_0\n"
        "+conda-forge/noarch::six-1-0\n"
        "# update specs: ['numpy >=1', \"python[version='>=3.8']\", 'a\"b\\'c\\\\d']\n"
        "# remove specs: ['old']\n"
        "# neutered specs: ['x']\n");
  const History history = History::parse(text);
  REQUIRE(history.entries().size() == 1);
  const HistoryEntry& read = history.entries()[0];
  CHECK(read.time == entry.time);
  CHECK(read.command == Lines{"envtool", "install", "numpy>=1", "it's"});
  CHECK(read.tool == "envtool");
  CHECK(read.tool_version == "0.1.0");
  CHECK(read.linked == entry.linked);
  CHECK(read.unlinked == entry.unlinked);
  CHECK(read.update_specs == entry.update_specs);
  CHECK(read.remove_specs == entry.remove_specs);
  CHECK(read.neutered_specs == entry.neutered_specs);
}

TEST_CASE("what the user asked for, as conda derives it") {
  const History history = History::parse(
      "==> 2020-01-01 00:00:00 <==\n# cmd: /opt/conda/bin/conda create -n x python=3.8 numpy\n# conda version: 4.8.0\n"
      "+defaults/linux-64::python-3.8.1-0\n# update specs: ['python=3.8', 'numpy', 'scipy[version=\">=1\"]']\n"
      "==> 2020-01-02 00:00:00 <==\n# cmd: conda remove numpy\n# remove specs: ['numpy']\n"
      "==> 2020-01-03 00:00:00 <==\n# cmd: conda update --all\n# update specs: []\n# neutered specs: ['python']\n"
      "==> 2020-01-04 00:00:00 <==\n# cmd: mamba install\n# install specs: [\"xtensor>=0.2\"]\n"
      "==> 2020-01-05 00:00:00 <==\n# update specs: ['not-counted']\n");
  CHECK(history.requested_specs() ==
        Specs{{"python", "python"}, {"scipy", "scipy[version=\">=1\"]"}, {"xtensor", "xtensor>=0.2"}});
  CHECK(history.entries()[0].tool == "conda");
}

TEST_CASE("specs of conda before 4.5 are a comma list in which versions hold commas too") {
  const History history = History::parse(
      "==> 2016-01-01 00:00:00 <==\n# cmd: conda create\n# install specs: param >=1.5.1,<2.0,python>=3.5.1,jupyter >=1.0.0,<2.0,matplotlib\n"
      "==> 2016-01-02 00:00:00 <==\n# cmd: conda install u\n# update specs: [u'one', u\"two\"]\n");
  CHECK(history.entries()[0].update_specs == Lines{"param >=1.5.1,<2.0", "python>=3.5.1", "jupyter >=1.0.0,<2.0", "matplotlib"});
  CHECK(history.entries()[1].update_specs == Lines{"one", "two"});
}

TEST_CASE("states follow from the blocks") {
  const History history = History::parse(
      "zlib-1.2-0\nold-style-1-0\n"
      "==> 2016-01-01 00:00:00 <==\n+c/s::a-1-0\n-old-style-1-0\n"
      "==> 2016-01-02 00:00:00 <==\n-c/s::a-1-0\n+c/s::a-2-0\n");
  REQUIRE(history.entries().size() == 3);
  CHECK(history.state_at(0) == Lines{"old-style-1-0", "zlib-1.2-0"});
  CHECK(history.state_at(1) == Lines{"c/s::a-1-0", "zlib-1.2-0"});
  CHECK(history.state_at(2) == Lines{"c/s::a-2-0", "zlib-1.2-0"});
  CHECK(history.state_at(99) == history.state_at(2));
}

TEST_CASE("nonsense is passed over, and nothing foreign gets into the file") {
  for (const char* text : {"", "\n\n", "# cmd: x\n", "==>", "==> <==\n# : \n# specs: [\n+\n-\n", "# update specs: ['unclosed\n",
                           "==> t <==\n# cmd: x\n# update specs: ['a', 3, None]\n", "\xff\xfe\x00", "==> t <==\n#\n#cmd\n"})
    CHECK_NOTHROW(History::parse(text).requested_specs());

  HistoryEntry entry;
  entry.time = "2024-01-01 00:00:00";
  entry.command = {"envtool", "-c", "https://me:secret@host.example/t/tk-1234/c", "new\nline", "\x1b[31m"};
  entry.update_specs = {"https://me:secret@host.example/c::x", "a\n+forged::line-1-0"};
  const std::string text = render(entry);
  CHECK(text.find("secret") == std::string::npos);
  CHECK(text.find("tk-1234") == std::string::npos);
  CHECK(text.find('\x1b') == std::string::npos);
  CHECK(History::parse(text).entries().size() == 1);
  CHECK(History::parse(text).entries()[0].linked.empty());
}

TEST_CASE("the line of a package") {
  RepoDataRecord record;
  record.name = "a";
  record.version = "1";
  record.build = "0";
  record.subdir = "linux-64";
  record.channel = "https://conda.anaconda.org/conda-forge/";
  CHECK(history_line(record) == "conda-forge/linux-64::a-1-0");
  record.channel = "https://me:secret@host.example/channel";
  CHECK(history_line(record).find("secret") == std::string::npos);
  record.channel = "file:///srv/channel";
  CHECK(history_line(record) == "file:///srv/channel/linux-64::a-1-0");
}
