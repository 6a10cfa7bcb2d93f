#pragma once

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

extern char** environ;

namespace envtool::test {

/// The hostile server of this folder as a child process on a folder of files. `script` and `python`
/// come from the build (`ENVTOOL_HTTP_SERVER`, `ENVTOOL_PYTHON`).
class HttpServer {
 public:
  struct Tls {
    std::string certificate, key;
  };

  HttpServer(const std::string& python, const std::string& script, std::string root, const Tls* tls = nullptr)
      : root_(std::move(root)), scheme_(tls != nullptr ? "https" : "http") {
    int input[2], output[2];
    if (pipe2(input, O_CLOEXEC) != 0 || pipe2(output, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, input[0], 0);
    posix_spawn_file_actions_adddup2(&actions, output[1], 1);
    std::vector<std::string> words{python, script, root_};
    if (tls != nullptr) words.insert(words.end(), {"--tls", tls->certificate, tls->key});
    std::vector<char*> arguments;
    for (auto& word : words) arguments.push_back(word.data());
    arguments.push_back(nullptr);
    const int failed = posix_spawn(&child_, python.c_str(), &actions, nullptr, arguments.data(), environ);
    posix_spawn_file_actions_destroy(&actions);
    close(input[0]);
    close(output[1]);
    stop_pipe_ = input[1];
    char character = 0;
    while (failed == 0 && read(output[0], &character, 1) == 1 && character != '\n') port_ += character;
    close(output[0]);
    if (character != '\n') throw std::runtime_error("the test's HTTP server did not start");
  }
  ~HttpServer() {
    close(stop_pipe_);
    int status = 0;
    waitpid(child_, &status, 0);
  }
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  const std::string& root() const { return root_; }
  const std::string& port() const { return port_; }
  /// `http://127.0.0.1:PORT`
  std::string url() const { return scheme_ + "://127.0.0.1:" + port_; }
  /// The same machine by another name: another origin.
  std::string other_url() const { return scheme_ + "://localhost:" + port_; }

  void put(const std::string& path, const std::string& content) const {
    std::ofstream(root_ + "/" + path, std::ios::binary) << content;
  }
  /// The whole of `.behaviours.json`.
  void behave(const std::string& json) const { put(".behaviours.json", json); }
  /// The log's lines, one for each request.
  std::vector<std::string> requests() const {
    std::ifstream log(root_ + "/.requests.log");
    std::vector<std::string> lines;
    for (std::string line; std::getline(log, line);) lines.push_back(line);
    return lines;
  }
  /// How many requests asked for the path.
  std::size_t count(const std::string& path) const {
    std::size_t found = 0;
    for (const auto& line : requests()) found += line.find("\t" + path + "\t") != std::string::npos ||
                                                 line.ends_with("\t" + path);
    return found;
  }

 private:
  std::string root_, scheme_, port_;
  pid_t child_ = -1;
  int stop_pipe_ = -1;
};

}  // namespace envtool::test
