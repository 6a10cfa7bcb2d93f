#include "envtool/os/environment.hpp"

#include <pwd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <memory>
#include <vector>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {
namespace {

bool is_name_start(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_name_part(char c) { return is_name_start(c) || (c >= '0' && c <= '9'); }

std::size_t name_length(std::string_view text) {
  if (text.empty() || !is_name_start(text[0])) return 0;
  std::size_t length = 1;
  while (length < text.size() && is_name_part(text[length])) ++length;
  return length;
}

std::string home_from_password_file() {
  std::vector<char> buffer(16 * 1024);
  passwd entry{};
  passwd* found = nullptr;
  while (getpwuid_r(::getuid(), &entry, buffer.data(), buffer.size(), &found) == ERANGE) {
    if (buffer.size() > (1U << 20)) return {};
    buffer.resize(buffer.size() * 2);
  }
  return found != nullptr && entry.pw_dir != nullptr ? entry.pw_dir : std::string();
}

std::string current_directory() {
  const std::unique_ptr<char, void (*)(void*)> path(::getcwd(nullptr, 0), &std::free);
  // A folder out of reach is given as `(unreachable)...`.
  return path && path.get()[0] == '/' ? path.get() : std::string();
}

}  // namespace

EnvSnapshot EnvSnapshot::capture() {
  EnvSnapshot snapshot;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text = *entry;
    const std::size_t equals = text.find('=', 1);
    if (equals == std::string_view::npos) continue;
    // The first of two entries counts, as for getenv.
    snapshot.variables_.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  snapshot.home = snapshot.get("HOME").value_or("");
  if (snapshot.home.empty()) snapshot.home = home_from_password_file();
  snapshot.working_directory = current_directory();
  return snapshot;
}

std::optional<std::string> EnvSnapshot::get(std::string_view name) const {
  std::optional<std::string> value = get_raw(name);
  if (value && value->empty()) value.reset();
  return value;
}

std::optional<std::string> EnvSnapshot::get_raw(std::string_view name) const {
  const auto found = variables_.find(std::string(name));
  if (found == variables_.end()) return std::nullopt;
  return found->second;
}

EnvSnapshot EnvSnapshot::with(std::string name, std::string value) const {
  EnvSnapshot copy = *this;
  if (name == "HOME" && !value.empty()) copy.home = value;
  copy.variables_.insert_or_assign(std::move(name), std::move(value));
  return copy;
}

EnvSnapshot EnvSnapshot::without(const std::string& name) const {
  EnvSnapshot copy = *this;
  copy.variables_.erase(name);
  return copy;
}

std::vector<std::string> EnvSnapshot::to_strings() const {
  std::vector<std::string> strings;
  strings.reserve(variables_.size());
  for (const auto& [name, value] : variables_) strings.push_back(name + "=" + value);
  return strings;
}

std::string absolute_path(std::string_view path, const EnvSnapshot& environment) {
  std::string whole;
  if (path == "~" || path.starts_with("~/")) {
    if (environment.home.empty()) {
      throw Error("cannot expand `~`").at(std::string(path)).because("the home folder is not known").hint("set HOME");
    }
    whole = environment.home + std::string(path.substr(1));
  } else {
    whole = path;
  }
  if (!whole.starts_with('/')) {
    if (environment.working_directory.empty()) {
      throw Error("cannot make a relative path absolute")
          .at(whole)
          .because("the current folder does not exist any more or cannot be reached");
    }
    whole = environment.working_directory + "/" + whole;
  }
  std::vector<std::string_view> kept;
  for (const std::string_view part : split(whole, '/')) {
    if (part.empty() || part == ".") continue;
    if (part == "..") {
      if (!kept.empty()) kept.pop_back();
    } else {
      kept.push_back(part);
    }
  }
  std::string out;
  for (const std::string_view part : kept) {
    out += '/';
    out += part;
  }
  return out.empty() ? "/" : out;
}

std::string expand_variables(std::string_view text, const EnvSnapshot& environment) {
  std::string out;
  while (!text.empty()) {
    const std::size_t dollar = text.find('$');
    out += text.substr(0, dollar);
    if (dollar == std::string_view::npos) break;
    text.remove_prefix(dollar);
    const bool braced = text.size() > 1 && text[1] == '{';
    const std::size_t start = braced ? 2 : 1;
    const std::size_t length = name_length(text.substr(start));
    const std::size_t end = start + length + (braced ? 1 : 0);
    const bool complete = length > 0 && end <= text.size() && (!braced || text[end - 1] == '}');
    const std::optional<std::string> value =
        complete ? environment.get_raw(text.substr(start, length)) : std::nullopt;
    if (value) {
      out += *value;
      text.remove_prefix(end);
    } else {
      out += '$';
      text.remove_prefix(1);
    }
  }
  return out;
}

}  // namespace envtool
