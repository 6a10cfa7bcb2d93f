#include <catch2/catch.hpp>

#include <cerrno>
#include <cstring>
#include <set>

#include "envtool/base/error.hpp"

using namespace envtool;

TEST_CASE("an error shows message, place, reason and hints") {
  CHECK(std::string(Error("it broke").what()) == "it broke");
  Error error("cannot parse the version `1..2`", ErrorKind::invalid_input);
  error.hint("write `1.2`").because("a part is empty").at("env.yml", 3, 5).hint("or `1.0.2`");
  CHECK(std::string(error.what()) ==
        "cannot parse the version `1..2`\n"
        "  at env.yml:3:5\n"
        "  because a part is empty\n"
        "  hint: write `1.2`\n"
        "  hint: or `1.0.2`");
  CHECK(error.kind() == ErrorKind::invalid_input);
  CHECK(error.message() == "cannot parse the version `1..2`");
  CHECK(error.where() == "env.yml:3:5");
  CHECK(error.why() == "a part is empty");
  CHECK(error.hints() == std::vector<std::string>{"write `1.2`", "or `1.0.2`"});
}

TEST_CASE("causes are shown below, one step further in") {
  Error deep("disk full");
  deep.at("/x");
  Error middle("cannot write");
  middle.caused_by(deep).hint("free space");
  Error top("cannot create the environment");
  top.caused_by(middle).because("a step failed");
  CHECK(std::string(top.what()) ==
        "cannot create the environment\n"
        "  because a step failed\n"
        "  caused by: cannot write\n"
        "    caused by: disk full\n"
        "      at /x\n"
        "    hint: free space");
  REQUIRE(top.causes().size() == 1);
  CHECK(top.causes()[0] == middle.what());
}

TEST_CASE("texts of several lines stay indented") {
  Error error("the wishes cannot stand together:\n- a needs b\n- c forbids b");
  error.hint("drop a\nor c");
  CHECK(std::string(error.what()) ==
        "the wishes cannot stand together:\n"
        "  - a needs b\n"
        "  - c forbids b\n"
        "  hint: drop a\n"
        "    or c");
}

TEST_CASE("an error carries neither credentials nor terminal control") {
  Error cause("fetch of https://me:CANARY1@h/t/CANARY2/x failed");
  Error error("see https://me:CANARY3@h/x");
  error.at("https://h/t/CANARY4/ch").because("proxy https://a:CANARY5@p:1").hint("try http://CANARY6@h")
      .caused_by(cause).with("urls", {"https://h/t/CANARY7/x"});
  CHECK(std::string(error.what()).find("CANARY") == std::string::npos);
  CHECK((error.message() + error.where() + error.why() + error.hints()[0]).find("CANARY") == std::string::npos);
  CHECK(error.fields()[0].second[0] == "https://h/t/***/x");
  CHECK(std::string(Error("a\x1b[2Jb").what()) == "a\\x1b[2Jb");
}

TEST_CASE("system errors choose the kind from the number") {
  CHECK(system_error("x", ENOSPC).kind() == ErrorKind::no_space);
  CHECK(system_error("x", EDQUOT).kind() == ErrorKind::no_space);
  CHECK(system_error("x", EACCES).kind() == ErrorKind::permission);
  CHECK(system_error("x", EPERM).kind() == ErrorKind::permission);
  CHECK(system_error("x", EROFS).kind() == ErrorKind::permission);
  CHECK(system_error("x", ECONNREFUSED).kind() == ErrorKind::network);
  CHECK(system_error("x", ENOENT).kind() == ErrorKind::general);
  CHECK(system_error("cannot write", ENOENT).why() == "No such file or directory (ENOENT)");
  CHECK_FALSE(system_error("x", ENOSPC).hints().empty());
  CHECK(system_error("x", 99999).why() == "unknown error (errno 99999)");
}

TEST_CASE("exit codes and names of kinds") {
  CHECK(exit_code(ErrorKind::general) == 1);
  CHECK(exit_code(ErrorKind::unsatisfiable) == 1);
  CHECK(exit_code(ErrorKind::usage) == 2);
  CHECK(exit_code(ErrorKind::locked) == 75);
  CHECK(exit_code(ErrorKind::interrupted) == 130);
  CHECK(exception_name(ErrorKind::packages_not_found) == "PackagesNotFoundError");
  for (int kind = 0; kind <= static_cast<int>(ErrorKind::internal); ++kind) {
    CHECK_FALSE(exception_name(static_cast<ErrorKind>(kind)).empty());
  }
}
