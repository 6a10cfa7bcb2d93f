#include "envtool/records/paths_json.hpp"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "envtool/base/text.hpp"
#include "record_fields.hpp"

namespace envtool {

namespace {
/// The placeholder that packages from before `has_prefix` modes were built with (CEP 34).
constexpr std::string_view default_placeholder = "/opt/anaconda1anaconda2anaconda3";

constexpr std::array<std::pair<std::string_view, PathType>, 8> path_types{{
    {"hardlink", PathType::hardlink},
    {"softlink", PathType::softlink},
    {"directory", PathType::directory},
    {"pyc_file", PathType::pyc_file},
    {"unix_python_entry_point", PathType::unix_python_entry_point},
    {"windows_python_entry_point_script", PathType::windows_python_entry_point_script},
    {"windows_python_entry_point_exe", PathType::windows_python_entry_point_exe},
    {"linked_package_record", PathType::linked_package_record},
}};

[[noreturn]] void fail_unsafe(const std::string& path, const std::string& origin) {
  throw Error("a package manifest names a path outside the environment", ErrorKind::unsafe)
      .at(origin)
      .because("`" + escape_control(path) + "` is absolute, empty, or has an empty, `.` or `..` part")
      .hint("do not install this package; tell the channel's owner");
}

bool is_identifier(std::string_view text) {
  // Identifiers may be non-ASCII (PEP 3131), but nothing that ends a Python expression.
  if (text.empty() || (text[0] >= '0' && text[0] <= '9')) return false;
  return std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           static_cast<unsigned char>(c) >= 0x80;
  });
}

bool is_dotted_identifier(std::string_view text) {
  if (!is_valid_utf8(text)) return false;
  for (std::string_view part : split(text, '.'))
    if (!is_identifier(part)) return false;
  return true;
}

bool is_plain_command(std::string_view text) {
  if (text.empty() || text == "." || text == ".." || text[0] == '-' || text.size() > 255) return false;
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto u = static_cast<unsigned char>(c);
    return u < 0x20 || u == 0x7f || c == '/' || c == '\\' || c == '"' || c == '\'' || c == ':' || c == '$' || c == '`';
  });
}
}  // namespace

bool is_safe_relative_path(std::string_view path) {
  if (path.empty() || path.front() == '/' || path.size() > 4095) return false;
  for (std::string_view part : split(path, '/')) {
    if (part.empty() || part == "." || part == "..") return false;
    if (part.size() > 255 || part.find('\0') != std::string_view::npos || part.find('\n') != std::string_view::npos)
      return false;
  }
  return true;
}

namespace detail {
std::string_view path_type_name(PathType type) {
  for (const auto& [name, value] : path_types)
    if (value == type) return name;
  return "hardlink";
}

PathEntry read_path_entry(const Json& object, const std::string& origin) {
  const FieldReader fields(object, origin);
  PathEntry entry;
  entry.path = fields.required_string("_path");
  if (!is_safe_relative_path(entry.path)) fail_unsafe(entry.path, origin);
  if (const std::string text = fields.string("path_type"); !text.empty()) {
    auto found = std::find_if(path_types.begin(), path_types.end(), [&](const auto& row) { return row.first == text; });
    if (found == path_types.end())
      fields.fail("path_type", "`" + escape_control(text) + "` (of `" + escape_control(entry.path) + "`) is not known");
    entry.path_type = found->second;
  }
  if (const std::string text = fields.string("file_mode"); !text.empty()) {
    if (text != "text" && text != "binary")
      fields.fail("file_mode", "`" + escape_control(text) + "` is neither `text` nor `binary`");
    entry.file_mode = text == "binary" ? FileMode::binary : FileMode::text;
  }
  entry.prefix_placeholder = fields.string("prefix_placeholder");
  if (const Json* no_link = fields.find("no_link")) {
    if (!no_link->is_boolean()) fields.fail("no_link", "expected true or false");
    entry.no_link = no_link->get<bool>();
  }
  for (auto [key, slot] : {std::pair{"sha256", &entry.sha256}, std::pair{"sha256_in_prefix", &entry.sha256_in_prefix}})
    if (const std::string text = fields.string(key); !text.empty()) {
      *slot = Sha256::parse(text);
      if (!*slot) fields.fail(key, "`" + escape_control(text) + "` is not a SHA-256 digest");
    }
  if (fields.has("size_in_bytes")) entry.size_in_bytes = fields.unsigned_number("size_in_bytes");
  return entry;
}
}  // namespace detail

PathsJson parse_paths_json(std::string_view text, const std::string& origin) {
  const detail::Json document = detail::parse_document(text, origin);
  const detail::FieldReader fields(document, origin);
  PathsJson result;
  if (fields.has("paths_version")) {
    const std::uint64_t version = fields.unsigned_number("paths_version");
    if (version != 1)
      fields.fail("paths_version", "version " + std::to_string(version) + " is not known to this envtool");
  }
  const detail::Json* paths = fields.find("paths");
  if (paths == nullptr || !paths->is_array()) fields.fail("paths", "expected a list");
  result.paths.reserve(paths->size());
  for (const detail::Json& item : *paths) result.paths.push_back(detail::read_path_entry(item, origin));
  std::vector<std::string_view> seen;
  seen.reserve(result.paths.size());
  for (const PathEntry& entry : result.paths) seen.push_back(entry.path);
  std::sort(seen.begin(), seen.end());
  if (auto twice = std::adjacent_find(seen.begin(), seen.end()); twice != seen.end())
    fields.fail("paths", "`" + escape_control(*twice) + "` is listed twice");
  return result;
}

PathsJson paths_from_legacy_files(std::string_view files, std::string_view has_prefix, std::string_view no_link,
                                  const std::string& origin) {
  PathsJson result;
  std::unordered_map<std::string, std::size_t> index;
  for (std::string_view line : split_lines(files)) {
    line = strip(line);
    if (line.empty()) continue;
    if (!is_safe_relative_path(line)) fail_unsafe(std::string(line), origin);
    if (!index.emplace(line, result.paths.size()).second) continue;
    result.paths.emplace_back().path = std::string(line);
  }
  for (std::string_view line : split_lines(has_prefix)) {
    line = strip(line);
    if (line.empty()) continue;
    std::string placeholder(default_placeholder);
    FileMode mode = FileMode::text;
    std::string path(line);
    const auto first = line.find(' ');
    const auto second = first == std::string_view::npos ? first : line.find(' ', first + 1);
    if (second != std::string_view::npos) {
      const std::string_view mode_text = line.substr(first + 1, second - first - 1);
      if (mode_text == "text" || mode_text == "binary") {
        auto unquote = [](std::string_view piece) {
          if (piece.size() >= 2 && piece.front() == '"' && piece.back() == '"')
            piece = piece.substr(1, piece.size() - 2);
          return std::string(piece);
        };
        placeholder = unquote(line.substr(0, first));
        mode = mode_text == "binary" ? FileMode::binary : FileMode::text;
        path = unquote(strip(line.substr(second + 1)));
      }
    }
    auto found = index.find(path);
    if (found == index.end()) continue;  // listed for replacement but not shipped: nothing to do
    result.paths[found->second].prefix_placeholder = placeholder;
    result.paths[found->second].file_mode = mode;
  }
  for (std::string_view line : split_lines(no_link))
    if (auto found = index.find(std::string(strip(line))); found != index.end())
      result.paths[found->second].no_link = true;
  return result;
}

EntryPoint parse_entry_point(std::string_view text, const std::string& origin) {
  auto fail = [&](const std::string& why) {
    return Error("an entry point is refused", ErrorKind::unsafe)
        .at(origin)
        .because("`" + escape_control(text) + "`: " + why)
        .hint("the form is `command = module.path:function`");
  };
  const auto equals = text.find('=');
  if (equals == std::string_view::npos) throw fail("there is no `=`");
  EntryPoint entry;
  entry.command = strip(text.substr(0, equals));
  std::string_view target = strip(text.substr(equals + 1));
  // `module:function [extra]`: extras mean nothing for an installed script.
  if (const auto bracket = target.find('['); bracket != std::string_view::npos && target.ends_with(']'))
    target = strip(target.substr(0, bracket));
  const auto colon = target.find(':');
  if (colon == std::string_view::npos) throw fail("there is no `:` between module and function");
  entry.module = strip(target.substr(0, colon));
  entry.function = strip(target.substr(colon + 1));
  if (!is_plain_command(entry.command)) throw fail("the command is not a plain file name");
  if (!is_dotted_identifier(entry.module)) throw fail("the module is not made of dotted identifiers");
  if (!is_dotted_identifier(entry.function)) throw fail("the function is not made of dotted identifiers");
  return entry;
}

LinkJson parse_link_json(std::string_view text, const std::string& origin) {
  const detail::Json document = detail::parse_document(text, origin);
  const detail::FieldReader fields(document, origin);
  LinkJson result;
  const detail::Json* noarch = fields.find("noarch");
  if (noarch == nullptr) return result;
  const detail::FieldReader noarch_fields(*noarch, origin);
  result.noarch_python = noarch_fields.string("type") == "python";
  for (const std::string& entry : noarch_fields.string_list("entry_points"))
    result.entry_points.push_back(parse_entry_point(entry, origin));
  return result;
}

}  // namespace envtool
