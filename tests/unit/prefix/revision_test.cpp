#include "envtool/prefix/revision.hpp"

#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "revision_document.hpp"

using namespace envtool;
using Lines = std::vector<std::string>;

namespace {
RepoDataRecord package(const std::string& name, const std::string& version) {
  RepoDataRecord record;
  record.name = name;
  record.version = version;
  record.build = "0";
  record.subdir = "linux-64";
  record.fn = record.dist() + ".conda";
  record.channel = "https://conda.anaconda.org/test";
  record.url = record.channel + "/linux-64/" + record.fn;
  record.sha256 = sha256(record.fn);
  record.md5 = md5(record.fn);
  record.size = 1234;
  record.depends = {"libc >=2", "other"};
  record.timestamp = 1700000000000;
  return record;
}

EnvironmentState state_of(std::vector<RepoDataRecord> packages) {
  EnvironmentState state;
  state.packages = std::move(packages);
  return state;
}

/// An environment that has nothing but its history.
struct Made {
  TemporaryDirectory folder{"/tmp", "envtool-revisions-"};
  Prefix prefix{folder.path()};

  Made() { make_directories(prefix.state_directory() + "/revisions"); }
  std::string history() const { return read_file_if_exists(prefix.history_file()).value_or(""); }
  void write(const RevisionFiles& files) const {
    if (files.history) write_atomically(prefix.history_file(), *files.history);
    for (const auto& [path, content] : files.files) write_atomically(prefix / path, content);
  }
  void change(HistoryEntry entry, const EnvironmentState* found, const EnvironmentState& state) const {
    entry.command = {"envtool", "test"};
    write(add_revision(RevisionStore::load(prefix), history(), std::move(entry), found, &state));
  }
  /// From one set of packages to another, as a command does it.
  void move(const EnvironmentState& from, const EnvironmentState& to) const {
    HistoryEntry entry;
    for (const RepoDataRecord& record : from.packages) entry.unlinked.push_back(history_line(record));
    for (const RepoDataRecord& record : to.packages) entry.linked.push_back(history_line(record));
    for (const RepoDataRecord& record : from.packages)
      for (const RepoDataRecord& other : to.packages)
        if (record.dist() == other.dist()) {
          std::erase(entry.unlinked, history_line(record));
          std::erase(entry.linked, history_line(record));
        }
    change(entry, size() == 0 ? nullptr : &from, to);
  }
  std::size_t size() const { return RevisionStore::load(prefix).size(); }
};

std::vector<std::string> dists(const EnvironmentState& state) {
  std::vector<std::string> result;
  for (const RepoDataRecord& record : state.packages) result.push_back(record.dist());
  return result;
}

const EnvironmentState nothing;
}  // namespace

TEST_CASE("every part of a state comes back") {
  const Made made;
  EnvironmentState state = state_of({package("alpha", "1"), package("beta", "2")});
  state.requested = {{"alpha", {"alpha >=1", "alpha <3"}}};
  state.pinned = "beta 2.*\n# a remark\n";
  state.variables = EnvironmentVariables{{"NAME", "a value\nwith \"everything\" \xc3\xa9"}};
  PipDistribution pip;
  pip.name = "shout";
  pip.version = "1.0";
  pip.folder = "lib/python3.11/site-packages/shout-1.0.dist-info";
  pip.record_digest = std::string(64, 'a');
  pip.bundle = std::string(64, 'b');
  pip.direct_url = "file:///somewhere/shout.whl";
  pip.installer = "pip";
  pip.editable = pip.requested = true;
  state.pip = {pip};
  made.move(nothing, state);

  const RevisionStore store = RevisionStore::load(made.prefix);
  REQUIRE(store.size() == 1);
  REQUIRE(store.is_recorded(0));
  const EnvironmentState read = store.state(0);
  CHECK(read.requested == state.requested);
  CHECK(read.pinned == state.pinned);
  CHECK(read.variables == state.variables);
  REQUIRE(read.pip.size() == 1);
  CHECK(same_distribution(read.pip[0], pip));
  CHECK(read.pip[0].bundle == pip.bundle);
  CHECK(read.pip[0].direct_url == pip.direct_url);
  CHECK(read.pip[0].installer == "pip");
  CHECK((read.pip[0].editable && read.pip[0].requested));
  REQUIRE(dists(read) == Lines{"alpha-1-0", "beta-2-0"});
  const RepoDataRecord& record = read.packages[0];
  CHECK(record.url == package("alpha", "1").url);
  CHECK(record.channel == package("alpha", "1").channel);
  CHECK(record.sha256 == package("alpha", "1").sha256);
  CHECK(record.md5 == package("alpha", "1").md5);
  CHECK(record.size == 1234);
  CHECK(record.depends == package("alpha", "1").depends);
  CHECK(record.timestamp == 1700000000000);
}

TEST_CASE("a record is stored once, however often it comes and goes") {
  const Made made;
  std::vector<RepoDataRecord> many;
  for (int i = 0; i < 300; ++i) many.push_back(package("package-" + std::to_string(i), "1"));
  std::sort(many.begin(), many.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  const EnvironmentState one = state_of(many);
  many[0].version = "2";
  const EnvironmentState two = state_of(many);
  made.move(nothing, one);
  const auto bytes = [&](std::size_t number) { return read_file(made.prefix / revision_file(number)).size(); };
  const std::size_t first = bytes(0);
  for (int i = 0; i < 5; ++i) {
    made.move(one, two);
    made.move(two, one);
  }
  CHECK(bytes(1) < first / 5);
  for (std::size_t number = 2; number < 11; ++number) {
    CAPTURE(number);
    CHECK(bytes(number) < first / 5);
    CHECK(dists(RevisionStore::load(made.prefix).state(number)) == dists(number % 2 == 0 ? one : two));
  }
  // Only the first two files have records.
  CHECK(bytes(3) < bytes(1));
}

TEST_CASE("no credentials are stored") {
  const Made made;
  EnvironmentState state = state_of({package("alpha", "1")});
  state.packages[0].url = "https://user:canary1@example.org/t/canary2/channel/linux-64/alpha-1-0.conda";
  state.packages[0].channel = "https://user:canary1@example.org/t/canary2/channel";
  state.requested = {{"alpha", {"https://user:canary3@example.org/t/canary4/c/linux-64/alpha-1-0.conda"}}};
  state.pip = {{}};
  state.pip[0].name = "x";
  state.pip[0].folder = "lib/x.dist-info";
  state.pip[0].direct_url = "https://user:canary5@example.org/x.whl";
  made.move(nothing, state);
  const std::string text = read_file(made.prefix / revision_file(0)) + made.history();
  CHECK(text.find("canary") == std::string::npos);
  CHECK(RevisionStore::load(made.prefix).state(0).packages[0].url == "https://example.org/channel/linux-64/alpha-1-0.conda");
}

TEST_CASE("to conda the packages stay when a change is about something else") {
  const Made made;
  EnvironmentState state = state_of({package("alpha", "1"), package("beta", "2")});
  made.move(nothing, state);
  const EnvironmentState before = state;
  state.variables = EnvironmentVariables{{"A", "b"}};
  made.change({}, &before, state);
  const History history = History::load(made.prefix);
  REQUIRE(history.entries().size() == 2);
  CHECK(history.entries()[1].linked == Lines{"test/linux-64::alpha-1-0"});
  CHECK(history.entries()[1].note == "no package was changed");
  CHECK(history.state_at(1) == history.state_at(0));
}

TEST_CASE("a package linked anew has one line") {
  const Made made;
  const EnvironmentState state = state_of({package("alpha", "1")});
  made.move(nothing, state);
  HistoryEntry entry;
  entry.linked = entry.unlinked = {"test/linux-64::alpha-1-0"};
  made.change(entry, &state, state);
  CHECK(History::load(made.prefix).entries()[1].unlinked.empty());
  CHECK(History::load(made.prefix).entries()[1].linked.size() == 1);
}

TEST_CASE("what another tool did becomes a revision of its own") {
  const Made made;
  EnvironmentState state = state_of({package("alpha", "1")});
  made.move(nothing, state);

  SECTION("packages without a word in the history") {
    const EnvironmentState found = state_of({package("alpha", "1"), package("other", "3")});
    made.move(found, state_of({package("alpha", "2"), package("other", "3")}));
    const RevisionStore store = RevisionStore::load(made.prefix);
    REQUIRE(store.size() == 3);
    CHECK(store.history().entries()[1].linked == Lines{"test/linux-64::other-3-0"});
    CHECK(store.history().entries()[1].command.empty());
    CHECK(dists(store.state(1)) == Lines{"alpha-1-0", "other-3-0"});
    CHECK(dists(store.state(2)) == Lines{"alpha-2-0", "other-3-0"});
  }
  SECTION("pip packages") {
    EnvironmentState found = state;
    found.pip.resize(1);
    found.pip[0].name = "by-hand";
    found.pip[0].folder = "lib/by_hand.dist-info";
    EnvironmentState after = found;
    after.packages = {package("alpha", "2")};
    made.move(found, after);
    const RevisionStore store = RevisionStore::load(made.prefix);
    REQUIRE(store.size() == 3);
    CHECK(store.state(0).pip.empty());
    CHECK(store.state(1).pip.size() == 1);
    CHECK(store.history().state_at(1) == store.history().state_at(0));
  }
  SECTION("with a block of its own, which gets a file") {
    write_atomically(made.prefix.history_file(), made.history() + "==> 2024-01-01 00:00:00 <==\n# cmd: conda install x\n# conda version: 24\n"
                                                                  "+somewhere-else/linux-64::x-1-0\n# update specs: ['x']\n");
    EnvironmentState found = state_of({package("alpha", "1"), package("x", "1")});
    CHECK_FALSE(RevisionStore::load(made.prefix).is_recorded(1));
    made.move(found, state);
    const RevisionStore store = RevisionStore::load(made.prefix);
    REQUIRE(store.size() == 3);
    CHECK(store.is_recorded(1));
    CHECK(dists(store.state(1)) == Lines{"alpha-1-0", "x-1-0"});
    // The line that the other tool wrote is taken back, however it spells the channel.
    CHECK(store.history().entries()[2].unlinked == Lines{"somewhere-else/linux-64::x-1-0"});
    CHECK(store.history().state_at(2) == store.history().state_at(0));
  }
}

TEST_CASE("the last revision can be completed") {
  const Made made;
  EnvironmentState state = state_of({package("alpha", "1")});
  made.move(nothing, state);
  state.pip.resize(1);
  state.pip[0].name = "shout";
  state.pip[0].folder = "lib/shout.dist-info";
  made.write(amend_revision(RevisionStore::load(made.prefix), state));
  const RevisionStore store = RevisionStore::load(made.prefix);
  CHECK(store.size() == 1);
  CHECK(store.state(0).pip.size() == 1);
  CHECK(dists(store.state(0)) == Lines{"alpha-1-0"});
}

TEST_CASE("a file that belongs to another history counts as none") {
  const Made made;
  made.move(nothing, state_of({package("alpha", "1")}));
  write_atomically(made.prefix.history_file(), "==> 2020-01-01 00:00:00 <==\n+x/linux-64::y-1-0\n");
  const RevisionStore store = RevisionStore::load(made.prefix);
  CHECK_FALSE(store.is_recorded(0));
  CHECK(store.problem(0).empty());
}

TEST_CASE("damage is found wherever it is, and stays with its revision") {
  const Made made;
  EnvironmentState state = state_of({package("alpha", "1")});
  state.variables = EnvironmentVariables{{"A", "b"}};
  made.move(nothing, state);
  made.move(state, state_of({package("alpha", "2")}));
  const std::string path = made.prefix / revision_file(1), good = read_file(path);
  for (std::size_t at = 0; at < good.size(); ++at) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 1);
    write_atomically(path, bad);
    const RevisionStore store = RevisionStore::load(made.prefix);
    CAPTURE(at, good[at]);
    // A blank behind the end is no damage.
    if (at + 1 == good.size() && !store.problem(1).empty()) continue;
    CHECK((at + 1 == good.size() || !store.is_recorded(1)));
    CHECK(store.is_recorded(0));
  }
  for (std::size_t size = 0; size + 1 < good.size(); size += 7) {
    write_atomically(path, good.substr(0, size));
    CHECK_FALSE(RevisionStore::load(made.prefix).problem(1).empty());
  }
  write_atomically(path, std::string(100000, '['));
  CHECK_FALSE(RevisionStore::load(made.prefix).problem(1).empty());
  CHECK_THROWS_AS(RevisionStore::load(made.prefix).state(1), Error);
}

TEST_CASE("hostile files with a right checksum are refused, too") {
  const auto refused = [](const std::string& body) {
    // The checksum is over the text without it, as it is written.
    const std::string text = body.substr(0, body.size() - 1) + ",\"sha256\":\"" + sha256(body).hex() + "\"}";
    try {
      detail::parse_revision(text, "hostile");
    } catch (const Error& error) {
      return error.why();
    }
    return std::string();
  };
  const std::string id = std::string(32, 'a'), print = std::string(64, '0');
  const auto with = [&](const std::string& key, const std::string& value) {
    std::map<std::string, std::string> fields{{"fingerprint", "\"" + print + "\""}, {"packages", "[]"}, {"requested", "{}"}, {"records", "{}"}};
    fields[key] = value;
    std::string body = "{\"envtool_revision\":1";
    for (const auto& [name, text] : fields) body += ",\"" + name + "\":" + text;
    return body + "}";
  };
  CHECK(refused(with("pip", "[]")).empty());  // the frame itself is right
  CHECK(refused(with("fingerprint", "\"../../x\"")).find("no digest") != std::string::npos);
  CHECK(refused(with("packages", "[\"../../etc/passwd\"]")).find("names no record") != std::string::npos);
  CHECK(refused(with("packages", "{}")).find("not a list") != std::string::npos);
  CHECK(refused(with("packages", "[3]")).find("not a string") != std::string::npos);
  CHECK(refused(with("requested", "[]")).find("not an object") != std::string::npos);
  CHECK(refused(with("requested", "{\"x\":3}")).find("no list") != std::string::npos);
  CHECK(refused(with("records", "{\"" + id + "\":{}}")).find("not what its name says") != std::string::npos);
  CHECK_FALSE(refused(with("pinned", "3")).empty());
  CHECK_FALSE(refused(with("pinned", "\"a\\u0000b\"")).empty());
  CHECK_FALSE(refused(with("variables", "{\"A=B\":\"c\"}")).empty());
  for (const char* folder : {"../../../etc", "/etc", "conda-meta/x", "", "a/../b"})
    CHECK_FALSE(refused(with("pip", std::string("[{\"name\":\"x\",\"folder\":\"") + folder + "\"}]")).empty());
  CHECK_FALSE(refused(with("pip", "[{\"name\":\"x\",\"folder\":\"a\",\"bundle\":\"../../x\"}]")).empty());
  CHECK_FALSE(refused(with("pip", "[{\"folder\":\"a\"}]")).empty());
  CHECK_FALSE(refused("{\"envtool_revision\":2}").empty());
  CHECK_FALSE(refused("{}").empty());
}

TEST_CASE("a record that is in no file is told") {
  const Made made;
  made.move(nothing, state_of({package("alpha", "1"), package("beta", "1")}));
  made.move(state_of({package("alpha", "1"), package("beta", "1")}), state_of({package("alpha", "2"), package("beta", "1")}));
  remove_file(made.prefix / revision_file(0));
  const RevisionStore store = RevisionStore::load(made.prefix);
  REQUIRE(store.is_recorded(1));
  CHECK_THROWS_WITH(store.state(1), Catch::Matchers::Contains("is in none of the files"));
}
