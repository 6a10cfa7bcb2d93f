#include "envtool/yaml/yaml_document.hpp"

#include <catch2/catch.hpp>

#include <chrono>
#include <random>

#include "envtool/base/text.hpp"

using namespace envtool;

namespace {

std::string error_of(const std::string& text, const YamlLimits& limits = {}) {
  try {
    parse_yaml(text, "f.yml", limits);
  } catch (const Error& error) {
    CHECK(error.kind() == ErrorKind::invalid_input);
    return error.where() + " " + error.why();
  }
  return "no error";
}

}  // namespace

TEST_CASE("a document becomes a tree with places") {
  const auto root = parse_yaml("a: 1\nb:\n  - x\n  - 'y'\n  -\nc: {d: ~}\n", "f.yml");
  REQUIRE(root->is_map());
  CHECK(root->find("a")->text == "1");
  CHECK(root->find("a")->plain);
  const YamlNode& list = *root->find("b");
  REQUIRE(list.items.size() == 3);
  CHECK(list.items[1]->text == "y");
  CHECK_FALSE(list.items[1]->plain);
  CHECK(list.items[1]->line == 4);
  CHECK(list.items[1]->column == 5);
  CHECK(list.items[2]->is_null());
  CHECK(root->find("c")->find("d")->is_null());
  CHECK(root->find("nothing") == nullptr);
  CHECK(parse_yaml("", "f.yml")->is_null());
  CHECK(parse_yaml("# only a comment\n", "f.yml")->is_null());
  CHECK(parse_yaml("\xEF\xBB\xBF" "a: b\n", "f.yml")->find("a")->text == "b");
  CHECK(parse_yaml("a: b\r\nc: d\r\n", "f.yml")->find("c")->text == "d");
}

TEST_CASE("anchors and merge keys") {
  const auto root = parse_yaml("one: &x {a: 1, b: 2}\ntwo: *x\nthree: {<<: *x, b: 3}\nfour: {<<: [*x, {c: 4}]}\n", "f.yml");
  CHECK(root->find("two")->find("a")->text == "1");
  CHECK(root->find("three")->find("a")->text == "1");
  CHECK(root->find("three")->find("b")->text == "3");
  CHECK(root->find("four")->find("c")->text == "4");
}

TEST_CASE("what is refused says where") {
  CHECK(error_of("a: 1\nb: 2\na: 3\n") == "f.yml:3:1 the key `a` is there twice, first in line 1");
  CHECK(error_of("a:\n\t- x\n") == "f.yml:2:2 illegal block entry");
  try {
    parse_yaml("a:\n\t- x\n", "f.yml");
  } catch (const Error& error) {
    CHECK(error.hints() == std::vector<std::string>{"indent with spaces: YAML allows no tabs"});
  }
  CHECK(error_of("a: [x\nb: y\n").starts_with("f.yml:"));
  CHECK(error_of("a: !!python/object:os.system x\n") != "no error");
  CHECK(error_of("a: !evil x\n").starts_with("f.yml:1:4 the tag"));
  CHECK(error_of("a: &x [*x]\n").starts_with("f.yml:1:8 an alias"));
  CHECK(error_of("a: *nowhere\n").starts_with("f.yml:1:4"));
  CHECK(error_of("? [a]\n: b\n").find("a key has to be a plain word") != std::string::npos);
  CHECK(error_of("a: 1\n---\nb: 2\n").find("more than one") != std::string::npos);
  CHECK(error_of(std::string("a: \0b", 5)).find("UTF-8") != std::string::npos);
  CHECK(error_of("a: \xff\n").find("UTF-8") != std::string::npos);
  CHECK(error_of(std::string("\xff\xfe" "a\0:\0", 6)).find("UTF-8") != std::string::npos);
}

TEST_CASE("bombs are refused quickly") {
  const auto begin = std::chrono::steady_clock::now();
  std::string aliases = "a: &a [x,x,x,x,x,x,x,x,x]\n";
  for (char c = 'b'; c <= 'k'; ++c) {
    aliases += std::string(1, c) + ": &" + c + " [";
    for (int i = 0; i < 9; ++i) aliases += std::string(i == 0 ? "" : ",") + "*" + static_cast<char>(c - 1);
    aliases += "]\n";
  }
  CHECK(error_of(aliases).find("too many parts") != std::string::npos);
  CHECK(error_of(std::string(1'000'000, '[')).starts_with("f.yml:1:"));
  CHECK(error_of(std::string(1'000'000, '{')).starts_with("f.yml:1:"));
  std::string dashes;
  for (int i = 0; i < 100'000; ++i) dashes += "- ";
  CHECK(error_of(dashes).starts_with("f.yml:1:"));
  std::string chain = "a0: &a0 [x]\n";
  for (int i = 1; i < 100; ++i) {
    const std::string n = std::to_string(i);
    chain += "a" + n + ": &a" + n + " [*a" + std::to_string(i - 1) + "]\n";
  }
  CHECK(error_of(chain).find("nested too deeply") != std::string::npos);
  std::string keys;
  for (int i = 0; i < 300'000; ++i) keys += "k" + std::to_string(i) + ": \n";
  CHECK(error_of(keys).find("too many parts") != std::string::npos);
  CHECK(error_of("a: " + std::string(5u << 20, 'x')).find("larger than") != std::string::npos);
  CHECK(std::chrono::steady_clock::now() - begin < std::chrono::seconds(60));  // sanitizers and a busy machine included
}

TEST_CASE("scalars are written so that every reader takes them for the same text") {
  for (const std::string plain : {"numpy", "python=3.11", "numpy >=1.20,<2", "conda-forge::x=1.*", "1.2.3", "/opt/x",
                                  "https://a.b/c#d", "a b", "x|y", "python_abi 3.11.* *_cp311", "foo[build=bar]"}) {
    CHECK(yaml_scalar(plain) == plain);
  }
  for (const std::string quoted : {"", "yes", "No", "null", "~", "1", "1.0", "1e3", "0x1f", "1:30", "-1", ".5", "2024-01-01",
                                   "a: b", "a #b", " a", "a ", "*x", "&x", "!x", "- a", "{a}", "a\nb", "x:", "'", "\"", "%a",
                                   "@a", "`a", ".inf", "1_000", "0o7", "+1", "...", "---", "?", "=", "é", "\t"}) {
    CAPTURE(quoted);
    CHECK(yaml_scalar(quoted).starts_with('"'));
  }
}

TEST_CASE("any text comes back from a written scalar") {
  std::mt19937 random(11);
  const std::vector<std::string> pieces{"a", "Z", "0", ".", ":", " ", "#", "'", "\"", "\\", "\n", "\r", "\t", "-", "?", "[", "]",
                                        "{", "}", ",", "&", "*", "!", "|", ">", "%", "@", "`", "~", "é", "\xC2\x85", "\xC2\x80",
                                        "\u2028", "\uFEFF", "漢", "🐍", "\x01", "\x7f", "=", "<", "null", "yes", "1e3", "/", "$"};
  for (int i = 0; i < 5000; ++i) {
    std::string text;
    for (std::size_t n = random() % 8; n > 0; --n) text += pieces[random() % pieces.size()];
    CAPTURE(escape_control(text));
    const auto root = parse_yaml("- " + yaml_scalar(text) + "\n- k: " + yaml_scalar(text) + "\n", "f.yml");
    REQUIRE(root->items.size() == 2);
    REQUIRE(root->items[0]->is_scalar());
    REQUIRE(root->items[0]->text == text);
    REQUIRE(root->items[1]->find("k")->text == text);
  }
}
