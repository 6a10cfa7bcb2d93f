#include "envtool/os/failpoint.hpp"

#ifdef ENVTOOL_FAILPOINTS

#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <string>
#include <vector>

#include "envtool/base/text.hpp"

namespace envtool {
namespace {

struct Rule {
  std::string name;  ///< or `any`
  std::uint64_t pass = 0;
  bool and_later = false;
  int error_number = 0;  ///< 0: not this
  int signal = 0;        ///< 0: not this; neither: a mark
  std::uint64_t seen = 0;
};

int errno_of_name(std::string_view name) {
  for (int number = 1; number < 200; ++number) {
    const char* known = strerrorname_np(number);
    if (known != nullptr && name == known) return number;
  }
  return 0;
}

int signal_of_name(std::string_view name) {
  if (name == "kill") return SIGKILL;
  if (!name.starts_with("SIG")) return 0;
  for (int number = 1; number < NSIG; ++number) {
    const char* known = sigabbrev_np(number);
    if (known != nullptr && name.substr(3) == known) return number;
  }
  return 0;
}

/// A typing error in a fault test must not pass for a run without faults.
[[noreturn]] void refuse(std::string_view rule) {
  std::fprintf(stderr, "ENVTOOL_FAILPOINT: cannot understand `%.*s`\n", static_cast<int>(rule.size()), rule.data());
  std::abort();
}

Rule parse_rule(std::string_view text) {
  const std::vector<std::string_view> parts = split(text, ':');
  if (parts.size() != 3 || parts[0].empty()) refuse(text);
  Rule rule;
  rule.name = parts[0];
  std::string_view pass = parts[1];
  if (pass.ends_with('+')) {
    rule.and_later = true;
    pass.remove_suffix(1);
  }
  const auto number = parse_unsigned(pass);
  if (!number || *number == 0) refuse(text);
  rule.pass = *number;
  if (parts[2] == "mark") return rule;
  rule.signal = signal_of_name(parts[2]);
  if (rule.signal != 0) return rule;
  const auto error_number = parse_unsigned(parts[2]);
  rule.error_number = error_number ? static_cast<int>(*error_number) : errno_of_name(parts[2]);
  if (rule.error_number <= 0) refuse(text);
  return rule;
}

std::vector<Rule> rules_from_environment() {
  std::vector<Rule> rules;
  const char* text = std::getenv("ENVTOOL_FAILPOINT");
  if (text == nullptr || *text == '\0') return rules;
  for (const std::string_view part : split(text, ',')) rules.push_back(parse_rule(part));
  return rules;
}

}  // namespace

int failpoint(std::string_view name) {
  static std::vector<Rule> rules = rules_from_environment();
  static std::mutex mutex;
  if (rules.empty()) return 0;
  const std::lock_guard lock(mutex);
  for (Rule& rule : rules) {
    if (rule.name != "any" && rule.name != name) continue;
    ++rule.seen;
    if (rule.seen != rule.pass && !(rule.and_later && rule.seen > rule.pass)) continue;
    if (rule.error_number != 0) return rule.error_number;
    if (rule.signal == 0) {
      // Changes nothing, and shows in a trace of system calls.
      [[maybe_unused]] const auto refused = ::write(-1, name.data(), name.size());
      continue;
    }
    do ::kill(::getpid(), rule.signal);
    while (rule.signal == SIGKILL);
  }
  return 0;
}

}  // namespace envtool

#endif
