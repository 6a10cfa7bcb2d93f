#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "envtool/prefix/history.hpp"
#include "envtool/prefix/prefix.hpp"
#include "envtool/records/package_record.hpp"

namespace envtool {

/// A Python package that no conda package brought, as a revision remembers it.
struct PipDistribution {
  std::string name;
  std::string version;
  /// Its `*.dist-info` (or `*.egg-info`), relative to the prefix.
  std::string folder;
  /// SHA-256 in hex of its `RECORD`, which has the digests of its files; empty when it has none.
  std::string record_digest;
  /// The bundle of the package cache that it can be put back from; empty: nothing was kept.
  std::string bundle;
  /// Where it was installed from when that was no index (PEP 610), without credentials.
  std::string direct_url;
  /// Who says to have installed it (`pip`, `uv`, ...).
  std::string installer;
  bool editable = false;
  /// It was asked for by name (PEP 376 `REQUESTED`).
  bool requested = false;
};

/// The same files, as far as the distribution's own manifest tells.
bool same_distribution(const PipDistribution& a, const PipDistribution& b);

/// Everything that a revision brings back.
struct EnvironmentState {
  /// Sorted by name.
  std::vector<RepoDataRecord> packages;
  /// What the user asked for, by package name.
  std::map<std::string, std::vector<std::string>> requested;
  /// The text of `conda-meta/pinned`; nothing when there is no such file.
  std::optional<std::string> pinned;
  /// `conda-meta/state`; nothing when there is no such file.
  std::optional<EnvironmentVariables> variables;
  /// Sorted by name.
  std::vector<PipDistribution> pip;
};

/// The revisions of an environment. A revision is a block of `conda-meta/history`, and its number the block's
/// place there, as with conda; what the history cannot say is in `conda-meta/.envtool/revisions/<number>.json`.
/// Package records are stored once, under the digest of their text. Revisions that other tools made have no such
/// file; one that does not belong to its block counts as none.
class RevisionStore {
 public:
  /// Of an environment that is yet to be made.
  RevisionStore();
  /// Reads history and revision files. Damaged ones are kept as such (`problem`). Throws `Error` for a file
  /// that cannot be read at all.
  static RevisionStore load(const Prefix& prefix);

  const History& history() const;
  std::size_t size() const { return history().entries().size(); }
  /// True when envtool wrote down the whole state of that revision.
  bool is_recorded(std::size_t number) const;
  /// Why the file of that revision cannot be used; empty when it can, or when there is none.
  std::string problem(std::size_t number) const;
  /// Throws `Error` (corrupt) for a revision that is not recorded, or whose records are damaged.
  EnvironmentState state(std::size_t number) const;
  /// Everything of a recorded revision but the packages.
  const EnvironmentState& surroundings(std::size_t number) const;
  const std::vector<PipDistribution>& pip(std::size_t number) const { return surroundings(number).pip; }

 private:
  friend struct RevisionWriter;
  struct Data;
  std::shared_ptr<const Data> data_;
};

/// What a change writes so that it can be undone.
struct RevisionFiles {
  /// The whole new text of `conda-meta/history`; nothing when it stays.
  std::optional<std::string> history;
  /// Paths relative to the prefix, and contents.
  std::vector<std::pair<std::string, std::string>> files;
};

/// A new revision. `entry` has everything but `time` (set when empty), `linked` and `unlinked` are those of this
/// change; `history_text` is the history as it is. `found` is the environment as it was before the change: what
/// another tool changed since the last revision becomes one of its own, and a revision that another tool made gets
/// its file. `state` is the environment after the change; without it only the history is written.
RevisionFiles add_revision(const RevisionStore& store, const std::string& history_text, HistoryEntry entry,
                           const EnvironmentState* found, const EnvironmentState* state);

/// The last revision with another state: for what comes after the packages (pip).
RevisionFiles amend_revision(const RevisionStore& store, const EnvironmentState& state);

/// Where the file of a revision is, relative to the prefix.
std::string revision_file(std::size_t number);

}  // namespace envtool
