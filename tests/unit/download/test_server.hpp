#pragma once

#include <catch2/catch.hpp>

#include <memory>
#include <string>

#include "envtool/download/fetcher.hpp"
#include "envtool/os/files.hpp"
#include "http_server/http_server.hpp"

namespace envtool::test {

/// A hostile server on a folder of its own, a folder for targets, and options that retry fast.
struct ServerFixture {
  TemporaryDirectory folder{"/tmp", "envtool-download-"};
  std::unique_ptr<HttpServer> server;
  FetchOptions options;

  ServerFixture() {
    make_directories(root());
    server = std::make_unique<HttpServer>(ENVTOOL_PYTHON, ENVTOOL_HTTP_SERVER, root());
    options.retry_base = std::chrono::milliseconds(10);
    options.retry_cap = std::chrono::milliseconds(50);
  }

  std::string root() const { return folder.path() + "/www"; }
  std::string target(const std::string& name = "target") const { return folder.path() + "/" + name; }
  Url url(const std::string& path) const { return Url::parse(server->url() + path); }

  /// A request for a file of that content under `path`, put on the server, with size and digest.
  FetchRequest request_for(const std::string& path, const std::string& content) const {
    server->put(path.substr(1), content);
    FetchRequest request;
    request.url = url(path);
    request.target_path = target();
    request.expected_size = content.size();
    request.sha256 = sha256(content);
    return request;
  }
  FetchResult fetch(const FetchRequest& request) { return Fetcher(options).fetch(request); }
};

/// The error that a call throws.
template <typename Call>
Error error_of(Call&& call) {
  try {
    call();
  } catch (const Error& error) {
    return error;
  }
  FAIL("no error was thrown");
  return Error("unreachable");
}

/// Bytes that do not compress and do not repeat.
inline std::string noise(std::size_t size, unsigned seed = 1) {
  std::string text(size, '\0');
  std::uint32_t state = seed * 2654435761U + 1;
  for (char& c : text) {
    state = state * 1664525U + 1013904223U;
    c = static_cast<char>(state >> 24);
  }
  return text;
}

}  // namespace envtool::test
