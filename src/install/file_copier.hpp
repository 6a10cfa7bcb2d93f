#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "envtool/install/copy_prefix.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "prefix_tree.hpp"
#include "relocation.hpp"

namespace envtool::detail {

/// A path of a record.
struct PathOwner {
  std::uint32_t record = 0;
  /// Index into the record's `paths`; none for old records that only list `files`.
  std::optional<std::uint32_t> entry;
};

/// What became of one file.
struct CopiedFile {
  /// The content is not what it was.
  bool rewritten = false;
  /// Of the new content, when it was rewritten.
  std::optional<Sha256> digest;
  /// The record's path whose content this is; none for files of nobody, and for changed ones.
  std::optional<PathOwner> owner;
  /// It still names the old place, or is too large to be looked at.
  bool untouched = false;
};

/// Makes the files of an environment anew for another place. Calls from several threads are fine.
class FileCopier {
 public:
  FileCopier(const CopyRequest& request, const PrefixData& data, const Relocation& relocation, const InstallOptions& options);

  /// Empty when no package owns the path.
  const std::vector<PathOwner>& owners(std::string_view path) const;
  /// Makes the file at `target`, which must not exist. Throws `Error`.
  CopiedFile copy(const TreeEntry& entry, const std::string& target) const;
  /// A file as it is, with owner and mode.
  void copy_as_is(const TreeEntry& entry, const std::string& target) const;
  /// What the packages' Python is, if there is one.
  const std::optional<PythonLayout>& python() const { return python_; }

 private:
  struct CachedFile {
    const CachedPackage* package = nullptr;
    const PathEntry* entry = nullptr;
    std::string path() const { return package->extracted_directory + "/" + entry->path; }
  };
  const PathEntry* path_entry(const PathOwner& owner) const;
  std::optional<CachedFile> cached_file(const PathOwner& owner, const std::string& path) const;
  std::optional<Sha256> expected_digest(const PathOwner& owner, const std::string& path) const;
  /// `path` is the owner's; that of a parked file is not where it lies.
  CopiedFile copy_package_file(const TreeEntry& entry, const std::string& target, const PathOwner& owner,
                               const std::string& path, const std::string& content) const;
  CopiedFile copy_other_file(const TreeEntry& entry, const std::string& target) const;
  CopiedFile write(const TreeEntry& entry, const std::string& target, std::string_view content) const;
  std::string source(const TreeEntry& entry) const { return request_.from.path() + "/" + entry.path; }

  const CopyRequest& request_;
  const PrefixData& data_;
  const Relocation& relocation_;
  LinkPolicy cache_policy_;
  LinkPolicy own_policy_;
  bool keep_owner_ = false;
  std::optional<PythonLayout> python_;
  std::unordered_map<std::string_view, std::vector<PathOwner>> owners_;
  /// For each record: its package in the cache, and its paths in an environment.
  struct CachedRecord {
    const CachedPackage* package = nullptr;
    std::unordered_map<std::string, const PathEntry*> paths;
  };
  std::vector<CachedRecord> cached_;
  /// Where files of packages wait for their path (`parking_folder`).
  std::unordered_map<std::string, std::pair<PathOwner, std::string>> by_place_;
};

}  // namespace envtool::detail
