#include "envtool/prefix/prefix.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"

namespace envtool {

namespace {
using Json = nlohmann::json;
constexpr std::uint64_t document_limit = 16U << 20U;
}  // namespace

Prefix::Prefix(std::string path) : path_(std::move(path)) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  const bool control = std::any_of(path_.begin(), path_.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 0x20 || u == 0x7f;
  });
  if (path_.empty() || path_.front() != '/' || control)
    throw Error("this cannot be the folder of an environment", ErrorKind::invalid_input)
        .at(escape_control(path_))
        .because(control ? "the path holds a control character" : "the path is not absolute");
}

std::string Prefix::operator/(std::string_view relative) const { return path_ + "/" + std::string(relative); }

bool is_environment(const Prefix& prefix) { return exists(prefix.history_file()); }

std::optional<Frozen> frozen(const Prefix& prefix) {
  Frozen result{"The environment is marked as frozen.", false};
  if (!exists_no_follow(prefix.frozen_file())) return std::nullopt;
  std::optional<std::string> text;
  try {
    text = read_file_if_exists(prefix.frozen_file(), document_limit);
  } catch (const Error&) {
    return result;  // it is there: frozen, whatever it says
  }
  if (!text || strip(*text).empty()) return result;
  const Json document = Json::parse(*text, nullptr, false);
  if (document.is_object())
    if (auto found = document.find("message"); found != document.end() && found->is_string() &&
                                               !strip(found->get_ref<const std::string&>()).empty()) {
      result.message = found->get<std::string>();
      result.has_message = true;
    }
  return result;
}

void refuse_if_frozen(const Prefix& prefix) {
  const std::optional<Frozen> mark = frozen(prefix);
  if (!mark) return;
  throw Error("the environment must not be changed", ErrorKind::permission)
      .at(prefix.path())
      .because(mark->message)
      .hint("pass `--override-frozen` to change it at your own risk");
}

std::vector<std::string> parse_pinned(std::string_view text) {
  std::vector<std::string> specs;
  for (std::string_view line : split_lines(text)) {
    line = strip(line);
    // A `#` starts a comment at the line's start or after a blank; `url#md5` keeps its fragment.
    for (std::size_t hash = line.find('#'); hash != std::string_view::npos; hash = line.find('#', hash + 1))
      if (hash == 0 || line[hash - 1] == ' ' || line[hash - 1] == '\t') {
        line = strip(line.substr(0, hash));
        break;
      }
    if (!line.empty()) specs.emplace_back(line);
  }
  return specs;
}

std::vector<std::string> pinned_specs(const Prefix& prefix) {
  const auto text = read_file_if_exists(prefix.pinned_file(), document_limit);
  return text ? parse_pinned(*text) : std::vector<std::string>();
}

EnvironmentVariables parse_state(std::string_view text, const std::string& origin) {
  EnvironmentVariables variables;
  if (strip(text).empty()) return variables;
  const auto fail = [&](const std::string& why) {
    return Error("cannot understand the environment's variables", ErrorKind::corrupt).at(origin).because(why);
  };
  const Json document = Json::parse(text, nullptr, false);
  if (document.is_discarded()) throw fail("it is not JSON");
  if (!document.is_object()) throw fail("an object is expected");
  const auto found = document.find("env_vars");
  if (found == document.end() || found->is_null()) return variables;
  if (!found->is_object()) throw fail("`env_vars` is not an object");
  for (const auto& [name, value] : found->items()) {
    const bool is_odd = std::any_of(name.begin(), name.end(), [](char c) { return static_cast<unsigned char>(c) <= 0x20 || c == 0x7f || c == '='; });
    if (name.empty() || is_odd)
      throw fail("`" + escape_control(name) + "` cannot be the name of a variable");
    if (value.is_string())
      variables[name] = value.get<std::string>();
    else if (value.is_number() || value.is_boolean())
      variables[name] = value.dump();  // hand-written files; conda exports them as text too
    else
      throw fail("the value of `" + escape_control(name) + "` is not a string");
    if (variables[name].find('\0') != std::string::npos) throw fail("the value of `" + escape_control(name) + "` has a NUL");
  }
  return variables;
}

std::string render_state(const EnvironmentVariables& variables) {
  Json document = Json::object();
  document["env_vars"] = Json::object();
  for (const auto& [name, value] : variables) document["env_vars"][name] = value;
  return document.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

EnvironmentVariables read_state(const Prefix& prefix) {
  const auto text = read_file_if_exists(prefix.state_file(), document_limit);
  return text ? parse_state(*text, prefix.state_file()) : EnvironmentVariables();
}

void write_state(const Prefix& prefix, const EnvironmentVariables& variables) {
  write_atomically(prefix.state_file(), render_state(variables), 0644, Durability::full);
}

}  // namespace envtool
