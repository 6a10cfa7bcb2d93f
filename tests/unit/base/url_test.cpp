#include <catch2/catch.hpp>

#include "envtool/base/error.hpp"
#include "envtool/base/url.hpp"

using namespace envtool;

TEST_CASE("the parts of a URL") {
  const Url url = Url::parse("HTTPS://User:p%40ss@Conda.Example.ORG:8443/t/tk-123/my/channel/noarch/x-1.0.conda?a=b&c#sha");
  CHECK(url.scheme() == "https");
  CHECK(url.host() == "conda.example.org");
  CHECK(url.port() == "8443");
  CHECK(url.path() == "/my/channel/noarch/x-1.0.conda");
  CHECK(url.query() == "?a=b&c");
  CHECK(url.fragment() == "#sha");
  CHECK(url.user_info().reveal() == "User:p%40ss");
  CHECK(url.token().reveal() == "tk-123");
  CHECK(url.has_credentials());
  CHECK(url.origin() == "https://conda.example.org:8443");
  CHECK(url.str() == "https://conda.example.org:8443/my/channel/noarch/x-1.0.conda?a=b&c");
  CHECK(url.with_credentials().reveal() ==
        "https://User:p%40ss@conda.example.org:8443/t/tk-123/my/channel/noarch/x-1.0.conda?a=b&c");
  CHECK(url.file_name() == "x-1.0.conda");
  CHECK(url.without_fragment().fragment().empty());
}

TEST_CASE("texts that are no URL") {
  for (const char* bad : {"", "conda-forge", "/a/b", "http:", "http:/a", "http://", "http:///a", "https://?q",
                          "://a", "1http://a", "C:\\dir", "localhost:8080/x", "https://h:port/", "https://h:65536/",
                          "https://h:-1/", "https://[::1/", "https://[g::1]/", "https://[::1]x/", "https://[]/",
                          "https://a b/", "https://a\\b/", "https://a%2fb/", "https://a<b/", "https://h/\x01",
                          "https://h/\n", "https://h/\x7f", " https://h", "https://u@/x", "file://u@/x", "https://a:1:2/"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(Url::parse(bad), Error);
  }
}

TEST_CASE("an error about a URL never quotes its credentials") {
  for (const char* bad :
       {"https://user:CANARY@h:port/", "https://user:CAN/CANARY@h/x", "https://user:CAN#CANARY@h/x", "https://CANARY@/x",
        "user:CANARY@host", "https://user:CANARY\x01@h", "https://a:CAN@CANARY@h:x/", "https://u:CANARY@h:x/t/CANARY/a@b",
        "https://h:x/t/CANARY/y"}) {
    CAPTURE(bad);
    try {
      Url::parse(bad);
      FAIL("was accepted");
    } catch (const Error& error) {
      CHECK(error.kind() == ErrorKind::invalid_input);
      CHECK(std::string(error.what()).find("CANARY") == std::string::npos);
    }
  }
}

TEST_CASE("URLs are normalised") {
  CHECK(Url::parse("https://h/a b/\xC3\xA9<x>").str() == "https://h/a%20b/%C3%A9%3Cx%3E");
  CHECK(Url::parse("https://h/a%2Fb%zz").str() == "https://h/a%2Fb%25zz");
  CHECK(Url::parse("https://h/a/./b/../c").str() == "https://h/a/c");
  CHECK(Url::parse("https://h/a/%2e%2E/c").str() == "https://h/c");
  CHECK(Url::parse("https://h/../../c/..").str() == "https://h/");
  CHECK(Url::parse("https://h").str() == "https://h");
  CHECK(Url::parse("https://h?x").query() == "?x");
  CHECK(Url::parse("https://[2001:DB8::1]:0443/a").origin() == "https://[2001:db8::1]");
  CHECK(Url::parse("http://h:80/a").origin() == "http://h");
  CHECK(Url::parse("http://h:443/a").origin() == "http://h:443");
  CHECK(Url::parse("https://h:/a").port().empty());
  CHECK(Url::parse("s3://Bucket/key").str() == "s3://bucket/key");
  CHECK(Url::parse("https://a:b@c:d@h/").user_info().reveal() == "a:b%40c:d");
  CHECK(Url::parse("https://h/a!b+c=d,e:f@g~").str() == "https://h/a!b+c=d,e:f@g~");
}

TEST_CASE("what is meant as a URL") {
  CHECK(Url::looks_like_url("https://x"));
  CHECK(Url::looks_like_url("git+https://x"));
  CHECK(Url::looks_like_url("file:///x"));
  for (const char* no : {"", "conda-forge", "a:b", "/x://y", "numpy ==1.0", "1a://b", "://x", "a b://c"}) {
    CAPTURE(no);
    CHECK_FALSE(Url::looks_like_url(no));
  }
}

TEST_CASE("the token segment") {
  CHECK(Url::parse("https://h/t/tk/ch").str() == "https://h/ch");
  CHECK(Url::parse("https://h/t/tk").str() == "https://h");
  CHECK(Url::parse("https://h/t/tk").with_credentials().reveal() == "https://h/t/tk");
  CHECK(Url::parse("https://h/t/").token().empty());
  CHECK(Url::parse("https://h/get/t/tk/ch").with_credentials().reveal() == "https://h/get/t/tk/ch");
  CHECK(Url::parse("https://h/get/t/tk/ch").str() == "https://h/get/ch");
  CHECK(Url::parse("https://h/latest/x").token().empty());
  CHECK(Url::parse("file:///home/t/channel/x").str() == "file:///home/t/channel/x");
  const Url plain = Url::parse("https://h/ch");
  CHECK(plain.with_token(Secret("n/w")).with_credentials().reveal() == "https://h/t/n%2Fw/ch");
  CHECK(plain.with_token(Secret("x")).with_token(Secret()) == plain);
  CHECK(plain.with_user_info(Secret("me:p@s/s")).with_credentials().reveal() == "https://me:p%40s%2Fs@h/ch");
  CHECK_THROWS_AS(plain.with_token(Secret("a\nb")), Error);
  CHECK_THROWS_AS(plain.with_user_info(Secret("a\r\nb")), Error);
}

TEST_CASE("paths below a URL") {
  const Url base = Url::parse("https://u:p@h/t/tk/a/b?q#f");
  CHECK((base / "c/d").with_credentials().reveal() == "https://u:p@h/t/tk/a/b/c/d");
  CHECK((Url::parse("https://h/a/") / "b").str() == "https://h/a/b");
  CHECK((Url::parse("https://h") / "b").str() == "https://h/b");
  CHECK((Url::parse("https://h/a") / "b/").str() == "https://h/a/b/");
  CHECK((Url::parse("https://h/a") / "/b").str() == "https://h/a/b");
  CHECK((Url::parse("https://h/a") / "./b").str() == "https://h/a/b");
  CHECK((Url::parse("https://h/a") / "b c?d#e%").str() == "https://h/a/b%20c%3Fd%23e%25");
  CHECK((Url::parse("https://h/a") / "p-1!2.0+x-0.conda").str() == "https://h/a/p-1!2.0+x-0.conda");
  for (const char* bad : {"..", "../x", "a/../b", "a/..", "%2e%2E/x", ".%2e", "https://evil/x", "a\nb"}) {
    CAPTURE(bad);
    CHECK_THROWS_AS(base / bad, Error);
  }
}

// RFC 3986 5.4. Left out: references with an opaque scheme (`g:h`, `http:g`), which are refused.
TEST_CASE("resolving references as RFC 3986 5.4 lists them") {
  const Url base = Url::parse("http://a/b/c/d;p?q");
  const std::pair<const char*, const char*> table[] = {
      {"g", "http://a/b/c/g"}, {"./g", "http://a/b/c/g"}, {"g/", "http://a/b/c/g/"}, {"/g", "http://a/g"},
      {"//g", "http://g"}, {"?y", "http://a/b/c/d;p?y"}, {"g?y", "http://a/b/c/g?y"}, {"#s", "http://a/b/c/d;p?q#s"},
      {"g#s", "http://a/b/c/g#s"}, {"g?y#s", "http://a/b/c/g?y#s"}, {";x", "http://a/b/c/;x"}, {"g;x", "http://a/b/c/g;x"},
      {"g;x?y#s", "http://a/b/c/g;x?y#s"}, {"", "http://a/b/c/d;p?q"}, {".", "http://a/b/c/"}, {"./", "http://a/b/c/"},
      {"..", "http://a/b/"}, {"../", "http://a/b/"}, {"../g", "http://a/b/g"}, {"../..", "http://a/"},
      {"../../", "http://a/"}, {"../../g", "http://a/g"},
      // abnormal examples
      {"../../../g", "http://a/g"}, {"../../../../g", "http://a/g"}, {"/./g", "http://a/g"}, {"/../g", "http://a/g"},
      {"g.", "http://a/b/c/g."}, {".g", "http://a/b/c/.g"}, {"g..", "http://a/b/c/g.."}, {"..g", "http://a/b/c/..g"},
      {"./../g", "http://a/b/g"}, {"./g/.", "http://a/b/c/g/"}, {"g/./h", "http://a/b/c/g/h"}, {"g/../h", "http://a/b/c/h"},
      {"g;x=1/./y", "http://a/b/c/g;x=1/y"}, {"g;x=1/../y", "http://a/b/c/y"}, {"g?y/./x", "http://a/b/c/g?y/./x"},
      {"g?y/../x", "http://a/b/c/g?y/../x"}, {"g#s/./x", "http://a/b/c/g#s/./x"}, {"g#s/../x", "http://a/b/c/g#s/../x"},
      {"https://x/y", "https://x/y"}};
  for (const auto& [reference, expected] : table) {
    CAPTURE(reference);
    const Url url = base.resolve(reference);
    CHECK(url.str() + url.fragment() == expected);
  }
  CHECK_THROWS_AS(base.resolve("g:h"), Error);
  CHECK_THROWS_AS(base.resolve("http:g"), Error);
  CHECK(Url::parse("http://a").resolve("g").str() == "http://a/g");
}

TEST_CASE("credentials stay only with their origin") {
  const Url base = Url::parse("https://u:p@h/t/tk/ch/noarch/repodata.json");
  CHECK(base.resolve("../x").with_credentials().reveal() == "https://u:p@h/t/tk/ch/x");
  CHECK(base.resolve("../../../../../x").with_credentials().reveal() == "https://u:p@h/t/tk/x");
  CHECK(base.resolve("/x").with_credentials().reveal() == "https://u:p@h/x");
  CHECK(base.resolve("/t/other/x").with_credentials().reveal() == "https://u:p@h/t/other/x");
  CHECK(base.resolve("https://h:443/x").with_credentials().reveal() == "https://u:p@h:443/x");
  CHECK(base.resolve("https://a:b@h/x").with_credentials().reveal() == "https://a:b@h/x");
  for (const char* other : {"https://g/x", "//g/x", "http://h/x", "https://h:8443/x", "https://h.evil/x", "//h@g/x"}) {
    CAPTURE(other);
    const Url url = base.resolve(other);
    CHECK(url.user_info().reveal().find("u:p") == std::string::npos);
    CHECK(url.token().empty());
  }
}

TEST_CASE("file name and parent") {
  CHECK(Url::parse("https://h/a/b%20c.conda").file_name() == "b c.conda");
  CHECK(Url::parse("https://h/a/b/").file_name() == "b");
  CHECK(Url::parse("https://h").file_name().empty());
  CHECK(Url::parse("https://h/x/..%2F..%2Fetc%00").file_name() == "..%2F..%2Fetc%00");
  CHECK(Url::parse("https://h/a/b?q#f").parent().str() == "https://h/a");
  CHECK(Url::parse("https://h/a/b/").parent().str() == "https://h/a");
  CHECK(Url::parse("https://h/a").parent().str() == "https://h");
  CHECK(Url::parse("https://h").parent().str() == "https://h");
  CHECK(Url::parse("https://u:p@h/x/t/tk/a").parent().parent().with_credentials().reveal() == "https://u:p@h/t/tk");
}

TEST_CASE("files as URLs") {
  CHECK(Url::from_path("/a b/c#d%/\xC3\xA9").str() == "file:///a%20b/c%23d%25/%C3%A9");
  CHECK(Url::from_path("/").str() == "file:///");
  for (const char* path : {"/", "/a", "/a b/%41", "/t/token/x", "/\xC3\xA9?#"}) {
    CHECK(Url::from_path(path).to_path() == path);
    CHECK(Url::parse(Url::from_path(path).str()).to_path() == path);
  }
  CHECK(Url::parse("file://localhost/a").to_path() == "/a");
  CHECK_THROWS_AS(Url::from_path("a"), Error);
  CHECK_THROWS_AS(Url::parse("file://other/a").to_path(), Error);
  CHECK_THROWS_AS(Url::parse("https://h/a").to_path(), Error);
  CHECK_THROWS_AS(Url::parse("file:///a%00b").to_path(), Error);
}

TEST_CASE("percent encoding") {
  CHECK(percent_encode("a b/\xC3\xA9~_-.") == "a%20b/%C3%A9~_-.");
  CHECK(percent_encode("a/b", "") == "a%2Fb");
  CHECK(percent_decode("%41%2fb%zz%4") == "A/b%zz%4");
  CHECK(percent_decode("%") == "%");
  std::string all;
  for (int byte = 0; byte < 256; ++byte) all += static_cast<char>(byte);
  CHECK(percent_decode(percent_encode(all)) == all);
}

TEST_CASE("equality and the empty URL") {
  CHECK(Url().empty());
  CHECK(Url().str().empty());
  CHECK(Url::parse("https://h/a") == Url::parse("HTTPS://H/a"));
  CHECK_FALSE(Url::parse("https://h/a") == Url::parse("https://u@h/a"));
}

TEST_CASE("credentials vanish from foreign text") {
  const std::pair<const char*, const char*> table[] = {
      {"plain text", "plain text"},
      {"", ""},
      {"get https://user:CANARY@h/x now", "get https://***@h/x now"},
      {"https://CANARY@h", "https://***@h"},
      {"https://u:CANARY@CANARY@h/x", "https://***@h/x"},
      {"https://u:CAN/CANARY@h/x", "https://***@h/x"},
      {"https://u:CAN#CANARY@h/x", "https://***@h/x"},
      {"https://h/t/CANARY/ch", "https://h/t/***/ch"},
      {"https://h/t/CANARY", "https://h/t/***"},
      {"https://h/a/t/CANARY/ch/t/CANARY/", "https://h/a/t/***/ch/t/***/"},
      {"conda.anaconda.org/t/CANARY/ch", "conda.anaconda.org/t/***/ch"},
      {"git+https://u:CANARY@h/r.git", "git+https://***@h/r.git"},
      {"'https://u:CANARY@h/','http://v:CANARY@g/'", "'https://***@h/','http://***@g/'"},
      {"{\"a\":\"https://u:CANARY@h\",\"b\":1}", "{\"a\":\"https://***@h\",\"b\":1}"},
      {"u:CANARY@proxy:8080", "u:***@proxy:8080"},
      {"https://h/x?token=CANARY&a=b#f", "https://h/x?token=***&a=b#f"},
      {"https://h/x?a=b&X-Amz-Signature=CANARY", "https://h/x?a=b&X-Amz-Signature=***"},
      {"https://h/x?u=https://v:CANARY@g/", "https://h/x?u=https://***@g/"},
      {"Authorization: Bearer CANARY\r\nHost: h", "Authorization: ***\r\nHost: h"},
      {"> proxy-authorization: Basic CANARY", "> proxy-authorization: ***"},
      {"https://h:8080/a@b", "https://h:8080/a@b"},
      {"https://[::1]:80/a@b", "https://[::1]:80/a@b"},
      {"/home/t/channel/x", "/home/t/channel/x"},
      {"file:///home/t/channel", "file:///home/t/channel"},
      {"conda-forge::numpy @ x", "conda-forge::numpy @ x"},
      {"/a:b@c/d", "/a:b@c/d"},
      {"mail me@example.org", "mail me@example.org"},
  };
  for (const auto& [text, expected] : table) {
    CAPTURE(text);
    CHECK(redact(text) == expected);
    CHECK(redact(redact(text)) == redact(text));
  }
}
