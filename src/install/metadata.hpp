#pragma once

#include <string>
#include <vector>

#include "envtool/install/installer.hpp"
#include "stage_file.hpp"

namespace envtool::detail {

/// A file below conda-meta that the change writes.
struct MetadataFile {
  std::string path;  ///< relative to the prefix
  std::string content;
  bool is_removed = false;  ///< the file goes instead
};

/// The records, the history, the state: what conda-meta has after the change. `staged` belongs to `plan.files`,
/// `compiled` to `plan.compile` (1: the byte code is there or will be), `regained` has the digests of
/// `plan.unparks`; `revisions` and `old_history` are what
/// there is before the change.
std::vector<MetadataFile> metadata_files(const LinkPlan& plan, const EnvironmentChange& change,
                                         const std::vector<StagedFile>& staged, const std::vector<char>& compiled,
                                         const std::map<std::string, Sha256>& regained, const RevisionStore& revisions, const std::string& old_history,
                                         std::uint64_t generation);

/// The number in `conda-meta/.envtool/generation`, 0 when there is none.
std::uint64_t read_generation(const Prefix& prefix);

/// Says what the plan has to tell before anything is done.
void report_plan(const LinkPlan& plan, InstallReporter& reporter);

/// The given reporter, or one that does nothing.
InstallReporter& reporter_of(const InstallOptions& options);

/// The exclusive lock of an environment, waited for as the options say. Throws `Error` (locked, permission).
FileLock lock_prefix_file(const Prefix& prefix, const InstallOptions& options, const char* command);

/// Throws `Error` (no_space) when the file system certainly cannot take the change.
void check_space(const LinkPlan& plan, const std::string& folder);

}  // namespace envtool::detail
