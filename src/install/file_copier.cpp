#include "file_copier.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "envtool/install/replace_placeholder.hpp"
#include "stage_file.hpp"
#include "system_call.hpp"

namespace envtool::detail {

namespace {
/// Larger files are data, and reading them twice would take longer than everything else.
constexpr std::uint64_t look_limit = std::uint64_t{1} << 30;

bool is_text(std::string_view content) { return content.find('\0') == std::string_view::npos; }

/// Programs, libraries and archives of such: their strings end with a NUL, so shorter ones fit.
bool has_c_strings(std::string_view content) { return content.starts_with("\x7f" "ELF") || content.starts_with("!<arch>\n"); }

void set_time(const std::string& path, const struct stat& status) {
  const timespec times[2] = {{0, UTIME_OMIT}, status.st_mtim};
  if (system_call("install.utime", [&] { return utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW); }) != 0)
    fail_errno("cannot set the time of a file", path, errno);
}
}  // namespace

FileCopier::FileCopier(const CopyRequest& request, const PrefixData& data, const Relocation& relocation, const InstallOptions& options)
    : request_(request), data_(data), relocation_(relocation), cache_policy_(options.link), own_policy_(options.link) {
  const bool moves = request.kind == CopyRequest::Kind::move;
  // What goes away afterwards may share its inodes, what stays may not.
  own_policy_.hardlink = moves && options.link.hardlink;
  keep_owner_ = moves && geteuid() == 0;
  python_ = find_python_layout(data.records());
  cached_.resize(data.records().size());
  for (std::uint32_t r = 0; r < data.records().size(); ++r) {
    const PrefixRecord& record = data.records()[r];
    for (std::uint32_t e = 0; e < record.paths.size(); ++e) {
      auto& owners = owners_[record.paths[e].path];
      owners.push_back({r, e});
    }
    for (const std::string& file : record.files)
      if (auto& owners = owners_[file]; owners.empty()) owners.push_back({r, std::nullopt});
    for (const CachedPackage& package : request.cached) {
      if (package.record.dist() != record.dist() || package.record.sha256 != record.sha256) continue;
      cached_[r].package = &package;
      for (const PathEntry& entry : package.paths.paths) {
        const bool moved = record.noarch == NoarchType::python;
        const auto place = moved ? noarch_python_target(entry.path, python_ ? &*python_ : nullptr) : entry.path;
        if (place) cached_[r].paths[*place] = &entry;
      }
    }
  }
  for (const auto& [path, owners] : owners_) {
    if (owners.size() < 2) continue;
    for (const PathOwner& owner : owners)
      if (const PathEntry* entry = path_entry(owner))
        by_place_[parking_place(*entry, data_.records()[owner.record])] = {owner, std::string(path)};
  }
}

const std::vector<PathOwner>& FileCopier::owners(std::string_view path) const {
  static const std::vector<PathOwner> nobody;
  const auto found = owners_.find(path);
  return found == owners_.end() ? nobody : found->second;
}

const PathEntry* FileCopier::path_entry(const PathOwner& owner) const {
  return owner.entry ? &data_.records()[owner.record].paths[*owner.entry] : nullptr;
}

std::optional<FileCopier::CachedFile> FileCopier::cached_file(const PathOwner& owner, const std::string& path) const {
  const CachedRecord& cached = cached_[owner.record];
  if (cached.package == nullptr) return std::nullopt;
  const auto found = cached.paths.find(path);
  if (found == cached.paths.end()) return std::nullopt;
  return CachedFile{cached.package, found->second};
}

std::optional<Sha256> FileCopier::expected_digest(const PathOwner& owner, const std::string& path) const {
  const PathEntry* entry = path_entry(owner);
  if (entry == nullptr) return std::nullopt;
  if (entry->sha256_in_prefix) return entry->sha256_in_prefix;
  if (entry->prefix_placeholder.empty()) return entry->sha256;
  const auto cached = cached_file(owner, path);
  if (!cached || cached->entry->prefix_placeholder.empty()) return std::nullopt;
  return sha256(replace_placeholder(read_file(cached->path()), cached->entry->file_mode, cached->entry->prefix_placeholder,
                                    request_.from.path()));
}

CopiedFile FileCopier::copy(const TreeEntry& entry, const std::string& target) const {
  const std::vector<PathOwner>& known = owners(entry.path);
  for (const PathOwner& owner : known) {
    const auto cached = cached_file(owner, entry.path);
    struct stat there{};
    if (!cached || !cached->entry->prefix_placeholder.empty() || lstat(cached->path().c_str(), &there) != 0) continue;
    if (there.st_ino != entry.status.st_ino || there.st_dev != entry.status.st_dev) continue;
    link_or_copy(cached->path(), target, cache_policy_);
    CopiedFile result;
    result.owner = owner;
    return result;
  }
  const bool parked = entry.path.starts_with(std::string(parking_folder) + "/");
  if (known.empty() && !parked) return copy_other_file(entry, target);
  const std::string content = read_file(source(entry));
  if (parked) {
    const auto found = by_place_.find(entry.path);
    if (found == by_place_.end()) return copy_other_file(entry, target);
    return copy_package_file(entry, target, found->second.first, found->second.second, content);
  }
  const Sha256 digest = sha256(content);
  for (const PathOwner& owner : known)
    if (expected_digest(owner, entry.path) == digest) return copy_package_file(entry, target, owner, entry.path, content);
  return copy_other_file(entry, target);
}

CopiedFile FileCopier::copy_package_file(const TreeEntry& entry, const std::string& target, const PathOwner& owner,
                                         const std::string& path, const std::string& content) const {
  const PathEntry& described = *path_entry(owner);
  CopiedFile result;
  if (const auto cached = cached_file(owner, path)) {
    FileRecipe recipe;
    recipe.source = cached->path();
    recipe.placeholder = cached->entry->prefix_placeholder;
    recipe.size = cached->entry->size_in_bytes;
    recipe.digest = cached->entry->sha256;
    recipe.kind = cached->entry->no_link ? FileAction::Kind::copy : FileAction::Kind::link;
    if (!recipe.placeholder.empty())
      recipe.kind = cached->entry->file_mode == FileMode::binary ? FileAction::Kind::rewrite_binary : FileAction::Kind::rewrite_text;
    StagedFile staged;
    try {
      staged = stage_file(recipe, request_.to.path(), target, cache_policy_);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::invalid_input) throw;
      throw Error("the new place has a path that is too long", ErrorKind::invalid_input)
          .at(request_.to.path())
          .caused_by(error)
          .because("`" + path + "` of " + data_.records()[owner.record].dist() + " has no room for it");
    }
    result.rewritten = !recipe.placeholder.empty();
    if (result.rewritten) {
      result.digest = staged.digest;
      set_time(target, entry.status);
    }
  } else if (const CachedPackage* package = cached_[owner.record].package;
             package != nullptr && described.path_type == PathType::unix_python_entry_point && python_) {
    result = write(entry, target, relocation_.text(content));
    for (const EntryPoint& script : package->link.entry_points)
      if (path == "bin/" + script.command) {
        remove_file(target);
        result = write(entry, target, entry_point_script(script, request_.to / python_->executable));
      }
  } else if (is_text(content) ? relocation_.mentions(content) : !described.prefix_placeholder.empty()) {
    if (is_text(content)) {
      // Entry points and rewritten files name the environment; a text that does so by chance is no package's.
      const bool ours = !described.prefix_placeholder.empty() || described.path_type == PathType::unix_python_entry_point;
      result = write(entry, target, ours ? relocation_.text(content) : content);
      result.rewritten = ours;
    } else {
      const auto changed = relocation_.binary(content, described.prefix_placeholder.size());
      if (!changed)
        throw Error("the new place has a path that is too long", ErrorKind::invalid_input)
            .at(request_.to.path())
            .because("`" + path + "` of " + data_.records()[owner.record].dist() + " has no room for it")
            .hint("choose a shorter path");
      result = write(entry, target, *changed);
    }
  } else {
    link_or_copy(source(entry), target, own_policy_);
  }
  result.owner = owner;
  return result;
}

CopiedFile FileCopier::write(const TreeEntry& entry, const std::string& target, std::string_view content) const {
  write_new_file(target, content, entry.status.st_mode & 0777);
  if (keep_owner_ && system_call("install.chown", [&] { return lchown(target.c_str(), entry.status.st_uid, entry.status.st_gid); }) != 0)
    fail_errno("cannot set the owner of a file", target, errno);
  if (system_call("install.chmod", [&] { return chmod(target.c_str(), entry.status.st_mode & 07777); }) != 0)
    fail_errno("cannot set the mode of a file", target, errno);
  set_time(target, entry.status);
  CopiedFile result;
  result.rewritten = true;
  result.digest = sha256(content);
  return result;
}

void FileCopier::copy_as_is(const TreeEntry& entry, const std::string& target) const {
  if (link_or_copy(source(entry), target, own_policy_) == LinkOutcome::hardlink) return;
  if (keep_owner_ && system_call("install.chown", [&] { return lchown(target.c_str(), entry.status.st_uid, entry.status.st_gid); }) != 0)
    fail_errno("cannot set the owner of a file", target, errno);
  if ((entry.status.st_mode & 07000) != 0 && chmod(target.c_str(), entry.status.st_mode & 07777) != 0)
    fail_errno("cannot set the mode of a file", target, errno);
}

CopiedFile FileCopier::copy_other_file(const TreeEntry& entry, const std::string& target) const {
  CopiedFile result;
  if (static_cast<std::uint64_t>(entry.status.st_size) > look_limit) {
    copy_as_is(entry, target);
    result.untouched = true;
    return result;
  }
  const std::string content = read_file(source(entry), look_limit);
  if (is_text(content)) {
    if (relocation_.mentions(content)) return write(entry, target, relocation_.text(content));
  } else if (has_c_strings(content)) {
    if (relocation_.mentions(content)) {
      if (const auto changed = relocation_.binary(content, 0)) return write(entry, target, *changed);
      result.untouched = true;
    }
  } else {
    result.untouched = relocation_.mentions_in_bytes(content);
  }
  copy_as_is(entry, target);
  return result;
}

}  // namespace envtool::detail
