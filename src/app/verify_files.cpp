#include "verify_files.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/files.hpp"
#include "envtool/records/record_json.hpp"
#include "envtool/transaction/link_plan.hpp"

namespace envtool::detail {

namespace {
using Type = FileFacts::Type;
using Wanted = FileQuestion::Wanted;
constexpr unsigned all_executable = S_IXUSR | S_IXGRP | S_IXOTH;
constexpr std::uint64_t metadata_limit = std::uint64_t{512} << 20;

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

/// The environment's own: records, history. No package has files there.
bool is_protected(std::string_view path) { return path == "conda-meta" || path.starts_with("conda-meta/"); }

bool is_script(PathType type) {
  return type == PathType::unix_python_entry_point || type == PathType::windows_python_entry_point_script ||
         type == PathType::windows_python_entry_point_exe;
}

std::string describe(const FileFacts& facts) {
  switch (facts.type) {
    case Type::missing: return "nothing";
    case Type::file: return "a file";
    case Type::link: return "a symlink to `" + facts.text + "`";
    case Type::folder: return "a folder";
    case Type::other: return "a device, pipe or socket";
    case Type::outside: return "a way out of the environment";
  }
  return {};
}

std::string octal(unsigned mode) {
  std::string text;
  for (int shift = 9; shift >= 0; shift -= 3) text += static_cast<char>('0' + ((mode >> static_cast<unsigned>(shift)) & 7U));
  return text;
}

std::optional<Sha256> expected_digest(const PathEntry& entry) {
  if (entry.path_type != PathType::hardlink && !is_script(entry.path_type)) return std::nullopt;
  if (entry.sha256_in_prefix) return entry.sha256_in_prefix;
  return entry.prefix_placeholder.empty() && entry.path_type == PathType::hardlink ? entry.sha256 : std::nullopt;
}

/// The size in the environment, where it is that of the package's file.
std::optional<std::uint64_t> expected_size(const PathEntry& entry) {
  if (entry.path_type != PathType::hardlink || !entry.prefix_placeholder.empty()) return std::nullopt;
  if (entry.sha256 && entry.sha256_in_prefix && *entry.sha256 != *entry.sha256_in_prefix) return std::nullopt;
  return entry.size_in_bytes;
}

bool is_byte_code(std::string_view path) { return path.ends_with(".pyc"); }

/// `x/__pycache__/m.cpython-312.pyc` is made from `x/m.py`; empty for byte code elsewhere.
std::string source_of(std::string_view path) {
  constexpr std::string_view cache = "__pycache__/";
  const std::size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view folder = path.substr(0, slash + 1);
  if (!folder.ends_with(cache)) return {};
  const std::string_view name = path.substr(slash + 1);
  return std::string(folder.substr(0, folder.size() - cache.size())) + std::string(name.substr(0, name.find('.'))) + ".py";
}

std::uint32_t little_endian(std::string_view bytes, std::size_t at) {
  std::uint32_t value = 0;
  for (std::size_t k = 4; k-- > 0;) value = value << 8U | static_cast<unsigned char>(bytes[at + k]);
  return value;
}

/// Where scripts lie, which are of no use when they cannot be run.
bool is_program_place(std::string_view path) {
  return path.starts_with("bin/") || path.starts_with("sbin/") || path.starts_with("libexec/");
}

/// The unpacked package of a record in one of the caches, or empty.
std::string cached_folder(const std::vector<std::string>& pkgs_dirs, const PrefixRecord& record) {
  std::vector<std::string> names{record.dist()};
  if (record.sha256) names.push_back(record.dist() + "~" + record.sha256->hex().substr(0, 12));
  for (const std::string& directory : pkgs_dirs)
    for (const std::string& name : names) {
      const std::string folder = directory + "/" + name, file = folder + "/info/repodata_record.json";
      try {
        const auto text = read_file_if_exists(file, metadata_limit);
        if (!text) continue;
        const RepoDataRecord there = parse_repodata_record(*text, file);
        const bool same = record.sha256 && there.sha256 ? *record.sha256 == *there.sha256 : record.md5 && there.md5 && *record.md5 == *there.md5;
        if (same && there.dist() == record.dist()) return folder;
      } catch (const Error&) {
        // A damaged package of the cache is none.
      }
    }
  return {};
}
}  // namespace

std::string normalized_name(std::string_view name) {
  std::string result;
  for (char c : to_lower(name)) {
    const bool separator = c == '-' || c == '_' || c == '.';
    if (!separator) result += c;
    else if (!result.ends_with('-')) result += '-';
  }
  return result;
}

struct FileVerifier::Verdict {
  bool ok = true;
  ProblemKind kind = ProblemKind::missing;
  std::string expected, found;
  unsigned mode_set = 0, mode_clear = 0;
  bool missing_byte_code = false, stale_byte_code = false;
  /// Only the package itself can tell more.
  bool unknown = false;

  static Verdict bad(ProblemKind kind, std::string expected, std::string found) {
    Verdict verdict;
    verdict.ok = false;
    verdict.kind = kind;
    verdict.expected = std::move(expected);
    verdict.found = std::move(found);
    return verdict;
  }
  static Verdict bad_mode(std::string expected, unsigned found, unsigned set, unsigned clear) {
    Verdict verdict = bad(ProblemKind::mode, std::move(expected), octal(found));
    verdict.mode_set = set;
    verdict.mode_clear = clear;
    return verdict;
  }
};

void FileVerifier::collect_claims() {
  for (const PrefixRecord& record : folder_.records) {
    const auto claim = [&](const PathEntry& entry) {
      if (entry.path_type == PathType::linked_package_record || is_protected(entry.path)) return;
      claims_[entry.path].push_back({&record, &entry});
    };
    for (const PathEntry& entry : record.paths) claim(entry);
    for (const std::string& file : record.files) {
      const auto known = claims_.find(file);
      const bool listed = known != claims_.end() && std::any_of(known->second.begin(), known->second.end(),
                                                                [&](const Claim& other) { return other.record == &record; });
      if (listed) continue;
      bare_.emplace_back().path = file;
      claim(bare_.back());
    }
  }
}

void FileVerifier::ask(const std::set<std::string, std::less<>>& selected) {
  for (const auto& [path, claims] : claims_) {
    if (std::none_of(claims.begin(), claims.end(), [&](const Claim& claim) { return selected.contains(claim.record->name); })) continue;
    FileQuestion question;
    question.path = path;
    for (const Claim& claim : claims) {
      if (is_byte_code(path) && question.wanted == Wanted::status) question.wanted = Wanted::head;
      if (!quick_ && expected_digest(*claim.entry)) question.wanted = Wanted::content;
    }
    if (claims.size() == 1) question.size = expected_size(*claims.front().entry);
    questions_.push_back(std::move(question));
  }
  // Neighbours together, and the same order every time.
  std::sort(questions_.begin(), questions_.end(), [](const FileQuestion& a, const FileQuestion& b) { return a.path < b.path; });
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    question_of_.emplace(questions_[i].path, i);
    claims_of_question_.push_back(&claims_.at(questions_[i].path));
  }
  facts_ = look_at_files(prefix_.path(), questions_, inputs_.stop, &report_.bytes);
}

void FileVerifier::look_at_folders() {
  std::map<std::string, const PrefixRecord*, std::less<>> folders;
  for (std::size_t i = 0; i < questions_.size(); ++i)
    for (std::string_view folder = parent_of(questions_[i].path); !folder.empty(); folder = parent_of(folder))
      if (!folders.emplace(folder, claims_of_question_[i]->front().record).second) break;
  std::vector<FileQuestion> questions;
  for (const auto& [folder, record] : folders) questions.push_back({folder, Wanted::status, std::nullopt});
  const std::vector<FileFacts> facts = look_at_files(prefix_.path(), questions, inputs_.stop);
  for (std::size_t i = 0; i < questions.size(); ++i) {
    if (facts[i].type != Type::link) continue;
    const auto claimed = claims_.find(questions[i].path);
    if (claimed != claims_.end() && std::any_of(claimed->second.begin(), claimed->second.end(), [](const Claim& claim) {
          return claim.entry->path_type == PathType::softlink;
        }))
      continue;
    linked_folders_.insert(questions[i].path);
    add(ProblemKind::folder, *folders.at(questions[i].path), questions[i].path, "a folder", describe(facts[i]));
  }
}

bool FileVerifier::is_stale(const FileFacts& facts, const std::string& path) const {
  const auto source = question_of_.find(source_of(path));
  if (source == question_of_.end() || facts_[source->second].type != Type::file) return false;
  if (facts.text.size() < 16) return true;
  if (little_endian(facts.text, 4) != 0) return false;  // checked by content, or not at all (PEP 552)
  const FileFacts& code = facts_[source->second];
  return little_endian(facts.text, 8) != static_cast<std::uint32_t>(code.modified) ||
         little_endian(facts.text, 12) != static_cast<std::uint32_t>(code.size);
}

FileVerifier::Verdict FileVerifier::check(const Claim& claim, const FileFacts& facts, const std::string& path) const {
  const PathEntry& entry = *claim.entry;
  Verdict verdict;
  if (facts.type == Type::outside) return Verdict::bad(ProblemKind::outside, "a place in the environment", describe(facts));
  if (facts.type == Type::missing && !facts.problem.empty()) return Verdict::bad(ProblemKind::unreadable, "", facts.problem);
  if (entry.path_type == PathType::pyc_file) {
    if (facts.type == Type::missing) verdict.missing_byte_code = true;
    else if (facts.type != Type::file) return Verdict::bad(ProblemKind::type, "a file", describe(facts));
    else verdict.stale_byte_code = is_stale(facts, path);
    return verdict;
  }
  if (entry.path_type == PathType::directory) {
    if (facts.type == Type::folder) return verdict;
    return Verdict::bad(facts.type == Type::missing ? ProblemKind::missing : ProblemKind::type, "a folder", describe(facts));
  }
  if (entry.path_type != PathType::softlink) return check_file(claim, facts, path);
  if (facts.type == Type::missing) return Verdict::bad(ProblemKind::missing, "a symlink", describe(facts));
  if (facts.type != Type::link) return Verdict::bad(ProblemKind::type, "a symlink", describe(facts));
  if (claim.record->placed)
    if (const auto link = claim.record->placed->links.find(path); link != claim.record->placed->links.end()) {
      if (link->second != facts.text) return Verdict::bad(ProblemKind::link, "a symlink to `" + link->second + "`", describe(facts));
      return verdict;
    }
  verdict.unknown = true;
  return verdict;
}

FileVerifier::Verdict FileVerifier::check_file(const Claim& claim, const FileFacts& facts, const std::string& path) const {
  const PathEntry& entry = *claim.entry;
  Verdict verdict;
  if (facts.type == Type::missing) return Verdict::bad(ProblemKind::missing, "a file", describe(facts));
  // Other tools can link environments by symlinks into their caches; what those hold is the caches' matter.
  if (facts.type == Type::link && claim.record->link_type == LinkType::softlink) return verdict;
  const bool is_bare = !entry.sha256 && !entry.sha256_in_prefix && !entry.size_in_bytes;
  if (facts.type == Type::link && is_bare && !claim.record->placed) return verdict;  // very old records know no types
  if (facts.type != Type::file) return Verdict::bad(ProblemKind::type, "a file", describe(facts));

  const auto digest = expected_digest(entry);
  const auto size = expected_size(entry);
  // Python writes byte code anew as it needs to.
  if (is_byte_code(path) && ((size && *size != facts.size) || (digest && facts.digest && *digest != *facts.digest))) {
    verdict.stale_byte_code = is_stale(facts, path);
    return verdict;
  }
  if (size && *size != facts.size)
    return Verdict::bad(ProblemKind::size, std::to_string(*size) + " bytes", std::to_string(facts.size) + " bytes");
  if (digest && facts.digest && *digest != *facts.digest) return Verdict::bad(ProblemKind::content, digest->hex(), facts.digest->hex());
  if ((facts.mode & S_IRUSR) == 0) return Verdict::bad_mode("readable", facts.mode, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH, 0);
  if (digest && !quick_ && !facts.digest) return Verdict::bad(ProblemKind::unreadable, digest->hex(), facts.problem);
  if ((facts.mode & (S_ISUID | S_ISGID)) != 0) return Verdict::bad_mode("no setuid and setgid", facts.mode, 0, S_ISUID | S_ISGID);
  if ((facts.mode & S_IWOTH) != 0 && !writable_by_all_) return Verdict::bad_mode("not writable by everybody", facts.mode, 0, S_IWGRP | S_IWOTH);
  if ((facts.mode & S_IXUSR) != 0) return verdict;
  const bool executable = is_script(entry.path_type) ||
                          (claim.record->placed && std::binary_search(claim.record->placed->executables.begin(),
                                                                      claim.record->placed->executables.end(), path));
  if (executable) return Verdict::bad_mode("executable", facts.mode, all_executable, 0);
  verdict.unknown = !claim.record->placed && is_program_place(path);
  return verdict;
}

void FileVerifier::judge(std::size_t question, const std::vector<Claim>& claims) {
  const std::string& path = questions_[question].path;
  const FileFacts& facts = facts_[question];
  const bool known = std::any_of(claims.begin(), claims.end(), [](const Claim& claim) { return claim.entry->sha256_in_prefix.has_value(); });
  const Claim* blamed = nullptr;
  Verdict worst;
  for (const Claim& claim : claims) {
    const PathEntry& entry = *claim.entry;
    // Such a record says nothing of what is at the path: another package has it.
    if (claims.size() > 1 && known && !entry.sha256_in_prefix && entry.sha256 &&
        (entry.path_type == PathType::hardlink || is_script(entry.path_type))) {
      if (claim.record->placed) lost_.push_back(claim);
      continue;
    }
    Verdict verdict = check(claim, facts, path);
    if (verdict.ok) {
      report_.byte_code_missing += verdict.missing_byte_code ? 1 : 0;
      report_.byte_code_stale += verdict.stale_byte_code ? 1 : 0;
      if (verdict.unknown) unknown_.emplace_back(claim, question);
      return;
    }
    if (blamed == nullptr || (!blamed->entry->sha256_in_prefix && entry.sha256_in_prefix)) {
      blamed = &claim;
      worst = std::move(verdict);
    }
  }
  if (blamed == nullptr) return;
  if (worst.kind == ProblemKind::outside)
    for (std::string_view folder = parent_of(path); !folder.empty(); folder = parent_of(folder))
      if (linked_folders_.contains(folder)) return;  // said for the folder
  add(worst.kind, *blamed->record, path, std::move(worst.expected), std::move(worst.found), worst.mode_set, worst.mode_clear);
}

void FileVerifier::check_parked() {
  std::vector<FileQuestion> questions;
  for (const Claim& claim : lost_) {
    const bool comparable = claim.entry->sha256 && (claim.entry->prefix_placeholder.empty() || is_script(claim.entry->path_type));
    questions.push_back({parking_place(*claim.entry, *claim.record), comparable && !quick_ ? Wanted::content : Wanted::status, std::nullopt});
  }
  const std::vector<FileFacts> facts = look_at_files(prefix_.path(), questions, inputs_.stop, &report_.bytes);
  for (std::size_t i = 0; i < lost_.size(); ++i) {
    const PathEntry& entry = *lost_[i].entry;
    if (facts[i].type != Type::file)
      add(ProblemKind::parked, *lost_[i].record, entry.path, "a file kept as `" + questions[i].path + "`", describe(facts[i]));
    else if (facts[i].digest && *facts[i].digest != *entry.sha256)
      add(ProblemKind::parked, *lost_[i].record, entry.path, entry.sha256->hex(), facts[i].digest->hex());
  }
}

/// Records of other tools know neither modes nor where symlinks lead; the unpacked packages do.
void FileVerifier::compare_with_cache() {
  std::map<const PrefixRecord*, std::vector<std::pair<const PathEntry*, std::size_t>>> by_record;
  for (const auto& [claim, question] : unknown_) by_record[claim.record].emplace_back(claim.entry, question);
  std::optional<PythonLayout> python;
  try {
    python = find_python_layout(folder_.records);
  } catch (const Error&) {
    // A `python` that is none: nothing of other packages can be found by it.
  }
  std::size_t unchecked = 0;
  for (const auto& [record, items] : by_record) {
    const std::string folder = cached_folder(inputs_.settings.pkgs_dirs, *record);
    std::unordered_map<std::string, std::string> sources;
    bool readable = !folder.empty();
    if (readable && record->noarch == NoarchType::python) {
      const std::string file = folder + "/info/paths.json";
      try {
        for (const PathEntry& entry : parse_paths_json(read_file(file, metadata_limit), file).paths)
          if (auto target = noarch_python_target(entry.path, python ? &*python : nullptr)) sources.emplace(std::move(*target), entry.path);
      } catch (const Error&) {
        readable = false;
      }
    }
    std::vector<FileQuestion> questions;
    for (const auto& [entry, question] : items) {
      const auto source = sources.find(entry->path);
      questions.push_back({source == sources.end() ? entry->path : source->second, Wanted::status, std::nullopt});
    }
    std::vector<FileFacts> there(questions.size());
    try {
      if (readable) there = look_at_files(folder, questions, inputs_.stop);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
    }
    for (std::size_t i = 0; i < items.size(); ++i) {
      const auto& [entry, question] = items[i];
      const FileFacts& here = facts_[question];
      if (here.type == Type::link && there[i].type == Type::link) {
        if (here.text != there[i].text) add(ProblemKind::link, *record, entry->path, "a symlink to `" + there[i].text + "`", describe(here));
      } else if (here.type == Type::file && there[i].type == Type::file) {
        if ((there[i].mode & S_IXUSR) != 0) add(ProblemKind::mode, *record, entry->path, "executable", octal(here.mode), all_executable, 0);
      } else if (here.type == Type::link) {
        ++unchecked;
      }
    }
  }
  if (unchecked != 0)
    report_.notes.push_back("where " + with_thousands(unchecked) + (unchecked == 1 ? " symlink leads" : " symlinks lead") +
                            " could not be compared: the records do not say it, and no package cache has the packages");
}

bool FileVerifier::was_taken_by_pip(const Problem& problem, const PrefixRecord& record) const {
  switch (problem.kind) {
    case ProblemKind::missing:
    case ProblemKind::size:
    case ProblemKind::content:
    case ProblemKind::type:
    case ProblemKind::mode: break;
    default: return false;
  }
  if (of_pip_->contains(problem.path)) return true;
  // What the newer version no longer has.
  if (problem.kind != ProblemKind::missing || problem.path.find("site-packages/") == std::string::npos) return false;
  const std::string name = normalized_name(record.name);
  return std::any_of(of_pip_->begin(), of_pip_->end(), [&](const auto& item) { return item.second.name == name; });
}

void FileVerifier::add(ProblemKind kind, const PrefixRecord& record, const std::string& path, std::string expected, std::string found,
                       unsigned mode_set, unsigned mode_clear) {
  Problem problem{record.dist(), path, kind, std::move(expected), std::move(found), mode_set, mode_clear};
  if (was_taken_by_pip(problem, record)) {
    const auto owner = of_pip_->find(path);
    problem.kind = ProblemKind::replaced_by_pip;
    problem.found = owner == of_pip_->end() ? "removed by pip" : "the file of " + owner->second.package;
  }
  report_.problems.push_back(std::move(problem));
}

void FileVerifier::run(const std::set<std::string, std::less<>>& selected, const std::unordered_map<std::string, PipOwner>& of_pip, bool quick) {
  of_pip_ = &of_pip;
  quick_ = quick;
  struct stat status{};
  writable_by_all_ = stat(prefix_.path().c_str(), &status) == 0 && (status.st_mode & S_IWOTH) != 0;
  collect_claims();
  ask(selected);
  look_at_folders();
  for (std::size_t i = 0; i < questions_.size(); ++i) judge(i, *claims_of_question_[i]);
  report_.files = questions_.size();
  check_parked();
  compare_with_cache();
}

}  // namespace envtool::detail
