#include "change_builder.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "check_final_tree.hpp"
#include "compile_python.hpp"
#include "leftovers.hpp"
#include "envtool/base/error.hpp"
#include "final_tree.hpp"
#include "parallel.hpp"
#include "system_call.hpp"

namespace envtool::detail {

namespace {
/// Above this size an old file is read only when its time says that it was changed.
constexpr std::uint64_t always_read = 1U << 20U;

std::string_view parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view() : path.substr(0, slash);
}

bool is_byte_code(std::string_view path) { return path.ends_with(".pyc"); }

Found look_at(const std::string& path) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) fail_errno("cannot look at a staged file", path, errno);
  return to_found(status);
}
}  // namespace

ChangeBuilder::ChangeBuilder(const Prefix& prefix, const LinkPlan& plan, const EnvironmentChange& change,
                             const InstallOptions& options, std::stop_token stop)
    : prefix_(prefix), plan_(plan), change_(change), options_(options), stop_(std::move(stop)),
      reporter_(reporter_of(options)), root_(prefix.path()), id_(random_name(4)) {}

Journal ChangeBuilder::build() {
  make_directories(prefix_.transaction_directory() + "/new");
  stage_point("apply.begin", prefix_.path());
  check_space(plan_, prefix_.path());
  stage_files();
  stage_point("apply.staged", prefix_.path());
  stage_unparked();
  look_at_targets();
  compile();
  look_at_removals();
  for (const auto& [path, removed] : check_final_tree({prefix_, root_, plan_, places_, byte_code_, removals_, needed_folders()}))
    replace_behind_link(path, removed);
  settle_old_files();
  stage_metadata();
  Journal journal;
  journal.id = id_;
  journal.prefix = prefix_.path();
  journal.folder = look_at(prefix_.transaction_directory()).inode;
  arrange(journal);
  return journal;
}

std::uint32_t ChangeBuilder::next_slot() {
  const std::string folder = prefix_.state_directory() + "/" + std::string(parent_of(new_slot(slots_)));
  if (folder != slot_folder_) {
    if (system_call("install.mkdir", [&] { return mkdir(folder.c_str(), 0777); }) != 0)
      fail_errno("cannot create a folder", folder, errno);
    slot_folder_ = folder;
  }
  return slots_++;
}

std::string ChangeBuilder::slot_path(std::uint32_t slot) const { return prefix_.state_directory() + "/" + new_slot(slot); }

void ChangeBuilder::stage_files() {
  staged_.resize(plan_.files.size());
  std::vector<std::uint32_t> slots;
  std::vector<FileRecipe> recipes(plan_.files.size());
  for (std::size_t i = 0; i < plan_.files.size(); ++i) slots.push_back(next_slot());
  std::vector<Found> found(plan_.files.size());
  std::vector<std::string> contents(plan_.files.size());
  reporter_.on_stage_start(plan_.files.size());
  parallel_for(
      plan_.files.size(), thread_count(options_.threads, plan_.files.size()), stop_,
      [&](std::size_t i, unsigned) {
        recipes[i] = file_recipe(plan_, plan_.files[i]);
        const std::string slot = slot_path(slots[i]);
        staged_[i] = stage_file(recipes[i], plan_.prefix, slot, options_.link);
        found[i] = look_at(slot);
        if (staged_[i].is_link)
          contents[i] = staged_[i].link_text;
        else if (staged_[i].digest)
          contents[i] = staged_[i].digest->hex();
      },
      [&](std::size_t done) { reporter_.on_stage_progress(done, plan_.files.size()); });
  reporter_.on_stage_progress(plan_.files.size(), plan_.files.size());

  for (std::size_t i = 0; i < plan_.files.size(); ++i) {
    Step step;
    step.path = plan_.files[i].target;
    step.slot = slots[i];
    step.after = found[i];
    step.content = contents[i];
    step.recipe = std::move(recipes[i]);
    // The script's text is not kept in the journal.
    if (step.recipe.kind == FileAction::Kind::entry_point) step.recipe = {};
    places_.push_back(std::move(step));
  }
}

void ChangeBuilder::stage_unparked() {
  for (const ParkAction& action : plan_.unparks) {
    const Found parked = root_.look(action.parking_place);
    if (!parked) {
      reporter_.on_warning("the parked file for `" + action.file.path + "` is gone; reinstall `" + action.file.owner + "`");
      continue;
    }
    Step step;
    step.path = action.file.path;
    step.slot = next_slot();
    link_or_copy(prefix_ / action.parking_place, slot_path(step.slot), {true, true});
    step.after = look_at(slot_path(step.slot));
    const std::string slot = "conda-meta/.envtool/" + new_slot(step.slot);
    step.content = (parked.type == Found::Type::link ? root_.link_text(slot) : root_.file_digest(slot)).value_or("");
    if (const auto digest = Sha256::parse(step.content); digest && parked.type == Found::Type::file)
      regained_.emplace(action.file.path, *digest);
    places_.push_back(std::move(step));
    Step leave;
    leave.kind = Step::Kind::remove;
    leave.old = Step::Old::drop_always;
    leave.path = action.parking_place;
    leave.slot = slots_++;
    removals_.push_back(std::move(leave));
  }
  for (const std::string& place : plan_.forgotten_parked) {
    Step leave;
    leave.kind = Step::Kind::remove;
    leave.old = Step::Old::drop_always;
    leave.path = place;
    leave.slot = slots_++;
    removals_.push_back(std::move(leave));
  }
}

/// With Python unchanged the staged sources are compiled before the commit, so byte code is part of
/// the change; with a new Python it has to wait until that is in place.
void ChangeBuilder::compile() {
  compiled_.assign(plan_.compile.size(), 0);
  if (plan_.compile.empty()) return;
  if (plan_.python_changes) {
    compiled_.assign(plan_.compile.size(), 1);
    return;
  }
  std::map<std::string_view, std::uint32_t> slot_of;
  for (const Step& step : places_) slot_of.emplace(step.path, step.slot);
  std::vector<CompileJob> jobs;
  std::vector<std::uint32_t> slots;
  for (const CompileAction& action : plan_.compile) {
    slots.push_back(next_slot());
    jobs.push_back({slot_path(slot_of.at(action.source)), slot_path(slots.back()), action.source});
  }
  reporter_.on_compile_start(jobs.size());
  compiled_ = compile_python(prefix_ / plan_.python->executable, jobs, options_.compile_time_limit, stop_);
  compiled_count_ = static_cast<std::size_t>(std::count(compiled_.begin(), compiled_.end(), 1));
  reporter_.on_compile_finish(compiled_count_, jobs.size());
  for (std::size_t i = 0; i < jobs.size(); ++i) {
    if (!compiled_[i]) continue;
    Step step;
    step.path = plan_.compile[i].target;
    step.slot = slots[i];
    step.after = look_at(jobs[i].target);
    step.content = root_.file_digest("conda-meta/.envtool/" + new_slot(slots[i])).value_or("");
    step.old = Step::Old::drop_always;
    step.before = root_.look(step.path);
    targets_.insert(step.path);
    byte_code_.push_back(std::move(step));
  }
}

bool ChangeBuilder::is_below_going(std::string_view path) const {
  for (std::string_view above = parent_of(path); !above.empty(); above = parent_of(above))
    if (going_.contains(above)) return true;
  return false;
}

/// What lies where new files go, and what is to become of it.
void ChangeBuilder::look_at_targets() {
  for (const OwnedPath& owned : plan_.removals) {
    going_.insert(owned.path);
    for (std::string_view folder = parent_of(owned.path); !folder.empty(); folder = parent_of(folder))
      if (!going_folders_.emplace(folder).second) break;
  }
  std::map<std::string_view, const ParkAction*> parks;
  for (const ParkAction& action : plan_.parks) parks.emplace(action.file.path, &action);

  for (Step& step : places_) {
    targets_.insert(step.path);
    if (step.path.starts_with(parking_folder)) {
      step.old = Step::Old::drop_always;
      continue;
    }
    // Below a symlink or file that goes there is nothing yet.
    if (is_below_going(step.path)) continue;
    step.before = root_.look(step.path);
    if (!step.before) continue;
    if (const auto park = parks.find(step.path); park != parks.end()) {
      step.old = Step::Old::park;
      step.parking_place = park->second->parking_place;
      questions_.push_back({&step, &park->second->file, std::nullopt});
    } else if (const auto owned = plan_.replaced.find(step.path); owned != plan_.replaced.end()) {
      questions_.push_back({&step, &owned->second, std::nullopt});
    } else if (is_byte_code(step.path)) {
      step.old = Step::Old::drop_always;
    } else if (step.before.type == Found::Type::directory && going_folders_.contains(step.path)) {
      // A folder of packages that go; it is empty by then unless somebody put something there.
      step.old = Step::Old::save;
    } else {
      // Not ours: kept aside, unless it is the very same content.
      step.old = Step::Old::save;
      const Found& after = step.after;
      if (step.before.type == after.type && step.before.size == after.size) {
        const std::string slot = "conda-meta/.envtool/" + new_slot(step.slot);
        const auto content = after.type == Found::Type::link ? root_.link_text(slot) : root_.file_digest(slot);
        if (content) questions_.push_back({&step, nullptr, content});
      }
    }
  }
}

/// Where a path is now, symlinks on the way resolved; the path itself where that is nowhere.
std::string ChangeBuilder::present_place(const std::string& path) {
  const std::string_view folder = parent_of(path);
  if (folder.empty()) return path;
  const FinalTree::Way& way = present_tree_.folder(std::string(folder));
  if (way.end != FinalTree::Way::End::folder) return path;
  return (way.path.empty() ? "" : way.path + "/") + path.substr(folder.size() + 1);
}

/// True when a file that goes lies behind a symlink, at a place that gets a new file under its own name: that
/// replaces it.
bool ChangeBuilder::is_replaced_behind_link(const OwnedPath& owned) {
  const std::string place = present_place(owned.path);
  if (place == owned.path) return false;
  const auto step = std::find_if(places_.begin(), places_.end(), [&](const Step& other) { return other.path == place; });
  if (step == places_.end()) return false;
  step->old = Step::Old::discard;
  questions_.push_back({&*step, &owned, std::nullopt});
  return true;
}

/// The other way round: a new file behind a symlink takes the place of one that goes.
void ChangeBuilder::replace_behind_link(const std::string& path, const std::string& removed) {
  const auto is_at = [](const std::string& wanted) { return [&wanted](const Step& step) { return step.path == wanted; }; };
  const auto place = std::find_if(places_.begin(), places_.end(), is_at(path));
  const auto removal = std::find_if(removals_.begin(), removals_.end(), is_at(removed));
  if (place == places_.end() || removal == removals_.end()) return;
  place->before = removal->before;
  place->old = Step::Old::discard;
  replaced_behind_links_.insert(removed);
  const auto owned = std::find_if(plan_.removals.begin(), plan_.removals.end(), [&](const OwnedPath& other) { return other.path == removed; });
  if (owned != plan_.removals.end()) questions_.push_back({&*place, &*owned, std::nullopt, removed});
}

void ChangeBuilder::look_at_removals() {
  std::map<std::string, std::set<std::string>, std::less<>> modules;
  for (const OwnedPath& owned : plan_.removals) {
    if (owned.entry.path_type == PathType::directory || targets_.contains(owned.path)) continue;
    if (owned.path.ends_with(".py")) {
      const std::string_view folder = parent_of(owned.path);
      std::string stem = owned.path.substr(folder.empty() ? 0 : folder.size() + 1);
      stem.resize(stem.size() - 3);
      modules[std::string(folder)].insert(std::move(stem));
    }
    Step step;
    step.kind = Step::Kind::remove;
    step.path = owned.path;
    try {
      step.before = root_.look(owned.path);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::unsafe) throw;
      reporter_.on_warning("`" + owned.path + "` of `" + owned.owner + "` lies behind a symlink out of the environment; it is left alone");
      continue;
    }
    if (!step.before || is_replaced_behind_link(owned)) continue;
    step.slot = slots_++;
    if (is_byte_code(owned.path) || owned.entry.path_type == PathType::pyc_file) step.old = Step::Old::drop_always;
    removals_.push_back(std::move(step));
  }
  for (const auto& [folder, stems] : modules) add_byte_code(folder, stems);
  // Pointers into the vector only now that it does not grow any more.
  for (Step& step : removals_) {
    if (step.old == Step::Old::drop_always) continue;
    const auto owned = std::lower_bound(plan_.removals.begin(), plan_.removals.end(), step.path,
                                        [](const OwnedPath& a, const std::string& path) { return a.path < path; });
    questions_.push_back({&step, &*owned, std::nullopt});
  }
}

/// Byte code that Python wrote for modules that go belongs to nobody and goes with them.
void ChangeBuilder::add_byte_code(const std::string& folder, const std::set<std::string>& stems) {
  const std::string cache = (folder.empty() ? "" : folder + "/") + "__pycache__";
  if (root_.look(cache).type != Found::Type::directory) return;
  for (const std::string& name : list_directory(prefix_ / cache)) {
    // `module.cpython-312.pyc`, `module.cpython-312.opt-1.pyc`; the tag has no dot.
    if (!name.ends_with(".pyc")) continue;
    std::string_view rest = std::string_view(name).substr(0, name.size() - 4);
    std::size_t dot = rest.rfind('.');
    if (dot != std::string_view::npos && rest.substr(dot).starts_with(".opt-")) {
      rest = rest.substr(0, dot);
      dot = rest.rfind('.');
    }
    if (dot == std::string_view::npos || !stems.contains(std::string(rest.substr(0, dot)))) continue;
    const std::string path = cache + "/" + name;
    if (targets_.contains(path) || going_.contains(path)) continue;
    Step step;
    step.kind = Step::Kind::remove;
    step.old = Step::Old::drop_always;
    step.path = path;
    step.before = root_.look(path);
    step.slot = slots_++;
    going_.insert(path);
    for (std::string_view above = parent_of(path); !above.empty(); above = parent_of(above))
      if (!going_folders_.emplace(above).second) break;
    removals_.push_back(std::move(step));
  }
}

std::int64_t ChangeBuilder::record_time(const std::string& dist) {
  const auto [found, is_new] = record_times_.emplace(dist, 0);
  if (is_new) found->second = root_.look("conda-meta/" + dist + ".json").mtime_ns;
  return found->second;
}

bool ChangeBuilder::needs_digest(const OwnedPath& owned, const Found& found) const {
  const PathEntry& entry = owned.entry;
  if (entry.path_type == PathType::pyc_file || found.type != Found::Type::file) return false;
  if (!entry.sha256_in_prefix && (!entry.sha256 || !entry.prefix_placeholder.empty())) return false;
  // The size alone tells that a file was changed, but not a script: a clone's is longer or shorter than its record says.
  if (entry.path_type == PathType::hardlink && entry.prefix_placeholder.empty() && entry.size_in_bytes && *entry.size_in_bytes != found.size)
    return false;
  // A large file is read only when it was written after its package was installed.
  const auto time = record_times_.find(owned.owner);
  return found.size <= always_read || time == record_times_.end() || found.mtime_ns > time->second;
}

/// True when an owned file is not what its package brought.
bool ChangeBuilder::is_changed(const OwnedPath& owned, const Found& found, const std::optional<std::string>& digest) const {
  const PathEntry& entry = owned.entry;
  if (entry.path_type == PathType::pyc_file) return found.type == Found::Type::directory;
  // A symlink's text is not recorded; a file in its place is the user's unless it is the link's own target.
  if (entry.path_type == PathType::softlink)
    return found.type != Found::Type::link && (!digest || !entry.sha256 || *digest != entry.sha256->hex());
  if (found.type != Found::Type::file) return true;
  if (entry.prefix_placeholder.empty() && entry.path_type == PathType::hardlink && entry.size_in_bytes &&
      *entry.size_in_bytes != found.size)
    return true;
  if (!digest) return false;
  if (entry.sha256_in_prefix) return *digest != entry.sha256_in_prefix->hex();
  return entry.sha256 && entry.prefix_placeholder.empty() && *digest != entry.sha256->hex();
}

void ChangeBuilder::settle_old_files() {
  for (const Question& question : questions_)
    if (question.owned != nullptr) record_time(question.owned->owner);
  std::vector<std::optional<std::string>> digests(questions_.size());
  std::vector<std::size_t> to_read;
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    const Question& question = questions_[i];
    const bool wanted = question.owned != nullptr ? needs_digest(*question.owned, question.step->before)
                                                  : question.step->before.type == Found::Type::file;
    if (wanted) to_read.push_back(i);
  }
  const unsigned threads = thread_count(options_.threads, to_read.size());
  // One root each: a root keeps one folder open at a time.
  std::vector<std::unique_ptr<PrefixRoot>> roots(threads);
  parallel_for(to_read.size(), threads, stop_, [&](std::size_t i, unsigned worker) {
    if (!roots[worker]) roots[worker] = std::make_unique<PrefixRoot>(prefix_.path());
    digests[to_read[i]] = roots[worker]->file_digest(questions_[to_read[i]].present_path());
  });
  for (std::size_t i = 0; i < questions_.size(); ++i) {
    Question& question = questions_[i];
    if (question.owned != nullptr) {
      if (is_changed(*question.owned, question.step->before, digests[i])) question.step->old = Step::Old::save;
      continue;
    }
    const auto content = question.step->before.type == Found::Type::link ? root_.link_text(question.step->path) : digests[i];
    if (content && content == question.new_content) question.step->old = Step::Old::discard;
  }
}

void ChangeBuilder::stage_metadata() {
  const std::string old_history = read_file_if_exists(prefix_.history_file(), history_limit).value_or("");
  std::vector<MetadataFile> files = metadata_files(plan_, change_, staged_, compiled_, regained_, RevisionStore::load(prefix_),
                                                   old_history, read_generation(prefix_) + 1);
  // The generation stays the last.
  if (change_.pip_follows) files.insert(std::prev(files.end()), {std::string(unfinished_file), unfinished_text("")});
  for (const MetadataFile& file : files) {
    Step step;
    step.path = file.path;
    if (file.is_removed) {
      remove_metadata(step.path);
      continue;
    }
    check_metadata_folder(step.path);
    step.slot = next_slot();
    write_new_file(slot_path(step.slot), file.content);
    step.content = sha256(file.content).hex();
    step.after = look_at(slot_path(step.slot));
    step.before = root_.look(step.path);
    step.old = Step::Old::drop_always;
    metadata_.push_back(std::move(step));
  }
  for (const std::string& name : plan_.removed_records) remove_metadata("conda-meta/" + name);
}

/// After the decision it would be too late to find that a file of ours has no folder to go to.
void ChangeBuilder::check_metadata_folder(const std::string& path) {
  using End = FinalTree::Way::End;
  const FinalTree::Way& way = present_tree_.folder(std::string(parent_of(path)));
  if (way.end == End::folder || way.end == End::own) return;
  throw Error("the environment's own records have no folder to go to", ErrorKind::corrupt)
      .at(prefix_ / (way.culprit.empty() ? path : way.culprit))
      .because(way.end == End::not_folder ? "it is no folder" : "it is a symlink that leads nowhere in the environment")
      .hint("move it away; the folder is made anew");
}

void ChangeBuilder::remove_metadata(const std::string& path) {
  Step step;
  step.kind = Step::Kind::remove;
  step.path = path;
  step.before = root_.look(path);
  step.slot = slots_++;
  step.old = Step::Old::drop_always;
  removed_records_.push_back(std::move(step));
}

/// Folders that have to be there, but for those behind another package's symlink.
std::set<std::string, std::less<>> ChangeBuilder::needed_folders() const {
  std::set<std::string, std::less<>> folders(plan_.directories.begin(), plan_.directories.end());
  for (const std::string& folder : plan_.directories)
    for (std::string_view above = parent_of(folder); !above.empty(); above = parent_of(above)) folders.emplace(above);
  std::set<std::string_view> below_links;
  for (const FileAction& action : plan_.files)
    if (action.through_link) below_links.insert(action.target);
  for (const auto* steps : {&places_, &byte_code_})
    for (const Step& step : *steps) {
      if (below_links.contains(step.path)) continue;
      for (std::string_view above = parent_of(step.path); !above.empty(); above = parent_of(above))
        if (!folders.emplace(above).second) break;
    }
  return folders;
}

/// The order of the steps. What stands in the way goes first, everything else that goes comes after
/// the new files, so that as little as possible is missing in between.
void ChangeBuilder::arrange(Journal& journal) {
  const std::set<std::string, std::less<>> folders = needed_folders();
  std::set<std::string_view> below_links;
  for (const FileAction& action : plan_.files)
    if (action.through_link) below_links.insert(action.target);

  const auto is_in_the_way = [&](const std::string& path) {
    if (folders.contains(path)) return true;
    for (std::string_view above = parent_of(path); !above.empty(); above = parent_of(above))
      if (targets_.contains(above)) return true;
    return false;
  };
  std::set<std::string, std::greater<>> early_folders, late_folders;
  std::vector<Step> late;
  const auto note_folders = [&](const std::string& path) {
    for (std::string_view above = parent_of(path); !above.empty(); above = parent_of(above))
      if (above != "conda-meta" && !above.starts_with("conda-meta/") && !late_folders.emplace(above).second) break;
  };
  // Files behind symlinks go while these are there.
  std::vector<Step> removals;
  for (Step& step : removals_) {
    note_folders(step.path);
    if (replaced_behind_links_.contains(step.path)) continue;
    const std::string place = present_place(step.path);
    if (place == step.path) {
      removals.push_back(std::move(step));
      continue;
    }
    note_folders(place);
    journal.steps.push_back(std::move(step));
  }
  for (Step& step : removals) (is_in_the_way(step.path) ? journal.steps : late).push_back(std::move(step));
  for (const OwnedPath& owned : plan_.removals)
    if (owned.entry.path_type == PathType::directory) {
      note_folders(owned.path);
      late_folders.insert(owned.path);
    }
  for (const std::string& folder : late_folders) {
    bool below_target = targets_.contains(folder);
    for (std::string_view above = parent_of(folder); !below_target && !above.empty(); above = parent_of(above))
      below_target = targets_.contains(above);
    if (below_target) early_folders.insert(folder);
  }

  const auto add_folder_step = [&](Step::Kind kind, const std::string& path) {
    Step step;
    step.kind = kind;
    step.path = path;
    journal.steps.push_back(std::move(step));
  };
  for (const std::string& folder : early_folders) add_folder_step(Step::Kind::remove_folder, folder);
  for (const std::string& folder : folders)
    if (going_.contains(folder) || root_.look(folder).type != Found::Type::directory)
      add_folder_step(Step::Kind::make_folder, folder);
  // Symlinks after files, and files below another package's symlink last.
  const auto turn = [&](const Step& step) { return below_links.contains(step.path) ? 2 : step.after.type == Found::Type::link ? 1 : 0; };
  std::stable_sort(places_.begin(), places_.end(), [&](const Step& a, const Step& b) { return turn(a) < turn(b); });
  for (Step& step : places_) journal.steps.push_back(std::move(step));
  for (Step& step : byte_code_) journal.steps.push_back(std::move(step));
  for (Step& step : late) journal.steps.push_back(std::move(step));
  for (const std::string& folder : late_folders)
    if (!folders.contains(folder)) add_folder_step(Step::Kind::remove_folder, folder);
  // Records come first, then history and state; the generation is the last.
  for (Step& step : removed_records_) journal.steps.push_back(std::move(step));
  for (Step& step : metadata_) journal.steps.push_back(std::move(step));

  if (plan_.python_changes && !plan_.compile.empty()) {
    journal.python = plan_.python->executable;
    for (const CompileAction& action : plan_.compile) journal.compile.push_back({action.source, action.target});
  }
}

}  // namespace envtool::detail
