#include <algorithm>

#include "envtool/base/text.hpp"
#include "envtool/envfile/spec_file.hpp"

namespace envtool {
namespace {

bool has_top_level_key(std::string_view text, std::string_view key) {
  const std::vector<std::string_view> lines = split_lines(text);
  return std::any_of(lines.begin(), lines.end(), [&](std::string_view line) {
    return line.starts_with(key) && line.substr(key.size()).starts_with(':');
  });
}

// The name alone does not decide: many projects keep conda specs in requirements.txt.
bool looks_like_requirements(std::string_view text) {
  for (const std::string_view raw : split_lines(text)) {
    const std::string_view line = strip(raw);
    if (line.starts_with("-r ") || line.starts_with("-e ") || line.starts_with("--") || line.starts_with("-c ") ||
        line.find("; python_version") != std::string_view::npos || line.find(" @ ") != std::string_view::npos ||
        line.find("--hash=") != std::string_view::npos) {
      return true;
    }
  }
  return false;
}

}  // namespace

FileKind detect_file_kind(std::string_view name, std::string_view text) {
  const std::string lower = to_lower(name);
  const bool is_yaml = lower.ends_with(".yml") || lower.ends_with(".yaml");
  const bool is_lock_like = has_top_level_key(text, "version") || has_top_level_key(text, "metadata");
  if (lower.ends_with("pixi.lock") || (has_top_level_key(text, "environments") && has_top_level_key(text, "packages") &&
                                       has_top_level_key(text, "version"))) {
    return FileKind::pixi_lock;
  }
  if (is_lock_like && has_top_level_key(text, "package")) return FileKind::conda_lock;
  if (is_yaml) return lower.find("conda-lock") != std::string::npos ? FileKind::conda_lock : FileKind::environment_yml;
  for (const std::string_view line : split_lines(text)) {
    if (strip(line) == "@EXPLICIT") return FileKind::explicit_list;
  }
  if (has_top_level_key(text, "dependencies")) return FileKind::environment_yml;
  return looks_like_requirements(text) ? FileKind::requirements : FileKind::spec_list;
}

}  // namespace envtool
