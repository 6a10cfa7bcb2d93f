#include "member_path.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {
namespace {

bool has_part(std::string_view text, std::string_view separators, std::string_view wanted) {
  std::size_t start = 0;
  while (start <= text.size()) {
    const std::size_t end = std::min(text.find_first_of(separators, start), text.size());
    if (text.substr(start, end - start) == wanted) return true;
    start = end + 1;
  }
  return false;
}

bool is_letter(char c) { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z'); }

}  // namespace

void throw_unsafe(const std::string& archive, std::string_view member, const std::string& why) {
  throw Error("the package holds an unsafe member `" + escape_control(member.substr(0, 512)) + "`", ErrorKind::unsafe)
      .at(archive)
      .because(why)
      .hint("nothing of the package was installed; report it to the channel it comes from");
}

void throw_corrupt(const std::string& archive, const std::string& why) {
  throw Error("the package archive is damaged", ErrorKind::corrupt)
      .at(archive)
      .because(why)
      .hint("remove the file, so that it is downloaded again");
}

std::string clean_member_path(std::string_view name, const ExtractLimits& limits, const std::string& archive) {
  if (name.empty()) throw_unsafe(archive, name, "its name is empty");
  if (name.size() > limits.path_length)
    throw_unsafe(archive, name, "its name is longer than " + std::to_string(limits.path_length) + " bytes");
  if (name.front() == '/' || name.front() == '\\') throw_unsafe(archive, name, "its path is absolute");
  if (name.size() >= 2 && name[1] == ':' && is_letter(name[0]))
    throw_unsafe(archive, name, "its path starts with a drive letter");
  for (const char c : name)
    if (c == '\0' || c == '\n' || c == '\r') throw_unsafe(archive, name, "its name has a line break or NUL in it");
  if (has_part(name, "/\\", "..")) throw_unsafe(archive, name, "its path climbs out with `..`");

  std::string path;
  path.reserve(name.size());
  std::size_t depth = 0;
  for (const std::string_view part : split(name, '/')) {
    if (part.empty() || part == ".") continue;
    if (part.size() > 255) throw_unsafe(archive, name, "a part of its path is longer than 255 bytes");
    if (!path.empty()) path += '/';
    path += part;
    ++depth;
  }
  if (depth > limits.path_depth)
    throw_unsafe(archive, name, "its path is deeper than " + std::to_string(limits.path_depth) + " folders");
  return path;
}

LinkReach link_reach(std::string_view link_path, std::string_view target) {
  if (!target.empty() && target.front() == '/') return LinkReach::absolute;
  long depth = static_cast<long>(std::count(link_path.begin(), link_path.end(), '/'));
  for (const std::string_view part : split(target, '/')) {
    if (part.empty() || part == ".") continue;
    depth += part == ".." ? -1 : 1;
    if (depth < 0) return LinkReach::relative_outside;
  }
  return LinkReach::inside;
}

std::string_view parent_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

std::string_view leaf_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool is_info_path(std::string_view path) { return path == "info" || path.starts_with("info/"); }

}  // namespace envtool
