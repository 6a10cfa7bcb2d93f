#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/prefix/prefix.hpp"
#include "envtool/records/package_record.hpp"

namespace envtool {

/// One action block of `conda-meta/history` (CEP 32).
struct HistoryEntry {
  /// `YYYY-MM-DD HH:MM:SS`
  std::string time;
  /// The command line; credentials in URLs are taken out when it is written.
  std::vector<std::string> command;
  /// `envtool`, `conda`, ... and its version.
  std::string tool = "envtool";
  std::string tool_version;
  /// `channel/subdir::name-version-build`
  std::vector<std::string> linked;
  std::vector<std::string> unlinked;
  /// Lines that are neither (old files list the whole state).
  std::vector<std::string> state;
  std::vector<std::string> update_specs;
  std::vector<std::string> remove_specs;
  std::vector<std::string> neutered_specs;
  /// A remark of envtool's, which other tools pass over.
  std::string note;
};

/// What was done to an environment, oldest first.
class History {
 public:
  /// Reads conda's, mamba's and envtool's files; lines that make no sense are passed over.
  static History parse(std::string_view text);
  /// Empty when the file is missing.
  static History load(const Prefix& prefix);

  const std::vector<HistoryEntry>& entries() const { return entries_; }
  /// What the user asked for and did not take back, by package name: as conda derives it (update
  /// specs put in, remove specs take out, neutered specs replace). Not limited to what is installed.
  std::map<std::string, std::string> requested_specs() const;
  /// The packages after the revision (an index into `entries()`), as `channel/subdir::dist`, sorted.
  std::vector<std::string> state_at(std::size_t revision) const;

 private:
  std::vector<HistoryEntry> entries_;
};

/// How the note of a block begins that says where the environment was moved or copied from.
inline constexpr std::string_view moved_note = "moved from ", copied_note = "copied from ";
/// True for a revision that only says so: the packages were the same before.
bool only_changes_place(const History& history, std::size_t revision);

/// The note of a block that no package came or went with and that says nothing else.
inline constexpr std::string_view no_package_note = "no package was changed";

/// The block as text, with a final newline.
std::string render(const HistoryEntry& entry);

/// `channel/subdir::name-version-build`; channels of the public server by their short name.
std::string history_line(const RepoDataRecord& record);
/// `name-version-build` of such a line, also where it ends in an archive's extension.
std::string_view dist_of_history_line(std::string_view line);

}  // namespace envtool
