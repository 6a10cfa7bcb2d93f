#include "content.hpp"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <unordered_map>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {
namespace {

constexpr std::uint64_t most_info_bytes = std::uint64_t{512} << 20;
constexpr std::size_t most_differences = 10;

bool is_info(std::string_view path) { return path.starts_with("info/"); }

std::string quoted(std::string_view path) { return "`" + escape_control(path) + "`"; }

/// What a path is beside its content: whether a file can be run, where a symlink leads. Environments share files
/// with the cache by hard links, so a mode can be changed from there.
std::string nature_of(const FileDescriptor& folder, const PathEntry& entry, const struct stat& status) {
  if (S_ISREG(status.st_mode)) return (status.st_mode & S_IXUSR) != 0 ? "x" : "-";
  if (!S_ISLNK(status.st_mode)) return "";
  std::string text(4096, '\0');
  const ssize_t length = ::readlinkat(folder.get(), entry.path.c_str(), text.data(), text.size());
  text.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
  return text;
}

/// One line of what a content digest is made of. A symlink stands for itself, not for what it points to.
void add_content(Hasher<Sha256>& hasher, const PathEntry& entry, const std::optional<Sha256>& digest, const std::string& nature) {
  hasher.update(entry.path);
  hasher.update(std::string_view("\0", 1));
  if (digest) hasher.update(digest->hex());
  hasher.update(std::string_view("\0", 1));
  hasher.update(nature);
  hasher.update("\n");
}

bool is_regular(PathType type) { return type != PathType::softlink && type != PathType::directory; }

}  // namespace

FileDescriptor open_beneath(const FileDescriptor& folder, const std::string& path) {
  open_how how{};
  how.flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (int attempt = 0; attempt < 64; ++attempt) {
    const long fd = syscall(SYS_openat2, folder.get(), path.c_str(), &how, sizeof how);
    if (fd >= 0) return FileDescriptor(static_cast<int>(fd));
    if (errno == ENOSYS || errno == EPERM) break;
    if (errno != EAGAIN && errno != EINTR) return {};
  }
  // A kernel or sandbox without openat2: part by part.
  FileDescriptor current;
  int parent = folder.get();
  const std::vector<std::string_view> parts = split(path, '/');
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const int flags = O_CLOEXEC | O_NOFOLLOW | (i + 1 == parts.size() ? O_RDONLY | O_NONBLOCK : O_PATH | O_DIRECTORY);
    FileDescriptor next(::openat(parent, std::string(parts[i]).c_str(), flags));
    if (!next) return {};
    current = std::move(next);
    parent = current.get();
  }
  return current;
}

std::optional<std::string> read_beneath(const OpenPackage& package, const std::string& path, std::uint64_t limit) {
  const std::string place = package.origin + "/" + path;
  const FileDescriptor fd = open_beneath(package.folder, path);
  if (!fd) {
    if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
    if (errno == ELOOP || errno == EXDEV)
      throw Error("a package holds a symlink where a file has to be", ErrorKind::unsafe).at(place);
    throw system_error("cannot read a package", errno).at(place);
  }
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0) throw system_error("cannot read a package", errno).at(place);
  if (!S_ISREG(status.st_mode))
    throw Error("a package holds something else where a file has to be", ErrorKind::unsafe).at(place);
  if (static_cast<std::uint64_t>(status.st_size) > limit)
    throw Error("a file of a package is too long to be read", ErrorKind::corrupt).at(place);
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t used = 0;
  while (used < text.size()) {
    const ssize_t got = ::read(fd.get(), text.data() + used, text.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) throw system_error("cannot read a package", errno).at(place);
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  text.resize(used);
  return text;
}

PackageInfo read_package_info_files(const OpenPackage& package) {
  const std::string& origin = package.origin;
  PackageInfo info;
  if (const auto text = read_beneath(package, "info/paths.json", most_info_bytes)) {
    info.paths = parse_paths_json(*text, origin + "/info/paths.json");
    info.paths_digest = sha256(*text);
  } else {
    const auto files = read_beneath(package, "info/files", most_info_bytes);
    if (!files)
      throw Error("a package does not list its files", ErrorKind::corrupt)
          .at(origin)
          .because("it has neither `info/paths.json` nor `info/files`");
    const std::string has_prefix = read_beneath(package, "info/has_prefix", most_info_bytes).value_or("");
    const std::string no_link = read_beneath(package, "info/no_link", most_info_bytes).value_or("");
    info.paths = paths_from_legacy_files(*files, has_prefix, no_link, origin + "/info/files");
    info.paths_digest = sha256(*files + std::string(1, '\0') + has_prefix + std::string(1, '\0') + no_link);
    info.legacy = true;
    for (PathEntry& entry : info.paths.paths) {
      struct stat status{};
      if (::fstatat(package.folder.get(), entry.path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;
      if (S_ISLNK(status.st_mode)) entry.path_type = PathType::softlink;
      else if (S_ISDIR(status.st_mode)) entry.path_type = PathType::directory;
    }
  }
  if (const auto text = read_beneath(package, "info/link.json", most_info_bytes))
    info.link = parse_link_json(*text, origin + "/info/link.json");
  return info;
}

void complete_legacy_paths(PathsJson& paths, std::span<const ExtractedEntry> entries) {
  std::unordered_map<std::string_view, const ExtractedEntry*> by_path;
  for (const ExtractedEntry& entry : entries) by_path.emplace(entry.path, &entry);
  for (PathEntry& path : paths.paths) {
    const auto found = by_path.find(path.path);
    if (found == by_path.end() || !is_regular(path.path_type)) continue;
    path.sha256 = found->second->sha256;
    path.size_in_bytes = found->second->size;
  }
}

std::vector<std::string> content_differences(std::span<const ExtractedEntry> entries, const PackageInfo& info) {
  std::vector<std::string> differences;
  std::unordered_map<std::string_view, const PathEntry*> listed;
  listed.reserve(info.paths.paths.size());
  for (const PathEntry& path : info.paths.paths) listed.emplace(path.path, &path);
  const auto add = [&](std::string_view path, const std::string& what) {
    if (differences.size() < most_differences) differences.push_back(quoted(path) + " " + what);
  };

  std::size_t found_paths = 0;
  for (const ExtractedEntry& entry : entries) {
    const auto found = listed.find(entry.path);
    if (found == listed.end()) {
      // Unlisted links exist: some build tools leave dangling ones out of the list. They are never installed.
      // In legacy packages the same holds for every file (CEP 34, `info/files`).
      const bool harmless = is_info(entry.path) || info.legacy || entry.type == ExtractedEntry::Type::directory ||
                            entry.type == ExtractedEntry::Type::symlink;
      if (!harmless) add(entry.path, "is in the archive, but not in info/paths.json");
      continue;
    }
    const PathEntry& path = *found->second;
    ++found_paths;
    if (entry.type == ExtractedEntry::Type::symlink) {
      if (path.path_type != PathType::softlink) add(entry.path, "is a symlink in the archive, but not in info/paths.json");
    } else if (entry.type == ExtractedEntry::Type::directory) {
      if (path.path_type != PathType::directory) add(entry.path, "is a folder in the archive, but not in info/paths.json");
    } else if (!is_regular(path.path_type)) {
      add(entry.path, "is a file in the archive, but not in info/paths.json");
    } else if (path.size_in_bytes && *path.size_in_bytes != entry.size) {
      add(entry.path, "has " + std::to_string(entry.size) + " bytes in the archive, " +
                          std::to_string(*path.size_in_bytes) + " in info/paths.json");
    } else if (path.sha256 && *path.sha256 != entry.sha256) {
      add(entry.path, "has the sha256 " + entry.sha256.hex() + " in the archive, " + path.sha256->hex() + " in info/paths.json");
    }
  }
  if (found_paths < listed.size() || !differences.empty()) {
    std::unordered_map<std::string_view, bool> there;
    for (const ExtractedEntry& entry : entries) there.emplace(entry.path, true);
    for (const PathEntry& path : info.paths.paths) {
      // An empty folder may be known only by its listing, or by what lies in it.
      if (path.path_type == PathType::directory || there.contains(path.path)) continue;
      add(path.path, std::string("is in ") + (info.legacy ? "info/files" : "info/paths.json") + ", but not in the archive");
    }
  }
  return differences;
}

StatCheck stat_files(const FileDescriptor& folder, const PathsJson& paths) {
  StatCheck check;
  Hasher<Sha256> hasher;
  for (const PathEntry& path : paths.paths) {
    struct stat status{};
    if (::fstatat(folder.get(), path.path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (path.path_type == PathType::directory && errno == ENOENT) continue;
      check.problem = quoted(path.path) + " is missing";
      return check;
    }
    const bool right_type = path.path_type == PathType::softlink ? S_ISLNK(status.st_mode)
                            : path.path_type == PathType::directory ? S_ISDIR(status.st_mode)
                                                                    : S_ISREG(status.st_mode);
    if (!right_type) {
      check.problem = quoted(path.path) + " has become something else";
      return check;
    }
    if (path.path_type == PathType::directory) continue;
    const auto size = static_cast<std::uint64_t>(status.st_size);
    if (path.path_type == PathType::softlink) {
      hasher.update(path.path);
      hasher.update(std::string_view("\0", 1));
      hasher.update(nature_of(folder, path, status));
      hasher.update("\n");
      continue;
    }
    if (path.size_in_bytes && *path.size_in_bytes != size) {
      check.problem = quoted(path.path) + " has " + std::to_string(size) + " bytes instead of " + std::to_string(*path.size_in_bytes);
      return check;
    }
    hasher.update(path.path);
    hasher.update(std::string_view("\0", 1));
    hasher.update(std::to_string(size) + " " + std::to_string(status.st_mtim.tv_sec) + "." +
                  std::to_string(status.st_mtim.tv_nsec) + " " + nature_of(folder, path, status) + "\n");
  }
  check.digest = hasher.finish();
  return check;
}

ContentCheck read_files(const FileDescriptor& folder, const PathsJson& paths, const std::stop_token& stop) {
  ContentCheck check;
  Hasher<Sha256> all, one;
  std::vector<char> buffer(std::size_t{256} << 10);
  for (const PathEntry& path : paths.paths) {
    if (!is_regular(path.path_type)) {
      struct stat status{};
      if (::fstatat(folder.get(), path.path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 && path.path_type != PathType::directory)
        check.problems.push_back(quoted(path.path) + " is missing");
      else if (path.path_type == PathType::softlink && !S_ISLNK(status.st_mode))
        check.problems.push_back(quoted(path.path) + " is no symlink any more");
      add_content(all, path, std::nullopt, path.path_type == PathType::softlink ? nature_of(folder, path, status) : "");
      continue;
    }
    const FileDescriptor fd = open_beneath(folder, path.path);
    if (!fd) {
      check.problems.push_back(quoted(path.path) + (errno == ENOENT ? " is missing" : " cannot be opened"));
      continue;
    }
    struct stat status{};
    if (::fstat(fd.get(), &status) != 0) check.problems.push_back(quoted(path.path) + " cannot be looked at");
    std::uint64_t size = 0;
    while (true) {
      if (stop.stop_requested()) throw Error("checking a package was interrupted", ErrorKind::interrupted);
      const ssize_t got = ::read(fd.get(), buffer.data(), buffer.size());
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        check.problems.push_back(quoted(path.path) + " cannot be read");
        break;
      }
      if (got == 0) break;
      size += static_cast<std::uint64_t>(got);
      one.update(buffer.data(), static_cast<std::size_t>(got));
    }
    const Sha256 digest = one.finish();
    if (path.size_in_bytes && *path.size_in_bytes != size)
      check.problems.push_back(quoted(path.path) + " has " + std::to_string(size) + " bytes instead of " +
                               std::to_string(*path.size_in_bytes));
    else if (path.sha256 && *path.sha256 != digest)
      check.problems.push_back(quoted(path.path) + " has other content");
    add_content(all, path, digest, nature_of(folder, path, status));
  }
  check.digest = all.finish();
  return check;
}

Sha256 content_digest(const FileDescriptor& folder, const PathsJson& paths, std::span<const ExtractedEntry> entries) {
  std::unordered_map<std::string_view, const ExtractedEntry*> by_path;
  for (const ExtractedEntry& entry : entries) by_path.emplace(entry.path, &entry);
  Hasher<Sha256> hasher;
  for (const PathEntry& path : paths.paths) {
    const auto found = by_path.find(path.path);
    struct stat status{};
    const bool there = path.path_type != PathType::directory && ::fstatat(folder.get(), path.path.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0;
    const std::string nature = there ? nature_of(folder, path, status) : "";
    if (!is_regular(path.path_type) || found == by_path.end()) add_content(hasher, path, std::nullopt, nature);
    else add_content(hasher, path, found->second->sha256, nature);
  }
  return hasher.finish();
}

}  // namespace envtool
