#include <catch2/catch.hpp>

#include "envtool/activation/hook.hpp"
#include "envtool/base/error.hpp"

using namespace envtool;

namespace {
const std::string block = init_block(Shell::bash, {"/opt/envtool", "/opt/root", ""});
}

TEST_CASE("the start block is inserted once and removed without a trace") {
  const std::string text = GENERATE(std::string(""), std::string("alias ll='ls -l'\n"),
                                    std::string("one\n\n\n"), std::string("\n"));
  const std::string with = insert_init_block(text, block, ".bashrc");
  CHECK(with.find("# >>> envtool initialize >>>\n") != std::string::npos);
  CHECK(insert_init_block(with, block, ".bashrc") == with);
  CHECK(remove_init_block(with, ".bashrc") == text);
  CHECK(remove_init_block(text, ".bashrc") == text);
}

TEST_CASE("a start file without a final line break gets one") {
  CHECK(insert_init_block("last", block, ".bashrc") == "last\n\n" + block);
  CHECK(remove_init_block("last\n\n" + block, ".bashrc") == "last\n");
}

TEST_CASE("a block is replaced where it stands and copies of it go") {
  const std::string other = init_block(Shell::bash, {"/elsewhere/envtool", "", ""});
  const std::string text = "first\n" + other + "middle\n" + other + "last\n";
  CHECK(insert_init_block(text, block, ".bashrc") == "first\n" + block + "middle\nlast\n");
  CHECK(remove_init_block(text, ".bashrc") == "first\nmiddle\nlast\n");
}

TEST_CASE("lines of Windows and indented markers are recognized") {
  CHECK(remove_init_block("a\r\n  # >>> envtool initialize >>>\r\nx\r\n  # <<< envtool initialize <<<\r\nb\r\n", "rc") ==
        "a\r\nb\r\n");
}

TEST_CASE("a marker without its partner is an error that says the line, never a guess") {
  const std::string text =
      GENERATE(std::string("a\n# >>> envtool initialize >>>\nexport PRECIOUS=1\n"),
               std::string("a\n# <<< envtool initialize <<<\nexport PRECIOUS=1\n"),
               std::string("a\n# <<< envtool initialize <<<\n# >>> envtool initialize >>>\n"),
               std::string("a\n# >>> envtool initialize >>>\nb\n# >>> envtool initialize >>>\n# <<< envtool initialize <<<\n"));
  for (const bool insert : {true, false}) {
    try {
      insert ? insert_init_block(text, block, "/home/me/.bashrc") : remove_init_block(text, "/home/me/.bashrc");
      FAIL("no error");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_input);
      CHECK(error.where() == "/home/me/.bashrc:2:1");
    }
  }
}
