#include <catch2/catch.hpp>

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>

#include "envtool/base/error.hpp"
#include "envtool/install/file_facts.hpp"
#include "install_fixture.hpp"

using namespace envtool;
using namespace envtool::test;
namespace fs = std::filesystem;
using Type = FileFacts::Type;
using Wanted = FileQuestion::Wanted;

TEST_CASE("what lies at a path is told without leaving the folder") {
  const TemporaryDirectory box("/tmp", "envtool-facts-");
  const std::string root = box.path() + "/root";
  fs::create_directories(root + "/sub");
  spit(box.path() + "/secret", "precious");
  spit(root + "/sub/file", "content");
  fs::create_symlink("sub/file", root + "/link");
  fs::create_symlink("..", root + "/out");
  fs::create_symlink("sub", root + "/inside");
  REQUIRE(mkfifo((root + "/pipe").c_str(), 0600) == 0);

  const std::vector<FileQuestion> questions{
      {"sub/file", Wanted::content, {}},  {"sub/file", Wanted::content, 3}, {"sub/file", Wanted::head, {}}, {"link", Wanted::content, {}},
      {"out/secret", Wanted::content, {}}, {"../secret", Wanted::content, {}}, {"/etc/passwd", Wanted::content, {}},
      {"pipe", Wanted::content, {}},      {"sub", Wanted::content, {}},     {"none/at/all", Wanted::content, {}},
      {"sub/file/below", Wanted::content, {}}, {"inside/file", Wanted::content, {}}};
  std::uint64_t bytes = 0;
  const auto facts = look_at_files(root, questions, {}, &bytes);
  REQUIRE(facts.size() == questions.size());
  CHECK(facts[0].type == Type::file);
  CHECK(facts[0].digest == sha256("content"));
  CHECK(facts[0].size == 7);
  CHECK_FALSE(facts[1].digest);  // another size answers the question
  CHECK(facts[2].text == "content");
  CHECK_FALSE(facts[2].digest);
  CHECK(facts[3].type == Type::link);
  CHECK(facts[3].text == "sub/file");
  for (std::size_t i : {4, 5, 6}) {
    CHECK(facts[i].type == Type::outside);
    CHECK_FALSE(facts[i].digest);
    CHECK(facts[i].text.empty());
  }
  CHECK(facts[7].type == Type::other);
  CHECK(facts[8].type == Type::folder);
  CHECK(facts[9].type == Type::missing);
  CHECK(facts[10].type == Type::missing);
  CHECK(facts[11].digest == sha256("content"));
  CHECK(bytes == 7 + 7 + 7);
}

TEST_CASE("many files, small and large, in several threads") {
  const TemporaryDirectory box("/tmp", "envtool-facts-");
  std::vector<FileQuestion> questions;
  std::vector<Sha256> expected;
  for (int i = 0; i < 700; ++i) {
    const std::string name = "d" + std::to_string(i % 7) + "/f" + std::to_string(i);
    const std::string content(i % 100 == 0 ? (5U << 20U) + static_cast<unsigned>(i) : static_cast<unsigned>(i), static_cast<char>('a' + i % 26));
    fs::create_directories(box.path() + "/d" + std::to_string(i % 7));
    spit(box.path() + "/" + name, content);
    questions.push_back({name, Wanted::content, i % 2 == 0 ? std::optional<std::uint64_t>(content.size()) : std::nullopt});
    expected.push_back(sha256(content));
  }
  const auto facts = look_at_files(box.path(), questions);
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < facts.size(); ++i) wrong += facts[i].digest == expected[i] ? 0 : 1;
  CHECK(wrong == 0);
  std::stop_source stop;
  stop.request_stop();
  CHECK_THROWS_AS(look_at_files(box.path(), questions, stop.get_token()), Error);
}

TEST_CASE("what becomes of an unfinished change is told beforehand") {
  const TemporaryDirectory box("/tmp", "envtool-facts-");
  const Prefix prefix(box.path() + "/env");
  install(prefix, {PackageBuilder(box.path() + "/pkgs", "a").file("share/a", "a")});
  using Outcome = PendingChange::Outcome;
  CHECK(describe_pending_change(prefix).outcome == Outcome::none);
  fs::create_directories(prefix.transaction_directory() + "/new");
  CHECK(describe_pending_change(prefix).outcome == Outcome::undo);
  spit(prefix.transaction_directory() + "/journal.done", "");
  CHECK(describe_pending_change(prefix).outcome == Outcome::finish);
  spit(prefix.transaction_directory() + "/journal.ready", "nonsense");
  CHECK(describe_pending_change(prefix).outcome == Outcome::unusable);
}

TEST_CASE("modes are set on files of the environment and on nothing else") {
  const TemporaryDirectory box("/tmp", "envtool-facts-");
  const Prefix prefix(box.path() + "/env");
  install(prefix, {PackageBuilder(box.path() + "/pkgs", "a").file("bin/a", "a", 0755)});
  spit(box.path() + "/victim", "v");
  REQUIRE(chmod((box.path() + "/victim").c_str(), 0600) == 0);
  fs::create_symlink("../../victim", prefix / "bin/link");
  fs::create_symlink("..", prefix / "out");
  const PrefixLock lock = PrefixLock::acquire(prefix);
  CHECK(set_file_mode(lock, "bin/a", 0700));
  CHECK(look_at_files(prefix.path(), std::vector<FileQuestion>{{"bin/a", Wanted::status, {}}})[0].mode == 0700);
  CHECK_FALSE(set_file_mode(lock, "bin/link", 0777));
  CHECK_FALSE(set_file_mode(lock, "bin/none", 0777));
  CHECK_THROWS_AS(set_file_mode(lock, "out/victim", 0777), Error);
  struct stat status{};
  REQUIRE(stat((box.path() + "/victim").c_str(), &status) == 0);
  CHECK((status.st_mode & 07777U) == 0600);
}
