#include "metadata.hpp"

#include <sys/stat.h>

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool::detail {

namespace {
constexpr std::string_view generation_file = "conda-meta/.envtool/generation";

/// A package whose file got its path back says again what is there.
void note_regained(const LinkPlan& plan, const std::map<std::string, Sha256>& regained, PrefixRecord& record) {
  for (const ParkAction& action : plan.unparks) {
    const auto digest = regained.find(action.file.path);
    if (digest == regained.end() || std::find(action.owners.begin(), action.owners.end(), record.dist()) == action.owners.end()) continue;
    for (PathEntry& entry : record.paths)
      if (entry.path == action.file.path && entry.path_type != PathType::softlink) entry.sha256_in_prefix = digest->second;
  }
}

/// True for the text of a symlink that means the same wherever the environment is.
bool stays_inside(std::string_view path, std::string_view text) {
  if (text.empty() || text.front() == '/') return false;
  auto depth = std::count(path.begin(), path.end(), '/');
  for (std::string_view part : split(text, '/')) {
    if (part.empty() || part == ".") continue;
    depth += part == ".." ? -1 : 1;
    if (depth < 0) return false;
  }
  return true;
}

/// What of a file only the moment of placing it can tell.
void note_placed(PlacedFiles& placed, const std::string& path, const StagedFile& staged) {
  if (staged.is_executable) placed.executables.push_back(path);
  if (staged.is_link && stays_inside(path, staged.link_text)) placed.links.emplace(path, staged.link_text);
}

std::vector<PrefixRecord> finished_records(const LinkPlan& plan, const std::vector<StagedFile>& staged,
                                           const std::vector<char>& compiled) {
  std::vector<PrefixRecord> records;
  std::vector<char> copied(plan.packages.size(), 0), hardlinked(plan.packages.size(), 0);
  for (const PlannedPackage& package : plan.packages) {
    records.push_back(package.record);
    records.back().placed.emplace();
  }
  for (std::size_t i = 0; i < plan.files.size(); ++i) {
    const FileAction& action = plan.files[i];
    PathEntry& entry = records[action.package].paths[action.entry];
    note_placed(*records[action.package].placed, entry.path, staged[i]);
    if (staged[i].is_link)
      entry.path_type = PathType::softlink;
    else if (action.target == entry.path)
      entry.sha256_in_prefix = staged[i].digest;
    // Else parked: another package's file is at the path, and the record says nothing of that one's content.
    if (staged[i].linked) (*staged[i].linked == LinkOutcome::hardlink ? hardlinked : copied)[action.package] = 1;
  }
  for (const SharedFile& shared : plan.shared)
    records[shared.package].paths[shared.entry].sha256_in_prefix =
        records[shared.from_package].paths[shared.from_entry].sha256_in_prefix;
  for (std::size_t i = 0; i < plan.compile.size(); ++i) {
    if (!compiled[i]) continue;
    PathEntry entry;
    entry.path = plan.compile[i].target;
    entry.path_type = PathType::pyc_file;
    records[plan.compile[i].package].paths.push_back(std::move(entry));
  }
  for (std::size_t i = 0; i < records.size(); ++i) {
    std::sort(records[i].placed->executables.begin(), records[i].placed->executables.end());
    records[i].link_type = copied[i] && !hardlinked[i] ? LinkType::copy : LinkType::hardlink;
    records[i].files.clear();
    for (const PathEntry& entry : records[i].paths)
      if (entry.path_type != PathType::directory) records[i].files.push_back(entry.path);
  }
  return records;
}

RevisionFiles revision_files(const LinkPlan& plan, const EnvironmentChange& change, const RevisionStore& revisions,
                             const std::string& old_history) {
  if (change.amends) return change.state ? amend_revision(revisions, *change.state) : RevisionFiles();
  HistoryEntry entry = change.history;
  entry.linked.clear();
  entry.unlinked.clear();
  for (const PlannedPackage& package : plan.packages)
    if (!package.is_foreign) entry.linked.push_back(history_line(package.record));
  for (const PrefixRecord& record : plan.unlinked) entry.unlinked.push_back(history_line(record));
  return add_revision(revisions, old_history, std::move(entry), change.found ? &*change.found : nullptr,
                      change.state ? &*change.state : nullptr);
}
}  // namespace

std::vector<MetadataFile> metadata_files(const LinkPlan& plan, const EnvironmentChange& change,
                                         const std::vector<StagedFile>& staged, const std::vector<char>& compiled,
                                         const std::map<std::string, Sha256>& regained, const RevisionStore& revisions, const std::string& old_history,
                                         std::uint64_t generation) {
  std::vector<MetadataFile> files;
  std::vector<PrefixRecord> records = finished_records(plan, staged, compiled);
  for (PrefixRecord& record : records) note_regained(plan, regained, record);
  for (std::size_t i = 0; i < records.size(); ++i)
    if (!plan.packages[i].is_foreign) files.push_back({"conda-meta/" + records[i].file_name(), to_json(records[i])});
  for (PrefixRecord record : plan.rewritten_records) {
    note_regained(plan, regained, record);
    files.push_back({"conda-meta/" + record.file_name(), to_json(record)});
  }
  if (change.removes_variables) files.push_back({"conda-meta/state", "", true});
  else if (change.variables) files.push_back({"conda-meta/state", render_state(*change.variables)});
  if (change.pinned) files.push_back({"conda-meta/pinned", change.pinned->value_or(""), !change.pinned->has_value()});
  if (!change.link_scripts.empty()) files.push_back({"conda-meta/.envtool/link-scripts", change.link_scripts});
  RevisionFiles history = revision_files(plan, change, revisions, old_history);
  for (auto& [path, content] : history.files) files.push_back({path, std::move(content)});
  if (history.history) files.push_back({"conda-meta/history", std::move(*history.history)});
  files.push_back({std::string(generation_file), std::to_string(generation) + "\n"});
  return files;
}

std::uint64_t read_generation(const Prefix& prefix) {
  const auto text = read_file_if_exists(prefix / generation_file, 4096);
  return text ? parse_unsigned(strip(*text)).value_or(0) : 0;
}

void report_plan(const LinkPlan& plan, InstallReporter& reporter) {
  for (const PathConflict& conflict : plan.conflicts) reporter.on_conflict(conflict);
  for (const std::string& warning : plan.warnings) reporter.on_warning(warning);
  for (const LinkScript& script : plan.link_scripts) reporter.on_link_script(script);
}

InstallReporter& reporter_of(const InstallOptions& options) {
  // Without state, so sharing it is harmless.
  static InstallReporter silent;
  return options.reporter == nullptr ? silent : *options.reporter;
}

FileLock lock_prefix_file(const Prefix& prefix, const InstallOptions& options, const char* command) {
  make_directories(prefix.state_directory());
  FileLock::Options lock_options;
  lock_options.timeout = options.lock_timeout;
  lock_options.command = options.command.empty() ? command : options.command;
  lock_options.stop = options.stop;
  lock_options.on_wait = [&](const LockHolder& holder) { reporter_of(options).on_lock_wait(holder); };
  return FileLock::acquire(prefix.lock_file(), FileLock::Mode::exclusive, lock_options);
}

void check_space(const LinkPlan& plan, const std::string& folder) {
  struct stat there{}, cache{};
  const bool known = stat(folder.c_str(), &there) == 0;
  std::uint64_t bytes = plan.bytes_to_rewrite(), inodes = plan.packages.size() + 16;
  // Across file systems every file is copied.
  std::vector<char> copies(plan.packages.size(), 0);
  for (std::size_t i = 0; i < plan.packages.size(); ++i)
    copies[i] = known && stat(plan.packages[i].extracted_directory.c_str(), &cache) == 0 && cache.st_dev != there.st_dev;
  for (const FileAction& action : plan.files) {
    const PathEntry& entry = plan.packages[action.package].record.paths[action.entry];
    const bool link = action.kind == FileAction::Kind::link;
    if (link && copies[action.package]) bytes += entry.size_in_bytes.value_or(0);
    if (!link || copies[action.package]) ++inodes;
    bytes += 300;  // the path's share of a record
  }
  const FileSystemSpace space = file_system_space(folder);
  if (bytes > space.free_bytes)
    throw Error("there is not enough space for the environment", ErrorKind::no_space)
        .at(folder)
        .because("it needs about " + human_size(bytes) + ", and " + human_size(space.free_bytes) + " are free")
        .hint("free some space, or choose another place");
  if (inodes > space.free_inodes)
    throw Error("the file system cannot take so many files", ErrorKind::no_space)
        .at(folder)
        .because("about " + with_thousands(inodes) + " are needed, and " + with_thousands(space.free_inodes) + " are free");
}

}  // namespace envtool::detail
