#include "envtool/app/verify.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <tuple>

#include "envtool/app/freeze.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "envtool/specs/match_spec.hpp"
#include "envtool/transaction/python_layout.hpp"
#include "pip_distributions.hpp"
#include "record_folder.hpp"
#include "verify_files.hpp"

namespace envtool {

namespace {
using namespace detail;
using Names = std::set<std::string, std::less<>>;

std::int64_t change_time(const std::string& path) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) return 0;
  return std::int64_t{status.st_mtim.tv_sec} * 1'000'000'000 + status.st_mtim.tv_nsec;
}

/// Another one means that somebody changed the environment in between.
auto state_mark(const Prefix& prefix) {
  return std::tuple(record_file_names(prefix), change_time(prefix.conda_meta()), change_time(prefix.history_file()));
}

bool matches(const MatchSpec& spec, const PrefixRecord& record) {
  const Version version = Version::parse(record.version);
  MatchTarget target;
  target.name = record.name;
  target.version = &version;
  target.build = record.build;
  target.build_number = record.build_number;
  target.subdir = record.subdir;
  target.channel_url = record.channel;
  target.channel_name = record.channel;
  target.track_features = &record.track_features;
  target.flags = &record.flags;
  return spec.matches(target);
}

class Verifier {
 public:
  Verifier(const AppInputs& inputs, const Prefix& prefix, const VerifyOptions& options)
      : inputs_(inputs), prefix_(prefix), options_(options) {}

  VerifyReport run() {
    const auto before = state_mark(prefix_);
    check_pending();
    folder_ = read_record_folder(prefix_);
    find_pip_packages();
    select();
    check_records();
    check_history();
    FileVerifier files(inputs_, prefix_, folder_, report_);
    files.run(selected_, of_pip_, options_.quick);
    check_pip_packages();
    check_dependencies();
    if (options_.packages.empty() || options_.list_extra) find_extra(files);
    report_.packages = selected_.size();
    report_.changed_meanwhile = state_mark(prefix_) != before;
    std::stable_sort(report_.problems.begin(), report_.problems.end(), [](const Problem& a, const Problem& b) {
      return std::tie(a.package, a.path, a.kind) < std::tie(b.package, b.path, b.kind);
    });
    return std::move(report_);
  }

 private:
  struct PipPackageFiles {
    PipDistribution distribution;
    DistributionFiles files;
    std::string title() const { return distribution.name + "==" + distribution.version; }
  };

  void add(std::string package, std::string path, ProblemKind kind, std::string expected, std::string found) {
    report_.problems.push_back({std::move(package), std::move(path), kind, std::move(expected), std::move(found), 0, 0});
  }

  void check_pending() {
    report_.pending = describe_pending_change(prefix_);
    using Outcome = PendingChange::Outcome;
    const std::string place = "conda-meta/.envtool/tx";
    switch (report_.pending.outcome) {
      case Outcome::none: break;
      case Outcome::finish: add("", place, ProblemKind::pending, "no unfinished change", "a change that the next command finishes"); break;
      case Outcome::undo: add("", place, ProblemKind::pending, "no unfinished change", "a change that the next command undoes"); break;
      case Outcome::move: add("", place, ProblemKind::pending, "no unfinished change", "a move that the next command finishes or forgets"); break;
      case Outcome::unusable: add("", place, ProblemKind::pending, "no unfinished change", "a change whose journal is damaged"); break;
    }
    if (report_.pending.worker.empty())
      if (const auto note = unfinished_note(prefix_)) add("", "conda-meta/.envtool", ProblemKind::unfinished, "a finished change", *note);
  }

  void find_pip_packages() {
    Names known;  // packages of conda's whose files look like nobody's without their records
    for (const BadRecord& bad : folder_.bad) known.insert(normalized_name(bad.name));
    for (const std::string& dist : folder_.missing) known.insert(normalized_name(name_of_dist(dist)));
    try {
      std::vector<PipDistribution> found = installed_distributions(prefix_, folder_.records);
      for (PipDistribution& item : remembered(found)) found.push_back(std::move(item));
      for (PipDistribution& item : found) {
        if (known.contains(normalized_name(item.name)) || item.installer == "conda") continue;
        PipPackageFiles package{std::move(item), {}};
        package.files = distribution_files(prefix_, package.distribution);
        for (const DistributionFile& file : package.files.files)
          of_pip_.try_emplace(file.path, PipOwner{package.title(), normalized_name(package.distribution.name)});
        pip_.push_back(std::move(package));
      }
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      report_.notes.push_back("the packages of pip could not be looked at: " + error.message() + (error.why().empty() ? "" : ": " + error.why()));
    }
  }

  /// Packages of pip's that the last revision has, whose folder is there, and which are no longer seen as packages.
  std::vector<PipDistribution> remembered(const std::vector<PipDistribution>& found) const {
    std::vector<PipDistribution> lost;
    if (!folder_.revisions || folder_.revisions->size() == 0 || !folder_.revisions->is_recorded(folder_.revisions->size() - 1)) return lost;
    for (const PipDistribution& item : folder_.revisions->pip(folder_.revisions->size() - 1)) {
      const bool seen = std::any_of(found.begin(), found.end(), [&](const PipDistribution& other) { return other.folder == item.folder; });
      if (!seen && is_safe_relative_path(item.folder) && exists_no_follow(prefix_ / item.folder)) lost.push_back(item);
    }
    return lost;
  }

  bool is_wanted(const std::string& name) const {
    if (options_.packages.empty() || name.empty()) return true;
    const std::string normalized = normalized_name(name);
    return std::any_of(options_.packages.begin(), options_.packages.end(),
                       [&](const std::string& wanted) { return normalized_name(wanted) == normalized; });
  }

  void select() {
    std::vector<std::string> all;
    for (const PrefixRecord& record : folder_.records) {
      all.push_back(record.name);
      if (is_wanted(record.name)) selected_.insert(record.name);
    }
    for (const BadRecord& bad : folder_.bad) all.push_back(bad.name);
    for (const std::string& dist : folder_.missing) all.push_back(name_of_dist(dist));
    for (const PipPackageFiles& package : pip_) all.push_back(package.distribution.name);
    Names normalized;
    for (const std::string& name : all) normalized.insert(normalized_name(name));
    std::vector<std::string> unknown;
    for (const std::string& name : options_.packages)
      if (!normalized.contains(normalized_name(name))) unknown.push_back(name);
    if (unknown.empty()) return;
    Error error("not installed: " + join(unknown, ", "), ErrorKind::packages_not_found);
    error.at(prefix_.path()).with("packages", unknown);
    for (const std::string& name : unknown)
      if (const auto close = closest_matches(name, all, 1); !close.empty()) error.hint("did you mean `" + close[0] + "`?");
    throw error;
  }

  void check_records() {
    for (const BadRecord& bad : folder_.bad)
      if (is_wanted(bad.name)) add(bad.dist, "conda-meta/" + bad.file, bad.kind, "a record of this package alone", bad.why);
    for (const std::string& dist : folder_.missing) {
      if (!is_wanted(name_of_dist(dist))) continue;
      if (!is_needed(name_of_dist(dist)) && !has_files_of(dist))
        report_.notes.push_back("the history has `" + dist + "`, which is gone with all its files: another tool may have removed it");
      else
        add(dist, "conda-meta/" + dist + ".json", ProblemKind::record_missing, "the record of a package that the history knows", "nothing");
    }
  }

  bool is_needed(const std::string& name) const {
    return std::any_of(folder_.records.begin(), folder_.records.end(), [&](const PrefixRecord& record) {
      return std::any_of(record.depends.begin(), record.depends.end(),
                         [&](const std::string& text) { return to_lower(split_whitespace(text).empty() ? "" : split_whitespace(text).front()) == name; });
    });
  }

  /// True when files of a package without a record lie in their places, as far as a package cache knows them.
  bool has_files_of(const std::string& dist) const {
    for (const std::string& directory : inputs_.settings.pkgs_dirs) {
      const std::string file = directory + "/" + dist + "/info/paths.json";
      try {
        const auto text = read_file_if_exists(file, std::uint64_t{512} << 20);
        if (!text) continue;
        const auto python = find_python_layout(folder_.records);
        std::vector<FileQuestion> questions;
        for (const PathEntry& entry : parse_paths_json(*text, file).paths) {
          // Both forms of paths of `noarch: python` packages are theirs alone.
          auto target = noarch_python_target(entry.path, python ? &*python : nullptr);
          if (target && !entry.path.starts_with("info/") && entry.path_type != PathType::directory)
            questions.push_back({std::move(*target), FileQuestion::Wanted::status, std::nullopt});
        }
        const auto facts = look_at_files(prefix_.path(), questions, inputs_.stop);
        for (std::size_t i = 0; i < facts.size(); ++i)
          if (facts[i].type != FileFacts::Type::missing && !is_owned(questions[i].path)) return true;
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted) throw;
      }
    }
    return false;
  }

  bool is_owned(const std::string& path) const {
    return std::any_of(folder_.records.begin(), folder_.records.end(), [&](const PrefixRecord& record) {
      return std::find(record.files.begin(), record.files.end(), path) != record.files.end();
    });
  }

  void check_history() {
    if (!folder_.history_problem.empty()) add("", "conda-meta/history", ProblemKind::history, "a history", folder_.history_problem);
    if (folder_.revisions)
      for (std::size_t i = 0; i < folder_.revisions->size(); ++i)
        if (std::string problem = folder_.revisions->problem(i); !problem.empty())
          add("", revision_file(i), ProblemKind::history, "revision " + std::to_string(i), std::move(problem));
    if (const std::size_t count = folder_.unknown_to_history.size(); count != 0) {
      std::vector<std::string> names = folder_.unknown_to_history;
      names.resize(std::min<std::size_t>(count, 3));
      if (count > names.size()) names.emplace_back("...");
      report_.notes.push_back("another tool changed the environment and did not say so in the history: " + with_thousands(count) +
                              (count == 1 ? " package (" : " packages (") + join(names, ", ") + ")");
    }
  }

  void check_pip_packages() {
    std::vector<FileQuestion> questions;
    struct Row {
      const PipPackageFiles* package;
      const DistributionFile* file;
    };
    std::vector<Row> rows;
    for (const PipPackageFiles& package : pip_) {
      if (!is_wanted(package.distribution.name)) continue;
      ++report_.pip_packages;
      const std::string title = package.title();
      for (const std::string& path : package.files.missing)
        if (!path.ends_with(".pyc")) add(title, path, ProblemKind::pip_missing, "a file", "nothing");
      if (package.files.files.empty() && package.files.missing.empty() && package.distribution.folder.ends_with(".dist-info") &&
          !package.distribution.installer.empty())
        add(title, package.distribution.folder + "/RECORD", ProblemKind::pip_record, "a list of the package's files", package.files.problem);
      else if (!package.files.problem.empty())
        report_.notes.push_back("`" + title + "`, which is not conda's, cannot be checked as a whole: " + package.files.problem);
      for (const DistributionFile& file : package.files.files) {
        if (!file.sha256 || file.path.ends_with(".pyc")) continue;
        questions.push_back({file.path, options_.quick ? FileQuestion::Wanted::status : FileQuestion::Wanted::content, std::nullopt});
        rows.push_back({&package, &file});
      }
    }
    const std::vector<FileFacts> facts = look_at_files(prefix_.path(), questions, inputs_.stop, &report_.bytes);
    for (std::size_t i = 0; i < rows.size(); ++i) {
      using Type = FileFacts::Type;
      const std::string& path = rows[i].file->path;
      if (facts[i].type == Type::outside)
        add(rows[i].package->title(), path, ProblemKind::outside, "a place in the environment", "a way out of the environment");
      else if (facts[i].type == Type::folder || facts[i].type == Type::other)
        add(rows[i].package->title(), path, ProblemKind::pip_content, "a file", "something else");
      else if (facts[i].digest && *facts[i].digest != *rows[i].file->sha256)
        add(rows[i].package->title(), path, ProblemKind::pip_content, rows[i].file->sha256->hex(), facts[i].digest->hex());
    }
    report_.files += rows.size();
  }

  void check_dependencies() {
    Names damaged;  // they are said already
    for (const BadRecord& bad : folder_.bad) damaged.insert(bad.name);
    for (const std::string& name : selected_) {
      const PrefixRecord& record = *folder_.find(name);
      check_specs(record, record.depends, damaged, true);
      check_specs(record, record.constrains, damaged, false);
    }
  }

  void check_specs(const PrefixRecord& record, const std::vector<std::string>& specs, const Names& damaged, bool needed) {
    for (const std::string& text : specs) {
      try {
        const MatchSpec spec = MatchSpec::parse(text);
        // What the machine offers is the solver's matter, conditions too.
        if (spec.name.starts_with("__") || spec.name_matcher || !spec.when.empty() || damaged.contains(spec.name)) continue;
        const PrefixRecord* there = folder_.find(spec.name);
        if (there == nullptr ? needed : !matches(spec, *there))
          add(record.dist(), "", needed ? ProblemKind::dependency : ProblemKind::constraint, text,
              there == nullptr ? "`" + spec.name + "` is not installed" : there->dist());
      } catch (const Error&) {
        // Repodata has specs that no grammar knows; a solver would have refused them.
        report_.notes.push_back("`" + text + "`, which `" + record.dist() + "` depends on, is not understood");
      }
    }
  }

  /// Other environments and package caches below this one (the root environment has them) are no files of it.
  bool is_elsewhere(const std::string& path) const {
    const std::string full = prefix_ / path;
    const Settings& settings = inputs_.settings;
    for (const auto* list : {&settings.pkgs_dirs, &settings.envs_dirs})
      if (std::find(list->begin(), list->end(), full) != list->end()) return true;
    return exists_no_follow(full + "/conda-meta/history");
  }

  void find_extra(const FileVerifier& files) {
    std::vector<std::string> open{""};
    while (!open.empty()) {
      const std::string folder = std::move(open.back());
      open.pop_back();
      if (inputs_.stop.stop_requested()) throw Error("checking the environment was interrupted", ErrorKind::interrupted);
      std::vector<std::string> names;
      try {
        names = list_directory(folder.empty() ? prefix_.path() : prefix_ / folder);
      } catch (const Error& error) {
        report_.notes.push_back("`" + folder + "` cannot be looked into: " + error.why());
      }
      for (const std::string& name : names) {
        std::string path = folder.empty() ? name : folder + "/" + name;
        struct stat status{};
        if (path == "conda-meta" || lstat((prefix_ / path).c_str(), &status) != 0) continue;
        if (S_ISDIR(status.st_mode)) {
          if (name.find(".envtool-saved-") != std::string::npos) ++report_.saved;
          else if (!is_elsewhere(path)) open.push_back(std::move(path));
        } else if (name.find(".envtool-saved-") != std::string::npos) {
          ++report_.saved;
        } else if (!files.is_claimed(path) && !of_pip_.contains(path) && !(name.ends_with(".pyc") && folder.ends_with("__pycache__")) &&
                   !is_own_mark(prefix_, path)) {
          ++report_.extra_count;
          if (options_.list_extra) report_.extra.push_back(std::move(path));
        }
      }
    }
    std::sort(report_.extra.begin(), report_.extra.end());
  }

  const AppInputs& inputs_;
  const Prefix& prefix_;
  const VerifyOptions& options_;
  VerifyReport report_;
  RecordFolder folder_;
  std::vector<PipPackageFiles> pip_;
  std::unordered_map<std::string, PipOwner> of_pip_;
  Names selected_;
};
}  // namespace

std::string_view problem_name(ProblemKind kind) {
  switch (kind) {
    case ProblemKind::missing: return "missing";
    case ProblemKind::size: return "size";
    case ProblemKind::content: return "content";
    case ProblemKind::type: return "type";
    case ProblemKind::link: return "link";
    case ProblemKind::mode: return "mode";
    case ProblemKind::unreadable: return "unreadable";
    case ProblemKind::outside: return "outside";
    case ProblemKind::folder: return "folder";
    case ProblemKind::parked: return "parked";
    case ProblemKind::replaced_by_pip: return "replaced-by-pip";
    case ProblemKind::record_damaged: return "record-damaged";
    case ProblemKind::record_missing: return "record-missing";
    case ProblemKind::record_twice: return "record-twice";
    case ProblemKind::record_name: return "record-name";
    case ProblemKind::dependency: return "dependency";
    case ProblemKind::constraint: return "constraint";
    case ProblemKind::history: return "history";
    case ProblemKind::pending: return "pending";
    case ProblemKind::unfinished: return "unfinished";
    case ProblemKind::pip_missing: return "pip-missing";
    case ProblemKind::pip_content: return "pip-content";
    case ProblemKind::pip_record: return "pip-record";
  }
  return "";
}

VerifyReport verify_environment(const AppInputs& inputs, const Prefix& prefix, const VerifyOptions& options) {
  return Verifier(inputs, prefix, options).run();
}

}  // namespace envtool
