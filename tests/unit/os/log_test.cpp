#include <catch2/catch.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <functional>

#include "envtool/os/files.hpp"
#include "envtool/os/log.hpp"

using namespace envtool;

namespace {

/// What an action writes to standard error.
std::string captured(const std::function<void()>& action) {
  const TemporaryDirectory folder("/tmp", "envtool-test-");
  const std::string path = folder.path() + "/stderr";
  const FileDescriptor file(::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
  const FileDescriptor saved(::dup(2));
  ::dup2(file.get(), 2);
  action();
  ::dup2(saved.get(), 2);
  return read_file(path);
}

}  // namespace

TEST_CASE("messages go to standard error from the threshold on") {
  CHECK(log_level() == LogLevel::warning);
  const std::string text = captured([] {
    log_message(LogLevel::error, "an error");
    log_warning("a warning {} %s");
    log_info("hidden");
    set_log_level(LogLevel::debug);
    log_debug("shown");
    log_message(LogLevel::trace, "hidden");
    set_log_level(LogLevel::trace);
    log_message(LogLevel::trace, "all");
  });
  CHECK(log_level() == LogLevel::trace);
  set_log_level(LogLevel::warning);
  CHECK(text == "error: an error\nwarning: a warning {} %s\ndebug: shown\ntrace: all\n");
}

TEST_CASE("messages carry neither credentials nor terminal control nor lines of their own") {
  const std::string text = captured([] {
    log_warning("get https://user:CANARY@h/t/CANARY/x\x1b[2J\r\nerror: forged\n");
  });
  CHECK(text == "warning: get https://***@h/t/***/x\\x1b[2J\n  error: forged\n");
}
