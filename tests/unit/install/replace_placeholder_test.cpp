#include "envtool/install/replace_placeholder.hpp"

#include <catch2/catch.hpp>
#include <random>
#include <string>

#include "envtool/base/error.hpp"

using namespace envtool;

namespace {
/// One byte at a time, as the rule is told, without any of the tricks.
std::string slow_binary(const std::string& content, const std::string& placeholder, const std::string& prefix) {
  std::string out;
  std::size_t owed = 0;
  for (std::size_t i = 0; i < content.size();) {
    if (content.compare(i, placeholder.size(), placeholder) == 0) {
      out += prefix;
      owed += placeholder.size() - prefix.size();
      i += placeholder.size();
      continue;
    }
    if (content[i] == '\0') {
      out += std::string(owed, '\0');
      owed = 0;
    }
    out += content[i++];
  }
  return out + std::string(owed, '\0');
}

std::string slow_text(const std::string& content, const std::string& placeholder, const std::string& prefix) {
  std::string out;
  for (std::size_t i = 0; i < content.size();) {
    if (content.compare(i, placeholder.size(), placeholder) == 0) {
      out += prefix;
      i += placeholder.size();
    } else {
      out += content[i++];
    }
  }
  return out;
}

std::string random_buffer(std::mt19937& random, const std::string& placeholder, std::string_view alphabet) {
  std::string buffer;
  const auto pieces = random() % 12;
  for (std::size_t i = 0; i < pieces; ++i) {
    switch (random() % 6) {
      case 0:
        buffer += placeholder;
        break;
      case 1:  // nearly one
        buffer += placeholder.substr(0, random() % (placeholder.size() + 1));
        break;
      case 2:
        buffer += '\0';
        break;
      default:
        for (auto n = random() % 9; n > 0; --n) buffer += alphabet[random() % alphabet.size()];
    }
  }
  return buffer;
}
}  // namespace

TEST_CASE("replacement agrees with a slow reference on random buffers") {
  std::mt19937 random(20240601);
  const std::string alphabet("ab/_\n\r\xff\0 ", 9);
  int hits = 0;
  for (int i = 0; i < 300000; ++i) {
    std::string placeholder;
    for (auto n = 1 + random() % 6; n > 0; --n) placeholder += "ab/_"[random() % 4];
    std::string prefix = "/";
    for (auto n = random() % placeholder.size(); n > 0; --n) prefix += "abc"[random() % 3];
    const std::string buffer = random_buffer(random, placeholder, alphabet);
    hits += buffer.find(placeholder) != std::string::npos;
    const std::string binary = replace_placeholder(buffer, FileMode::binary, placeholder, prefix);
    if (binary.size() != buffer.size() || binary != slow_binary(buffer, placeholder, prefix)) {
      CAPTURE(buffer, placeholder, prefix, binary);
      FAIL("binary");
    }
    if (buffer.rfind("#!", 0) == 0) continue;
    const std::string longer = prefix + "longer/than/before";
    const std::string text = replace_placeholder(buffer, FileMode::text, placeholder, longer);
    if (text != slow_text(buffer, placeholder, longer)) {
      CAPTURE(buffer, placeholder, longer, text);
      FAIL("text");
    }
  }
  CHECK(hits > 50000);
}

TEST_CASE("a binary's strings keep their places") {
  const std::string p = "/place/holder/long";
  const std::string nul(1, '\0');
  // Two in one string, one at its end; the next string does not move.
  const std::string content = "head" + nul + p + "/lib:" + p + nul + "next" + nul + p;
  const std::string out = replace_placeholder(content, FileMode::binary, p, "/p");
  REQUIRE(out.size() == content.size());
  CHECK(out.substr(5, 9) == "/p/lib:/p");
  CHECK(out.find("next" + nul) == content.find("next" + nul));
  // Without a NUL before the end of the file the padding is at the end.
  CHECK(out.substr(content.rfind(p)) == "/p" + std::string(p.size() - 2, '\0'));
  CHECK(replace_placeholder(content, FileMode::binary, p, p) == content);
  CHECK_THROWS_AS(replace_placeholder(content, FileMode::binary, p, p + "x"), Error);
}

TEST_CASE("a long interpreter line goes through env") {
  const std::string p = "/place/holder";
  const auto replace = [&](const std::string& line, const std::string& prefix) {
    return replace_placeholder(line + "\nrest " + p + "\n", FileMode::text, p, prefix);
  };
  CHECK(replace("#!" + p + "/bin/python", "/short") == "#!/short/bin/python\nrest /short\n");
  CHECK(replace("#! " + p + "/bin/python -u", "/short") == "#! /short/bin/python -u\nrest /short\n");
  // 127 bytes are read by every kernel, 128 are not.
  const std::string tail = "/bin/perl";
  const std::string exact = "/" + std::string(127 - 2 - 1 - tail.size(), 'x');
  CHECK(replace("#!" + p + tail, exact) == "#!" + exact + tail + "\nrest " + exact + "\n");
  const std::string more = exact + "y";
  CHECK(replace("#!" + p + tail, more) == "#!/usr/bin/env perl\nrest " + more + "\n");
  CHECK(replace("#!" + p + tail + " -w", more) == "#!/usr/bin/env -S perl -w\nrest " + more + "\n");
  CHECK(replace("#!" + p + "/bin/python", "/with space") == "#!/usr/bin/env python\nrest /with space\n");
  // A line whose interpreter is another's stays, but for the placeholder in it.
  CHECK(replace("#!/bin/sh " + p, "/q") == "#!/bin/sh /q\nrest /q\n");
  CHECK(replace_placeholder("#!" + p + "/bin/x", FileMode::text, p, "/with space") == "#!/usr/bin/env x");
}
