#pragma once

#include <functional>
#include <map>
#include <set>
#include <stop_token>
#include <string>
#include <vector>

#include "envtool/install/installer.hpp"
#include "final_tree.hpp"
#include "journal.hpp"
#include "metadata.hpp"
#include "prefix_root.hpp"

namespace envtool::detail {

/// Stages a change to an existing prefix in `tx/` and turns the plan, and what is found on disk,
/// into a journal. Nothing outside `conda-meta/.envtool/tx` is touched.
class ChangeBuilder {
 public:
  ChangeBuilder(const Prefix& prefix, const LinkPlan& plan, const EnvironmentChange& change, const InstallOptions& options,
                std::stop_token stop);

  /// The staged change, ready to be committed.
  Journal build();
  std::size_t compiled() const { return compiled_count_; }

 private:
  using Step = JournalStep;

  std::uint32_t next_slot();
  std::string slot_path(std::uint32_t slot) const;
  void stage_files();
  void stage_unparked();
  void compile();
  void stage_metadata();
  void check_metadata_folder(const std::string& path);
  void remove_metadata(const std::string& path);
  bool is_below_going(std::string_view path) const;
  void look_at_targets();
  void look_at_removals();
  std::string present_place(const std::string& path);
  bool is_replaced_behind_link(const OwnedPath& owned);
  void replace_behind_link(const std::string& path, const std::string& removed);
  std::set<std::string, std::less<>> needed_folders() const;
  void add_byte_code(const std::string& folder, const std::set<std::string>& stems);
  void settle_old_files();
  bool is_changed(const OwnedPath& owned, const Found& found, const std::optional<std::string>& digest) const;
  bool needs_digest(const OwnedPath& owned, const Found& found) const;
  std::int64_t record_time(const std::string& dist);
  void arrange(Journal& journal);

  const Prefix& prefix_;
  const LinkPlan& plan_;
  const EnvironmentChange& change_;
  const InstallOptions& options_;
  std::stop_token stop_;
  InstallReporter& reporter_;
  PrefixRoot root_;
  /// The environment as it is.
  FinalTree present_tree_{root_};
  std::string id_;
  std::uint32_t slots_ = 0;
  /// The folder of slots that was made last.
  std::string slot_folder_;
  std::vector<StagedFile> staged_;
  /// Of parked files that get their paths back.
  std::map<std::string, Sha256> regained_;
  std::vector<char> compiled_;
  std::size_t compiled_count_ = 0;

  std::vector<Step> places_;
  std::vector<Step> byte_code_;
  std::vector<Step> removals_;
  std::vector<Step> metadata_;
  std::vector<Step> removed_records_;
  /// Paths that get a new file.
  std::set<std::string, std::less<>> targets_;
  /// Paths that packages own and that go, and folders above them.
  std::set<std::string, std::less<>> going_;
  std::set<std::string, std::less<>> going_folders_;

  std::set<std::string, std::less<>> replaced_behind_links_;

  /// An old file whose content decides what becomes of it.
  struct Question {
    Step* step = nullptr;
    /// Set for owned files; otherwise the new content's digest or link text decides.
    const OwnedPath* owned = nullptr;
    std::optional<std::string> new_content;
    /// Where it is now when that is not at the step's path.
    std::string elsewhere = {};
    const std::string& present_path() const { return elsewhere.empty() ? step->path : elsewhere; }
  };
  std::vector<Question> questions_;
  std::map<std::string, std::int64_t> record_times_;
};

}  // namespace envtool::detail
