#include "archive_name.hpp"

#include <algorithm>

#include "characters.hpp"
#include "envtool/specs/platform.hpp"

namespace envtool {

namespace {

constexpr std::string_view extensions[] = {".conda", ".tar.bz2"};

}  // namespace

bool has_archive_extension(std::string_view text) {
  return std::any_of(std::begin(extensions), std::end(extensions),
                     [&](std::string_view extension) { return text.ends_with(extension); });
}

std::optional<ArchiveName> split_archive_name(std::string_view file_name) {
  for (std::string_view extension : extensions) {
    if (file_name.ends_with(extension)) {
      file_name.remove_suffix(extension.size());
      break;
    }
  }
  const std::size_t build = file_name.rfind('-');
  if (build == std::string_view::npos || build == 0) {
    return std::nullopt;
  }
  const std::size_t version = file_name.rfind('-', build - 1);
  if (version == std::string_view::npos || version == 0 || version + 1 == build || build + 1 == file_name.size()) {
    return std::nullopt;
  }
  return ArchiveName{std::string(file_name.substr(0, version)),
                     std::string(file_name.substr(version + 1, build - version - 1)),
                     std::string(file_name.substr(build + 1))};
}

bool is_known_subdir(std::string_view text) {
  const std::vector<std::string>& names = Platform::known();
  return text == "noarch" || std::find(names.begin(), names.end(), text) != names.end();
}

std::string_view take_subdir(std::string_view& channel) {
  // Slashes that belong to `scheme://` or stand for the root are no separators.
  const std::size_t scheme = channel.find("://");
  const std::size_t begin = scheme == std::string_view::npos ? 0 : scheme + 3;
  std::string_view subdir;
  while (true) {
    while (channel.size() > begin + 1 && channel.ends_with('/')) {
      channel.remove_suffix(1);
    }
    const std::size_t slash = channel.rfind('/');
    if (slash == std::string_view::npos || slash <= begin || !is_known_subdir(channel.substr(slash + 1))) {
      return subdir;
    }
    if (subdir.empty()) {
      subdir = channel.substr(slash + 1);
    }
    channel = channel.substr(0, slash);
  }
}

bool looks_like_path(std::string_view text) {
  if (text == "." || text == ".." || text == "~" || text.starts_with('/') || text.starts_with('\\') ||
      text.starts_with("~/") || text.starts_with("~\\")) {
    return true;
  }
  if (text.size() >= 2 && is_letter(text[0]) && text[1] == ':' &&
      (text.size() == 2 || text[2] == '/' || text[2] == '\\')) {
    return true;
  }
  const std::size_t dots = text.starts_with("..") ? 2 : text.starts_with('.') ? 1 : 0;
  return dots > 0 && text.size() > dots && (text[dots] == '/' || text[dots] == '\\');
}

}  // namespace envtool
