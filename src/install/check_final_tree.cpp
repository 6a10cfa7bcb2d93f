#include "check_final_tree.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "final_tree.hpp"

namespace envtool::detail {

namespace {
using End = FinalTree::Way::End;

std::string parent_of(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return std::string(path.substr(0, slash == std::string_view::npos ? 0 : slash));
}
std::string name_in(const std::string& folder, std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return (folder.empty() ? "" : folder + "/") + std::string(path.substr(slash == std::string_view::npos ? 0 : slash + 1));
}

class FinalTreeCheck {
 public:
  explicit FinalTreeCheck(const StagedChange& change) : change_(change), before_(change.root), after_(change.root) {}

  std::vector<std::pair<std::string, std::string>> run() {
    fill_tree();
    for (const std::string& folder : change_.folders) check_folder(folder);
    for (const auto* steps : {&change_.places, &change_.byte_code})
      for (const JournalStep& step : *steps)
        if (!is_parked(step.path)) check_place(step);
    if (moves_folders()) check_kept_packages();
    return std::move(replaced_);
  }

 private:
  static bool is_parked(std::string_view path) { return path.starts_with(parking_folder); }

  void fill_tree() {
    for (const std::string& folder : change_.folders) after_.make_folder(folder);
    for (const JournalStep& step : change_.removals) {
      after_.remove(step.path);
      removed_.insert(step.path);
    }
    std::vector<const JournalStep*> links;
    for (const JournalStep& step : change_.places) {
      if (is_parked(step.path)) continue;
      targets_.insert(step.path);
      if (step.after.type == Found::Type::link) {
        after_.place_link(step.path, step.content);
        links.push_back(&step);
      } else {
        after_.place_file(step.path);
      }
    }
    // Symlinks that lie below other symlinks are elsewhere than their path says, and may lead on.
    bool moved = true;
    for (int round = 0; moved && round < 40; ++round) {
      moved = false;
      for (const JournalStep* step : links) {
        const FinalTree::Way& way = after_.folder(parent_of(step->path));
        if (way.end != End::folder || way.path == parent_of(step->path)) continue;
        const std::string place = name_in(way.path, step->path);
        if (!real_links_.insert(place).second) continue;
        after_.place_link(place, step->content);
        after_.forget();
        moved = true;
      }
    }
  }

  void check_way(const std::string& folder, const std::string& path) {
    const FinalTree::Way& way = after_.folder(folder);
    if (way.end != End::folder) refuse_way(way, path);
  }

  void check_folder(const std::string& folder) {
    check_way(folder, folder);
    // What is in the way of a folder is set aside.
    const std::string& place = after_.folder(folder).path;
    if (is_file(change_.root.look(place).type)) check_kept_place(folder, place);
  }

  void check_place(const JournalStep& step) {
    const std::string& path = step.path;
    const std::string folder = parent_of(path);
    check_way(folder, path);
    const std::string& real_folder = after_.folder(folder).path;
    if (real_folder == folder) {
      if (step.before) check_kept_place(path, path);
      return;
    }
    const std::string place = name_in(real_folder, path);
    const auto [other, is_first] = behind_links_.emplace(place, path);
    if (!is_first) refuse_shared_place(path, other->second, place);
    if (targets_.contains(place)) refuse_shared_place(path, place, place);
    if (removed_.contains(place))
      replaced_.emplace_back(path, place);
    else if (change_.root.look(place))
      check_kept_place(path, place);
  }

  static bool is_file(Found::Type type) {
    return type != Found::Type::absent && type != Found::Type::directory && type != Found::Type::link;
  }

  /// A file of a package that stays is not set aside like one of the user's, under whatever path its package has it.
  /// Only for places where something is: that is rare enough to look up everything that stays.
  void check_kept_place(const std::string& path, const std::string& place) {
    if (change_.plan.replaced.contains(path) || is_given_up(path)) return;
    // What a symlink that goes leads to is not here.
    const FinalTree::Way& was = before_.folder(parent_of(place));
    if (was.end != End::folder || was.path != parent_of(place)) return;
    const auto [first, last] = kept_places().equal_range(place);
    for (auto kept = first; kept != last; ++kept)
      if (kept->second != path) refuse_shared_place(path, kept->second, place);
  }

  /// The paths of packages that stay, by the places where they are.
  const std::multimap<std::string, std::string>& kept_places() {
    if (kept_places_) return *kept_places_;
    kept_places_.emplace();
    for (const PrefixRecord* record : kept_records()) {
      for (const std::string& path : record->files) {
        if (!is_safe_relative_path(path)) continue;
        const FinalTree::Way& way = after_.folder(parent_of(path));
        if (way.end == End::folder) kept_places_->emplace(name_in(way.path, path), path);
      }
    }
    return *kept_places_;
  }

  bool is_given_up(const std::string& path) const {
    return std::any_of(change_.plan.parks.begin(), change_.plan.parks.end(), [&](const ParkAction& action) { return action.file.path == path; });
  }

  /// True when a folder, or a symlink to one, makes room: other packages may have files behind it.
  bool moves_folders() {
    const auto leads_to_folder = [&](const JournalStep& step) {
      if (step.before.type == Found::Type::directory) return true;
      return step.before.type == Found::Type::link && before_.folder(step.path).end == End::folder;
    };
    return std::any_of(change_.places.begin(), change_.places.end(), leads_to_folder) ||
           std::any_of(change_.removals.begin(), change_.removals.end(), leads_to_folder);
  }

  void check_kept_packages() {
    for (const PrefixRecord* record : kept_records()) {
      std::string last;
      bool is_moved = false;
      for (const std::string& path : record->files) {
        const std::string folder = parent_of(path);
        if (folder.empty() || folder == "conda-meta" || !is_safe_relative_path(path)) continue;
        if (folder != last) {
          last = folder;
          const FinalTree::Way &was = before_.folder(folder), &will_be = after_.folder(folder);
          is_moved = was.end == End::folder && (will_be.end != End::folder || will_be.path != was.path);
        }
        if (is_moved && change_.root.look(path)) refuse_lost(path, *record, before_.folder(folder));
      }
    }
  }

  const std::vector<const PrefixRecord*>& kept_records() {
    if (!kept_) {
      data_ = PrefixData::load_readable(change_.prefix);
      kept_.emplace();
      for (const PrefixRecord& record : data_.records()) {
        const auto& leaving = change_.plan.unlinked;
        if (std::none_of(leaving.begin(), leaving.end(), [&](const PrefixRecord& other) { return other.dist() == record.dist(); }))
          kept_->push_back(&record);
      }
    }
    return *kept_;
  }

  std::string kept_owner(const std::string& path) {
    for (const PrefixRecord* record : kept_records())
      if (std::find(record->files.begin(), record->files.end(), path) != record->files.end()) return record->dist();
    return {};
  }

  /// `name-version-build` of the package that has the path after the change, or that had it; empty when nobody has.
  /// For a new folder, one that has files in it.
  std::string owner(const std::string& path) {
    const LinkPlan& plan = change_.plan;
    std::string folder_owner;
    const auto file = std::lower_bound(plan.files.begin(), plan.files.end(), path,
                                       [](const FileAction& a, const std::string& target) { return a.target < target; });
    if (file != plan.files.end() && file->target == path) return plan.packages[file->package].record.dist();
    const auto below = std::lower_bound(file, plan.files.end(), path + "/",
                                        [](const FileAction& a, const std::string& target) { return a.target < target; });
    if (below != plan.files.end() && below->target.starts_with(path + "/")) folder_owner = plan.packages[below->package].record.dist();
    for (const ParkAction& action : plan.unparks)
      if (action.file.path == path) return action.file.owner;
    for (const OwnedPath& owned : plan.removals)
      if (owned.path == path) return owned.owner;
    for (const PlannedPackage& package : plan.packages)
      for (const PathEntry& entry : package.record.paths)
        if (entry.path == path) return package.record.dist();
    std::string kept = kept_owner(path);
    return kept.empty() ? folder_owner : kept;
  }

  std::string in_words(const std::string& path) {
    const std::string dist = owner(path);
    return "`" + path + "`" + (dist.empty() ? ", which no package has," : " of `" + dist + "`");
  }

  void add_packages(Error& error, std::initializer_list<std::string> paths) {
    std::vector<std::string> dists;
    for (const std::string& path : paths)
      if (std::string dist = owner(path); !dist.empty() && std::find(dists.begin(), dists.end(), dist) == dists.end())
        dists.push_back(std::move(dist));
    if (dists.empty()) return;
    error.with("packages", dists);
    error.hint(dists.size() > 1 ? "these packages cannot be in one environment" : "remove what is in the way, or do without the package");
  }

  [[noreturn]] void refuse_way(const FinalTree::Way& way, const std::string& path) {
    const bool is_unsafe = way.end == End::outside || way.end == End::own;
    Error error(way.end == End::outside ? "refusing to follow a symlink out of the environment"
                : way.end == End::own   ? "refusing to follow a symlink into `conda-meta`"
                                        : "a package's files have no folder to go to",
                is_unsafe ? ErrorKind::unsafe : ErrorKind::clobber);
    const std::string where = way.culprit.empty() ? path : way.culprit;
    const char* leads = way.end == End::outside      ? " leads outside, and "
                        : way.end == End::own        ? " leads to the environment's own records, and "
                        : way.end == End::not_folder ? " is no folder, and "
                                                     : " leads to nothing, and ";
    error.at(change_.prefix / path).because(in_words(where) + leads + in_words(path) + " lies behind it");
    add_packages(error, {where, path});
    throw error;
  }

  [[noreturn]] void refuse_shared_place(const std::string& path, const std::string& other, const std::string& place) {
    std::string culprit = after_.folder(parent_of(path)).culprit;
    if (culprit.empty()) culprit = after_.folder(parent_of(other)).culprit;
    Error error("two files of packages lead to one place", ErrorKind::clobber);
    error.at(change_.prefix / place)
        .because(in_words(path) + " and " + in_words(other) + " are the same file: `" + culprit + "` is a symlink");
    add_packages(error, {path, other});
    throw error;
  }

  [[noreturn]] void refuse_lost(const std::string& path, const PrefixRecord& record, const FinalTree::Way& was) {
    const FinalTree::Way& will_be = after_.folder(parent_of(path));
    const std::string link = !was.culprit.empty() ? was.culprit : !will_be.culprit.empty() ? will_be.culprit : parent_of(path);
    throw Error("files of a package that stays would be out of reach", ErrorKind::clobber)
        .at(change_.prefix / path)
        .because("`" + record.dist() + "` has it behind " + in_words(link) + " and the change takes that away")
        .with("packages", {record.dist()})
        .hint("update or remove `" + record.name + "` in the same command");
  }

  const StagedChange& change_;
  FinalTree before_, after_;
  std::set<std::string, std::less<>> targets_, removed_, real_links_;
  /// Where files behind symlinks are, and their paths.
  std::map<std::string, std::string> behind_links_;
  std::vector<std::pair<std::string, std::string>> replaced_;
  std::optional<std::multimap<std::string, std::string>> kept_places_;
  PrefixData data_;
  std::optional<std::vector<const PrefixRecord*>> kept_;
};
}  // namespace

std::vector<std::pair<std::string, std::string>> check_final_tree(const StagedChange& change) { return FinalTreeCheck(change).run(); }

}  // namespace envtool::detail
