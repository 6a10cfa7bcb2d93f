#include "json_scanner.hpp"

#include <unistd.h>

#include "channel_fixture.hpp"

using namespace envtool;
using namespace envtool::test;

namespace {

// A document in a file.
struct Document {
  TemporaryDirectory folder{"/tmp", "envtool-json-"};
  std::unique_ptr<ByteSource> source;
  explicit Document(const std::string& text, BodyForm form = BodyForm::json, std::uint64_t limit = 1 << 30) {
    write_atomically(folder.path() + "/document", text);
    source = std::make_unique<ByteSource>(FileDescriptor(open((folder.path() + "/document").c_str(), O_RDONLY)), form,
                                          "document", limit);
  }
};

// Every value of the top-level object, as text.
std::string walk(const std::string& text) {
  Document document(text);
  JsonScanner scanner(*document.source, 1000);
  std::string seen;
  std::string_view key;
  scanner.enter('{');
  while (scanner.next_key(key)) {
    seen += std::string(key) + "=";
    seen += std::string(scanner.take_value()) + ";";
  }
  scanner.expect_end();
  return seen;
}

std::string why(const std::string& text) {
  const Error error = error_of([&] { walk(text); });
  CHECK(error.kind() == ErrorKind::corrupt);
  return error.where() + ": " + error.why();
}

}  // namespace

TEST_CASE("The scanner gives members as they stand") {
  CHECK(walk(" { } ") == "");
  CHECK(walk(R"({"a": 1, "b" :"x\"}{","c":[{},[]],"d":{"e":[1,"]"]}, "e":null })") ==
        R"("a"=1;"b"="x\"}{";"c"=[{},[]];"d"={"e":[1,"]"]};"e"=null;)");
}

TEST_CASE("The scanner names the place of what is wrong") {
  CHECK(why("") == "document, byte 0: the document ends too early");
  CHECK(why("<!doctype html>") == "document, byte 0: expected `{`, found `<`");
  CHECK(why(R"({"a":1)") == "document, byte 6: the document ends too early");
  CHECK(why(R"({"a":1,})") == "document, byte 7: expected a key in double quotes");
  CHECK(why(R"({"a":1 "b":2})") == "document, byte 7: expected `,`, found `\"`");
  CHECK(why(R"({"a":{"b":1)") == "document, byte 5: a value that begins here does not end");
  CHECK(why(R"({"a":"b)") == "document, byte 5: a string does not end");
  CHECK(why(R"({"a":[1}})") == "document, byte 7: brackets do not match");
  CHECK(why(R"({"a":})") == "document, byte 5: expected a value");
  CHECK(why(R"({"a":,})") == "document, byte 5: expected a value");
  CHECK(why(R"({"a":1}x)") == "document, byte 7: something follows the document's end");
  CHECK(why(std::string("{\"a\":1}\0", 8)) == "document, byte 7: something follows the document's end");
  CHECK(why(R"({"a":)" + std::string(200, '[') + std::string(200, ']') + "}").find("nested deeper") != std::string::npos);
  CHECK(why(R"({"a":)" + std::string(2000, '1') + "}").find("expected a value") != std::string::npos);
}

TEST_CASE("A deep nest ends at once, not with the stack") {
  const std::string deep(1000000, '[');
  CHECK(why(R"({"a":)" + deep).find("nested deeper") != std::string::npos);
}

TEST_CASE("Values may be longer than the buffer, up to the limit") {
  const std::string longer(5000000, 'x');
  Document document(R"({"a": ")" + longer + R"(", "b": 2})");
  JsonScanner scanner(*document.source);
  std::string_view key;
  scanner.enter('{');
  REQUIRE(scanner.next_key(key));
  CHECK(scanner.take_value().size() == longer.size() + 2);
  REQUIRE(scanner.next_key(key));
  CHECK(key == "\"b\"");
  CHECK(scanner.take_value() == "2");

  Document same(R"({"a": ")" + longer + R"(", "b": 2})");
  JsonScanner limited(*same.source, 1000);
  limited.enter('{');
  REQUIRE(limited.next_key(key));
  CHECK(error_of([&] { limited.take_value(); }).why().find("longer than") != std::string::npos);

  // What is skipped need not fit.
  Document skipped(R"({"a": ")" + longer + R"(", "b": 2})");
  JsonScanner skipper(*skipped.source, 1000);
  skipper.enter('{');
  REQUIRE(skipper.next_key(key));
  skipper.skip_value();
  REQUIRE(skipper.next_key(key));
  CHECK(key == "\"b\"");
}

TEST_CASE("Pieces are right wherever the buffer ends") {
  // Members of odd sizes, so that every kind of token meets a buffer's end somewhere.
  std::string text = "{";
  for (int i = 0; i < 60000; ++i) {
    text += (i == 0 ? "" : ", ") + std::string("\"key") + std::to_string(i) + "\" : {\"v\": [" + std::to_string(i) +
            ", \"" + std::string(static_cast<std::size_t>(i % 97), 'a') + "\\\\\\\"\"]}";
  }
  text += "}";
  REQUIRE(text.size() > 5000000);
  for (const BodyForm form : {BodyForm::json, BodyForm::json_zst}) {
    Document document(form == BodyForm::json ? text : compress(text), form);
    JsonScanner scanner(*document.source);
    scanner.enter('{');
    std::string_view key;
    int i = 0;
    bool right = true;
    while (scanner.next_key(key)) {
      right = right && key == "\"key" + std::to_string(i) + "\"";
      right = right && scanner.take_value() == "{\"v\": [" + std::to_string(i) + ", \"" +
                                                   std::string(static_cast<std::size_t>(i % 97), 'a') + "\\\\\\\"\"]}";
      ++i;
    }
    scanner.expect_end();
    CHECK(right);
    CHECK(i == 60000);
    CHECK(document.source->stored_digest() == sha256(form == BodyForm::json ? text : compress(text)));
  }
}

TEST_CASE("Compressed documents: cut, damaged, bombs") {
  std::string text = "{\"a\": \"";
  std::uint32_t state = 1;
  for (int i = 0; i < 300000; ++i) {
    state = state * 1664525U + 1013904223U;
    text += static_cast<char>('a' + (state >> 28));
  }
  text += "\"}";
  const std::string packed = compress(text);
  const auto read_all = [](const std::string& bytes, std::uint64_t limit = 1 << 30) {
    Document document(bytes, BodyForm::json_zst, limit);
    std::string result, piece(70000, '\0');
    while (const std::size_t count = document.source->read(piece.data(), piece.size())) result.append(piece, 0, count);
    return result;
  };
  CHECK(read_all(packed) == text);
  CHECK(read_all(packed + packed) == text + text);
  for (const std::size_t size : {std::size_t{0}, std::size_t{3}, packed.size() / 2, packed.size() - 1}) {
    CHECK(error_of([&] { read_all(packed.substr(0, size)); }).kind() == ErrorKind::corrupt);
  }
  CHECK(error_of([&] { read_all("not compressed at all"); }).kind() == ErrorKind::corrupt);
  CHECK(error_of([&] { read_all(packed + "garbage"); }).kind() == ErrorKind::corrupt);
  CHECK(error_of([&] { read_all(compress(std::string(5000000, '0')), 1000000); }).kind() == ErrorKind::unsafe);
}

TEST_CASE("JSON strings both ways") {
  for (const std::string& text : {std::string(), std::string("plain"), std::string("q\"b\\n\n\t\x01"), std::string("\u00e4\u20ac")}) {
    CHECK(unquote_json(quote_json(text)) == text);
  }
  CHECK(unquote_json(R"("\u0041\u00e9\ud83d\ude00")") == "A\u00e9\U0001F600");
  for (const char* bad : {"\"\\x\"", "\"\\u12\"", "\"\xff\"", "\"\\ud800\"", "\"a\nb\""}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(unquote_json(bad), Error);
  }
}
