#pragma once

#include <deque>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "envtool/app/verify.hpp"
#include "record_folder.hpp"

namespace envtool::detail {

/// A file that a Python package of pip's says is its own, for telling it from conda's.
struct PipOwner {
  /// `name==version`
  std::string package;
  /// As CEP 26 names compare.
  std::string name;
};

/// Compares the files of an environment with what its records say.
class FileVerifier {
 public:
  FileVerifier(const AppInputs& inputs, const Prefix& prefix, const RecordFolder& folder, VerifyReport& report)
      : inputs_(inputs), prefix_(prefix), folder_(folder), report_(report) {}
  /// `selected`: names of the packages to look at; `of_pip`: paths that pip's packages have now.
  void run(const std::set<std::string, std::less<>>& selected, const std::unordered_map<std::string, PipOwner>& of_pip, bool quick);
  /// Every path that any record claims.
  bool is_claimed(std::string_view path) const { return claims_.contains(path); }

 private:
  struct Claim {
    const PrefixRecord* record = nullptr;
    const PathEntry* entry = nullptr;
  };
  struct Verdict;

  void collect_claims();
  void ask(const std::set<std::string, std::less<>>& selected);
  void look_at_folders();
  void judge(std::size_t question, const std::vector<Claim>& claims);
  Verdict check(const Claim& claim, const FileFacts& facts, const std::string& path) const;
  Verdict check_file(const Claim& claim, const FileFacts& facts, const std::string& path) const;
  bool is_stale(const FileFacts& facts, const std::string& path) const;
  void check_parked();
  void compare_with_cache();
  void add(ProblemKind kind, const PrefixRecord& record, const std::string& path, std::string expected, std::string found,
           unsigned mode_set = 0, unsigned mode_clear = 0);
  bool was_taken_by_pip(const Problem& problem, const PrefixRecord& record) const;

  const AppInputs& inputs_;
  const Prefix& prefix_;
  const RecordFolder& folder_;
  VerifyReport& report_;
  const std::unordered_map<std::string, PipOwner>* of_pip_ = nullptr;
  bool quick_ = false;
  bool writable_by_all_ = false;

  std::unordered_map<std::string_view, std::vector<Claim>> claims_;
  /// For names that only a record's `files` has.
  std::deque<PathEntry> bare_;
  std::vector<FileQuestion> questions_;
  std::vector<const std::vector<Claim>*> claims_of_question_;
  std::unordered_map<std::string_view, std::size_t> question_of_;
  std::vector<FileFacts> facts_;
  /// Folders that are symlinks although no package says so.
  std::set<std::string, std::less<>> linked_folders_;
  /// Losers of conflicts, whose files are parked.
  std::vector<Claim> lost_;
  /// What only the package's own files can tell: the claim and what was found.
  std::vector<std::pair<Claim, std::size_t>> unknown_;
};

/// A name of a Python package as names compare: lower case, runs of `-_.` one `-`.
std::string normalized_name(std::string_view name);

}  // namespace envtool::detail
