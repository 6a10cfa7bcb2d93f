#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/records/paths_json.hpp"
#include "envtool/records/prefix_record.hpp"
#include "envtool/transaction/python_layout.hpp"
#include "envtool/transaction/transaction.hpp"

namespace envtool {

/// What happens when two packages bring different content for one path (conda's `path_conflict`).
enum class PathConflictPolicy {
  clobber,  ///< the later owner wins (see `plan_links`), said once
  warn,     ///< the same, each path said
  prevent   ///< an error before any change
};

/// An unpacked package, ready to be linked.
struct PackageSource {
  RepoDataRecord record;
  std::string extracted_directory;
  std::string archive_path;
  PathsJson paths;
  LinkJson link;
};

/// One file that the change brings into the prefix.
struct FileAction {
  enum class Kind : std::uint8_t {
    link,            ///< hard link, reflink or copy of the cached file
    copy,            ///< a copy, never a hard link (`no_link`)
    rewrite_text,    ///< the placeholder replaced in a text file
    rewrite_binary,  ///< the placeholder replaced in C strings, length kept
    softlink,        ///< a symlink with the cached link's text
    entry_point      ///< a generated console script
  };
  /// Where it ends, relative to the prefix: the path itself, or the parking place of a file that
  /// lost its path to another package.
  std::string target;
  /// Relative to the package's folder; empty for entry points.
  std::string source;
  /// Index into `LinkPlan::packages`.
  std::uint32_t package = 0;
  /// Index into that package's `record.paths`.
  std::uint32_t entry = 0;
  Kind kind = Kind::link;
  /// The path lies below another package's symlink; it is placed after all symlinks.
  bool through_link = false;
};

/// A package to link and the record that conda-meta will have (digests of rewritten files are filled
/// in when they are written).
struct PlannedPackage {
  PrefixRecord record;
  std::string extracted_directory;
  std::vector<EntryPoint> entry_points;
  /// Files that come back from elsewhere (a pip package): conda-meta says nothing of them.
  bool is_foreign = false;
};

/// A path that belongs to an installed package, as the package's record describes it.
struct OwnedPath {
  std::string path;
  PathEntry entry;
  /// The owner's `name-version-build`.
  std::string owner;
};

/// An installed file that gives its path to another package's file, or gets it back.
struct ParkAction {
  OwnedPath file;
  /// Relative to the prefix.
  std::string parking_place;
  /// `name-version-build` of all packages whose file it is.
  std::vector<std::string> owners = {};
};

/// Two packages, one path, different content.
struct PathConflict {
  std::string path;
  /// `name-version-build` of the package whose file is used, and of the others.
  std::string winner;
  std::vector<std::string> losers;
};

/// A path whose content two or more of the new packages share: it is placed once, and every record
/// gets the digest.
struct SharedFile {
  /// The package and path entry that has no action of its own.
  std::uint32_t package = 0;
  std::uint32_t entry = 0;
  /// The one that has.
  std::uint32_t from_package = 0;
  std::uint32_t from_entry = 0;
};

/// One Python file to byte-compile.
struct CompileAction {
  std::string source;  ///< relative to the prefix
  std::string target;  ///< relative to the prefix
  std::uint32_t package = 0;
};

/// A script that a package wants to be run (CEP 32); envtool does not run it by default.
struct LinkScript {
  std::string package;
  std::string path;
  std::string action;  ///< `pre-link`, `post-link`, `pre-unlink`, `post-unlink`
};

/// Every change to files that a transaction makes, decided before the first write. A value: it can
/// be printed, counted and thrown away.
struct LinkPlan {
  /// Absolute path of the environment.
  std::string prefix;
  std::vector<PlannedPackage> packages;
  /// Sorted by target.
  std::vector<FileAction> files;
  /// Folders that packages list as such (`path_type: directory`), sorted.
  std::vector<std::string> directories;
  /// Installed paths that no package has afterwards, sorted.
  std::vector<OwnedPath> removals;
  /// Installed files that `files` replaces and that nobody owns afterwards.
  std::map<std::string, OwnedPath, std::less<>> replaced;
  /// Files that lose their path and stay parked for their owner.
  std::vector<ParkAction> parks;
  /// Files that get their path back.
  std::vector<ParkAction> unparks;
  /// Parking places whose last owner leaves.
  std::vector<std::string> forgotten_parked;
  std::vector<SharedFile> shared;
  std::vector<CompileAction> compile;
  /// Records of conda-meta that go (file names), sorted.
  std::vector<std::string> removed_records;
  /// Installed packages whose file lost its path, with the paths: their records no longer say what is there.
  std::map<std::string, std::vector<std::string>> lost_paths;
  /// Records of packages that stay whose `requested_specs` or own paths change.
  std::vector<PrefixRecord> rewritten_records;
  /// File names of the records that this plan was made from; `apply_to_prefix` refuses when the
  /// prefix has others by then.
  std::vector<std::string> basis;
  std::vector<PathConflict> conflicts;
  std::vector<LinkScript> link_scripts;
  /// Things worth telling: paths that were skipped, parked files that are gone, ...
  std::vector<std::string> warnings;
  std::optional<PythonLayout> python;
  /// True when the interpreter itself comes, goes or is replaced.
  bool python_changes = false;
  /// `name-version-build` with channel and subdir of what goes, for the history.
  std::vector<PrefixRecord> unlinked;

  bool empty() const;
  /// Bytes of files that have to be written anew (rewritten, copied, generated), as far as known.
  std::uint64_t bytes_to_rewrite() const;
  /// One line: `12 packages, 3,400 files to link, 20 to remove`.
  std::string summary() const;
};

struct LinkPlanOptions {
  PathConflictPolicy conflicts = PathConflictPolicy::clobber;
  /// Name to the specs that the user asked for; for every package, linked or kept. Absent: nothing
  /// is known, the kept records stay as they are.
  std::optional<std::map<std::string, std::vector<std::string>>> requested_specs;
  /// Parking places that exist in the prefix now (`parked_files()` of the install library).
  std::set<std::string> parked;
  bool compile_python = true;
};

/// Plans every file action of a transaction: moves `noarch: python` files (CEP 17, CEP 20), writes
/// entry points, checks prefix lengths, and settles paths that several packages bring.
///
/// Who gets a path that several packages bring with different content: a package beats those it
/// depends on, directly or not (the longer chain of dependencies wins), and the later name wins
/// between equals. The rule looks at the final set of packages alone, so the order of installation
/// does not matter; the losers' files are kept parked and come back when the winner leaves.
/// Identical content is shared.
///
/// `sources` has a package for each record of `transaction.to_link()`, in any order. Throws `Error`:
/// `clobber` (policy `prevent`, or a file where another package needs a folder), `unsafe` for a path
/// that leaves the prefix or reaches into conda-meta, `invalid_input` when a binary cannot
/// take so long a prefix, `corrupt` when a source is missing.
LinkPlan plan_links(const std::string& prefix, const Transaction& transaction,
                    const std::vector<PackageSource>& sources, const LinkPlanOptions& options = {});

/// Where files that lost their path wait, relative to the prefix.
inline constexpr std::string_view parking_folder = "conda-meta/.envtool/parked";

/// Where, relative to the prefix, the file of this record's entry waits while another package has its path.
std::string parking_place(const PathEntry& entry, const PackageRecord& owner);

/// The text of a console script of `noarch: python` packages, and whether it needs `/bin/sh`
/// (interpreter path too long for `#!` or with spaces). Throws `Error` (invalid_input) when the path
/// cannot be written into such a script.
std::string entry_point_script(const EntryPoint& entry_point, const std::string& python_executable);

/// The longest `#!` line, without its newline, that every kernel reads whole.
inline constexpr std::size_t longest_shebang = 127;

}  // namespace envtool
