#include <algorithm>
#include <numeric>
#include <unordered_set>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/transaction/link_order.hpp"
#include "envtool/transaction/link_plan.hpp"
#include "path_owners.hpp"

namespace envtool {

namespace {
using detail::Claim;

bool is_protected(std::string_view path) { return path == "conda-meta" || path.starts_with("conda-meta/"); }

/// Calls `visit` with each folder above the path, nearest first.
template <typename Visit>
void for_each_parent(std::string_view path, Visit visit) {
  for (std::size_t slash = path.rfind('/'); slash != std::string_view::npos && slash != 0; slash = path.rfind('/', slash - 1))
    if (!visit(path.substr(0, slash))) return;
}

class LinkPlanner {
 public:
  LinkPlanner(const std::string& prefix, const Transaction& transaction, const std::vector<PackageSource>& sources,
              const LinkPlanOptions& options)
      : transaction_(transaction), options_(options) {
    plan_.prefix = prefix;
    check_prefix();
    find_python();
    collect_sources(sources);
  }

  LinkPlan run() {
    rank_packages();
    for (std::uint32_t i = 0; i < sources_.size(); ++i) plan_package(i);
    collect_claims();
    check_folders();
    settle_paths();
    plan_compilation();
    note_records();
    sort_lists();
    return std::move(plan_);
  }

 private:
  void check_prefix() const {
    const std::string& prefix = plan_.prefix;
    const bool control = std::any_of(prefix.begin(), prefix.end(), [](char c) {
      const auto u = static_cast<unsigned char>(c);
      return u < 0x20 || u == 0x7f;
    });
    if (prefix.empty() || prefix.front() != '/' || prefix == "/" || prefix.back() == '/' || control)
      throw Error("this cannot be the folder of an environment", ErrorKind::invalid_input)
          .at(escape_control(prefix))
          .because(control ? "the path holds a control character" : "an absolute path without a slash at its end is needed");
  }

  /// Python as it will be, and whether it is replaced.
  void find_python() {
    for (const PrefixRecord& record : transaction_.keep)
      if (record.name == "python") plan_.python = python_layout(record);
    for (const RepoDataRecord& record : transaction_.install)
      if (record.name == "python") set_new_python(record);
    for (const PackageChange& change : transaction_.change)
      if (change.to.name == "python") set_new_python(change.to);
    for (const PrefixRecord& record : transaction_.remove)
      if (record.name == "python") plan_.python_changes = true;
  }
  void set_new_python(const RepoDataRecord& record) {
    plan_.python = python_layout(record);
    plan_.python_changes = true;
  }

  void collect_sources(const std::vector<PackageSource>& sources) {
    std::unordered_map<std::string_view, const PackageSource*> by_name;
    for (const PackageSource& source : sources) by_name.emplace(source.record.name, &source);
    for (const RepoDataRecord& record : transaction_.to_link()) {
      const auto found = by_name.find(record.name);
      if (found == by_name.end() || found->second->record.dist() != record.dist())
        throw Error("a package to install is not unpacked", ErrorKind::corrupt).at(record.dist());
      sources_.push_back(found->second);
      PlannedPackage package;
      static_cast<RepoDataRecord&>(package.record) = record;
      package.record.extracted_package_dir = found->second->extracted_directory;
      package.record.package_tarball_full_path = found->second->archive_path;
      package.record.link_source = found->second->extracted_directory;
      if (options_.requested_specs)
        if (auto specs = options_.requested_specs->find(record.name); specs != options_.requested_specs->end())
          package.record.requested_specs = specs->second;
      package.extracted_directory = found->second->extracted_directory;
      package.entry_points = found->second->link.entry_points;
      plan_.packages.push_back(std::move(package));
    }
  }

  /// Ranks in the old and the new set of packages; a package in both has two.
  void rank_packages() {
    const auto rank = [](const std::vector<const PackageRecord*>& records, auto& ranks) {
      const std::vector<std::size_t> order = link_order(records);
      for (std::uint32_t i = 0; i < order.size(); ++i) ranks[records[order[i]]] = i;
    };
    std::vector<const PackageRecord*> before, after;
    for (const PrefixRecord& record : transaction_.keep) {
      before.push_back(&record);
      after.push_back(&record);
    }
    for (const PrefixRecord& record : transaction_.remove) before.push_back(&record);
    for (const PackageChange& change : transaction_.change) before.push_back(&change.from);
    for (const PlannedPackage& package : plan_.packages) after.push_back(&package.record);
    rank(before, old_ranks_);
    rank(after, new_ranks_);
  }

  void plan_package(std::uint32_t index) {
    PlannedPackage& package = plan_.packages[index];
    const PackageSource& source = *sources_[index];
    const bool python_package = package.record.noarch == NoarchType::python;
    package.record.paths.reserve(source.paths.paths.size());
    for (const PathEntry& entry : source.paths.paths) {
      if (!is_safe_relative_path(entry.path)) refuse_path(package, entry.path);
      if (entry.path.starts_with("info/")) continue;  // metadata, never linked (CEP 32)
      std::optional<std::string> target = entry.path;
      if (python_package) target = noarch_python_target(entry.path, plan_.python ? &*plan_.python : nullptr);
      if (!target) refuse_without_python(package);
      if (!is_safe_relative_path(*target) || is_protected(*target)) refuse_path(package, *target);
      add_path(index, entry, std::move(*target));
    }
    if (python_package && !package.entry_points.empty()) add_entry_points(index);
    note_scripts(package.record, {"pre-link", "post-link"}, [&](const std::string& path) {
      return std::any_of(package.record.paths.begin(), package.record.paths.end(),
                         [&](const PathEntry& entry) { return entry.path == path; });
    });
  }

  [[noreturn]] static void refuse_path(const PlannedPackage& package, const std::string& path) {
    throw Error("a package brings a path that it must not have", ErrorKind::unsafe)
        .at(package.record.dist())
        .because("`" + escape_control(path) + (is_protected(path) ? "` lies in `conda-meta`, which is the environment's own"
                                                                  : "` leaves the environment"))
        .hint("do not install this package; tell the channel's owner");
  }
  [[noreturn]] static void refuse_without_python(const PlannedPackage& package) {
    throw Error("a `noarch: python` package needs Python in the environment", ErrorKind::unsatisfiable)
        .at(package.record.dist())
        .hint("add `python` to the packages");
  }

  void add_path(std::uint32_t index, const PathEntry& original, std::string target) {
    PlannedPackage& package = plan_.packages[index];
    PathEntry entry = original;
    entry.path = target;
    if (entry.path_type == PathType::directory) {
      plan_.directories.push_back(target);
      package.record.paths.push_back(std::move(entry));
      return;
    }
    FileAction action;
    action.package = index;
    action.entry = static_cast<std::uint32_t>(package.record.paths.size());
    action.source = original.path;
    if (entry.path_type == PathType::softlink) {
      action.kind = FileAction::Kind::softlink;
    } else {
      // Only these three come out of an archive; anything else is a manifest's mistake.
      entry.path_type = PathType::hardlink;
      if (!entry.prefix_placeholder.empty()) {
        const bool binary = entry.file_mode == FileMode::binary;
        action.kind = binary ? FileAction::Kind::rewrite_binary : FileAction::Kind::rewrite_text;
        if (binary && plan_.prefix.size() > entry.prefix_placeholder.size()) refuse_length(package, entry);
      } else if (entry.no_link) {
        action.kind = FileAction::Kind::copy;
      }
      if (entry.prefix_placeholder.empty()) entry.sha256_in_prefix = entry.sha256;
    }
    action.target = std::move(target);
    package.record.paths.push_back(std::move(entry));
    plan_.files.push_back(std::move(action));
  }

  [[noreturn]] void refuse_length(const PlannedPackage& package, const PathEntry& entry) const {
    throw Error("the environment's path is too long", ErrorKind::invalid_input)
        .at(plan_.prefix)
        .because("`" + entry.path + "` of `" + package.record.dist() + "` has room for a path of " +
                 std::to_string(entry.prefix_placeholder.size()) + " bytes, and this one has " +
                 std::to_string(plan_.prefix.size()))
        .hint("choose a shorter path for the environment");
  }

  void add_entry_points(std::uint32_t index) {
    PlannedPackage& package = plan_.packages[index];
    if (!plan_.python) refuse_without_python(package);
    for (const EntryPoint& entry_point : package.entry_points) {
      PathEntry entry;
      entry.path = "bin/" + entry_point.command;
      if (!is_safe_relative_path(entry.path) || split(entry.path, '/').size() != 2) refuse_path(package, entry.path);
      entry.path_type = PathType::unix_python_entry_point;
      const std::string script = entry_point_script(entry_point, plan_.prefix + "/" + plan_.python->executable);
      entry.sha256_in_prefix = sha256(script);
      entry.size_in_bytes = script.size();
      FileAction action;
      action.kind = FileAction::Kind::entry_point;
      action.package = index;
      action.entry = static_cast<std::uint32_t>(package.record.paths.size());
      action.target = entry.path;
      package.record.paths.push_back(std::move(entry));
      plan_.files.push_back(std::move(action));
    }
  }

  template <typename Has>
  void note_scripts(const PackageRecord& record, std::initializer_list<const char*> actions, Has has) {
    for (const char* action : actions) {
      const std::string path = "bin/." + record.name + "-" + action + ".sh";
      if (has(path)) plan_.link_scripts.push_back({record.dist(), path, action});
    }
  }

  /// The paths of an installed package; `files` without an entry get a bare one.
  std::vector<const PathEntry*> installed_paths(const PrefixRecord& record) {
    std::vector<const PathEntry*> entries;
    entries.reserve(record.paths.size());
    for (const PathEntry& entry : record.paths) entries.push_back(&entry);
    if (record.files.size() > record.paths.size()) {
      std::unordered_set<std::string_view> known;
      for (const PathEntry& entry : record.paths) known.insert(entry.path);
      for (const std::string& file : record.files)
        if (!known.contains(file)) {
          bare_entries_.push_back({});
          bare_entries_.back().path = file;
          entries.push_back(&bare_entries_.back());
        }
    }
    return entries;
  }

  static bool is_record_entry(const PathEntry& entry) {
    return entry.path_type == PathType::linked_package_record || is_protected(entry.path);
  }

  void collect_claims() {
    claims_.reserve(plan_.files.size() * 2);
    for (std::uint32_t i = 0; i < plan_.files.size(); ++i) {
      const FileAction& action = plan_.files[i];
      const PlannedPackage& package = plan_.packages[action.package];
      const PathEntry& entry = package.record.paths[action.entry];
      Claim claim{Claim::Side::linked, &entry, &package.record, 0, new_ranks_[&package.record],
                  action.package, action.entry, i};
      std::vector<Claim>& claims = claims_[entry.path];
      for (const Claim& other : claims)
        if (other.owner == claim.owner) refuse_double(package, entry.path);
      claims.push_back(claim);
      for_each_parent(entry.path, [&](std::string_view folder) { return new_folders_.emplace(folder, &package.record).second; });
    }
    for (const PlannedPackage& package : plan_.packages)
      for (const PathEntry& entry : package.record.paths)
        if (entry.path_type == PathType::directory) new_folders_.emplace(entry.path, &package.record);

    for (const PrefixRecord& record : transaction_.remove) add_leaving(record);
    for (const PackageChange& change : transaction_.change) add_leaving(change.from);
    add_contested();
    for (const PrefixRecord& record : transaction_.keep) add_kept(record);
  }

  /// Paths of packages that stay, whose order the change may turn round: what comes or goes decides how deep
  /// the dependencies of the others are.
  void add_contested() {
    if (options_.parked.empty()) return;
    std::vector<const PrefixRecord*> kept;
    for (const PrefixRecord& record : transaction_.keep) kept.push_back(&record);
    std::sort(kept.begin(), kept.end(), [&](const auto* a, const auto* b) { return old_ranks_[a] < old_ranks_[b]; });
    if (std::is_sorted(kept.begin(), kept.end(), [&](const auto* a, const auto* b) { return new_ranks_[a] < new_ranks_[b]; })) return;
    for (const PrefixRecord* record : kept)
      for (const PathEntry* entry : installed_paths(*record)) {
        if (entry->path_type == PathType::directory || is_record_entry(*entry)) continue;
        if (!options_.parked.contains(parking_place(*entry, *record))) continue;
        claims_.try_emplace(entry->path);
        contested_.insert(entry->path);
      }
  }

  [[noreturn]] static void refuse_double(const PlannedPackage& package, const std::string& path) {
    throw Error("a package brings two files for one path", ErrorKind::corrupt)
        .at(package.record.dist())
        .because("`" + escape_control(path) + "` is there twice after its files are put in their places");
  }

  void add_leaving(const PrefixRecord& record) {
    for (const PathEntry* entry : installed_paths(record)) {
      if (is_record_entry(*entry)) continue;
      if (!is_safe_relative_path(entry->path)) {
        plan_.warnings.push_back("`" + record.dist() + "` claims the path `" + escape_control(entry->path) +
                                 "`, which is outside the environment; it is left alone");
        continue;
      }
      if (entry->path_type == PathType::directory) {
        leaving_folders_.push_back({entry->path, *entry, record.dist()});
        continue;
      }
      claims_[entry->path].push_back({Claim::Side::leaving, entry, &record, old_ranks_[&record], 0, 0, 0, 0});
    }
    note_scripts(record, {"pre-unlink"}, [&](const std::string& path) {
      return std::find(record.files.begin(), record.files.end(), path) != record.files.end();
    });
    plan_.unlinked.push_back(record);
  }

  void add_kept(const PrefixRecord& record) {
    std::string_view last_folder;
    for (const PathEntry* entry : installed_paths(record)) {
      if (is_record_entry(*entry)) continue;
      if (entry->path_type == PathType::directory) {
        kept_folders_.insert(entry->path);
        continue;
      }
      if (auto found = claims_.find(entry->path); found != claims_.end())
        found->second.push_back({Claim::Side::kept, entry, &record, old_ranks_[&record], new_ranks_[&record], 0, 0, 0});
      if (auto found = new_folders_.find(entry->path); found != new_folders_.end()) {
        if (entry->path_type == PathType::softlink)
          links_below_.insert(entry->path);
        else
          refuse_folder(entry->path, *found->second, record);
      }
      // A new file where this package has a folder.
      const std::string_view path = entry->path;
      const std::size_t slash = path.rfind('/');
      const std::string_view folder = slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
      if (folder == last_folder) continue;
      last_folder = folder;
      for_each_parent(path, [&](std::string_view parent) {
        check_file_over_folder(parent, record);
        return true;
      });
    }
  }

  void check_file_over_folder(std::string_view path, const PackageRecord& folder_owner) {
    const auto found = claims_.find(path);
    if (found == claims_.end()) return;
    const PackageRecord* file_owner = nullptr;
    for (const Claim& claim : found->second) {
      if (claim.side == Claim::Side::linked) file_owner = claim.owner;
      // What was a symlink to a folder before may be one again.
      if (claim.side != Claim::Side::linked && claim.entry->path_type == PathType::softlink) return;
    }
    if (file_owner != nullptr) refuse_folder(std::string(path), folder_owner, *file_owner);
  }

  [[noreturn]] static void refuse_folder(const std::string& path, const PackageRecord& folder_owner,
                                         const PackageRecord& file_owner) {
    throw Error("one package needs a folder where another has a file", ErrorKind::clobber)
        .at(path)
        .because("`" + folder_owner.dist() + "` has files below it, `" + file_owner.dist() + "` has it as a file")
        .with("packages", {folder_owner.dist(), file_owner.dist()})
        .hint("the two packages cannot be in one environment");
  }

  /// Files where new files need a folder: a symlink may lead to one, anything else is an error.
  void check_folders() {
    for (const auto& [folder, owner] : new_folders_) {
      const auto found = claims_.find(folder);
      if (found == claims_.end()) continue;
      for (const Claim& claim : found->second) {
        if (claim.side == Claim::Side::leaving) continue;
        if (claim.entry->path_type != PathType::softlink) refuse_folder(std::string(folder), *owner, *claim.owner);
        links_below_.insert(folder);
      }
    }
    if (links_below_.empty()) return;
    for (FileAction& action : plan_.files)
      for_each_parent(action.target, [&](std::string_view folder) {
        action.through_link = action.through_link || links_below_.contains(folder);
        return !action.through_link;
      });
  }

  void settle_paths() {
    std::vector<char> dropped(plan_.files.size(), 0);
    // The map's keys are views into records that stay put; the order of the lists comes from sorting later.
    detail::PathSettlement settlement(plan_, options_);
    for (auto& [path, claims] : claims_) {
      if (claims.size() == 1 && claims.front().side == Claim::Side::linked) continue;
      const bool all_kept = std::all_of(claims.begin(), claims.end(), [](const Claim& c) { return c.side == Claim::Side::kept; });
      if (all_kept && !contested_.contains(path)) continue;
      settlement.settle(std::string(path), claims, dropped);
    }
    std::size_t end = 0;
    for (std::size_t i = 0; i < plan_.files.size(); ++i)
      if (!dropped[i]) {
        if (end != i) plan_.files[end] = std::move(plan_.files[i]);
        ++end;
      }
    plan_.files.resize(end);
    for (OwnedPath& folder : leaving_folders_)
      if (!new_folders_.contains(folder.path) && !kept_folders_.contains(folder.path))
        plan_.removals.push_back(std::move(folder));
    std::erase_if(plan_.directories, [&](const std::string& path) { return links_below_.contains(path); });
  }

  /// Byte-compiles what `noarch: python` packages put into site-packages (CEP 20, B2 and B3).
  void plan_compilation() {
    if (!options_.compile_python || !plan_.python) return;
    const std::string folder = plan_.python->site_packages + "/";
    for (const FileAction& action : plan_.files) {
      const PrefixRecord& record = plan_.packages[action.package].record;
      if (record.noarch != NoarchType::python || action.kind == FileAction::Kind::softlink ||
          action.kind == FileAction::Kind::entry_point)
        continue;
      if (!action.target.starts_with(folder) || !action.target.ends_with(".py")) continue;
      CompileAction compile{action.target, plan_.python->pyc_path(action.target), action.package};
      const auto claimed = claims_.find(compile.target);
      const bool shipped = claimed != claims_.end() &&
                           std::any_of(claimed->second.begin(), claimed->second.end(),
                                       [](const Claim& c) { return c.side == Claim::Side::linked; });
      if (!shipped && is_safe_relative_path(compile.target)) plan_.compile.push_back(std::move(compile));
    }
  }

  bool regains_path(const PrefixRecord& record) const {
    return std::any_of(plan_.unparks.begin(), plan_.unparks.end(), [&](const ParkAction& action) {
      return std::find(action.owners.begin(), action.owners.end(), record.dist()) != action.owners.end();
    });
  }

  void note_records() {
    const auto remove_record = [&](const PrefixRecord& record) { plan_.removed_records.push_back(record.file_name()); };
    for (const PrefixRecord& record : transaction_.remove) remove_record(record);
    for (const PackageChange& change : transaction_.change) remove_record(change.from);
    plan_.basis = plan_.removed_records;
    for (const PrefixRecord& record : transaction_.keep) {
      plan_.basis.push_back(record.file_name());
      std::vector<std::string> specs = record.requested_specs;
      if (options_.requested_specs) {
        const auto found = options_.requested_specs->find(record.name);
        specs = found == options_.requested_specs->end() ? std::vector<std::string>() : found->second;
      }
      const auto lost = plan_.lost_paths.find(record.dist());
      if (specs == record.requested_specs && lost == plan_.lost_paths.end() && !regains_path(record)) continue;
      plan_.rewritten_records.push_back(record);
      plan_.rewritten_records.back().requested_specs = specs;
      if (lost == plan_.lost_paths.end()) continue;
      for (PathEntry& entry : plan_.rewritten_records.back().paths)
        if (std::find(lost->second.begin(), lost->second.end(), entry.path) != lost->second.end()) detail::forget_digest(entry);
    }
    // A reinstalled package's record is replaced, not removed.
    for (const PlannedPackage& package : plan_.packages) std::erase(plan_.removed_records, package.record.file_name());
  }

  void sort_lists() {
    const auto by_path = [](const OwnedPath& a, const OwnedPath& b) { return a.path < b.path; };
    const auto by_park = [](const ParkAction& a, const ParkAction& b) { return a.file.path < b.file.path; };
    std::sort(plan_.files.begin(), plan_.files.end(), [](const FileAction& a, const FileAction& b) { return a.target < b.target; });
    std::sort(plan_.removals.begin(), plan_.removals.end(), by_path);
    plan_.removals.erase(std::unique(plan_.removals.begin(), plan_.removals.end(),
                                     [](const OwnedPath& a, const OwnedPath& b) { return a.path == b.path; }),
                         plan_.removals.end());
    std::sort(plan_.parks.begin(), plan_.parks.end(), by_park);
    std::sort(plan_.unparks.begin(), plan_.unparks.end(), by_park);
    std::sort(plan_.conflicts.begin(), plan_.conflicts.end(),
              [](const PathConflict& a, const PathConflict& b) { return a.path < b.path; });
    std::sort(plan_.compile.begin(), plan_.compile.end(),
              [](const CompileAction& a, const CompileAction& b) { return a.source < b.source; });
    for (auto* list : {&plan_.forgotten_parked, &plan_.removed_records, &plan_.basis, &plan_.warnings, &plan_.directories}) {
      std::sort(list->begin(), list->end());
      list->erase(std::unique(list->begin(), list->end()), list->end());
    }
  }

  const Transaction& transaction_;
  const LinkPlanOptions& options_;
  LinkPlan plan_;
  std::vector<const PackageSource*> sources_;
  std::unordered_map<const PackageRecord*, std::uint32_t> old_ranks_, new_ranks_;
  std::unordered_set<std::string_view> contested_;
  detail::ClaimMap claims_;
  /// Folders that new files need, and a package that needs them.
  std::unordered_map<std::string_view, const PackageRecord*> new_folders_;
  std::unordered_set<std::string_view> kept_folders_;
  /// Symlinks that new files lie below.
  std::unordered_set<std::string_view> links_below_;
  std::vector<OwnedPath> leaving_folders_;
  std::deque<PathEntry> bare_entries_;
};
}  // namespace

bool LinkPlan::empty() const {
  return packages.empty() && removals.empty() && removed_records.empty() && rewritten_records.empty();
}

std::uint64_t LinkPlan::bytes_to_rewrite() const {
  std::uint64_t bytes = 0;
  for (const FileAction& action : files)
    if (action.kind != FileAction::Kind::link && action.kind != FileAction::Kind::softlink)
      bytes += packages[action.package].record.paths[action.entry].size_in_bytes.value_or(0);
  return bytes;
}

std::string LinkPlan::summary() const {
  return with_thousands(packages.size()) + " packages, " + with_thousands(files.size()) + " files to link, " +
         with_thousands(removals.size()) + " to remove";
}

LinkPlan plan_links(const std::string& prefix, const Transaction& transaction, const std::vector<PackageSource>& sources,
                    const LinkPlanOptions& options) {
  return LinkPlanner(prefix, transaction, sources, options).run();
}

}  // namespace envtool
