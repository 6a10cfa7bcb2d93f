#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "byte_code_cache.hpp"
#include "compile_python.hpp"
#include "envtool/base/error.hpp"
#include "envtool/install/installer.hpp"
#include "envtool/os/log.hpp"
#include "exchange_paths.hpp"
#include "leftovers.hpp"
#include "metadata.hpp"
#include "parallel.hpp"
#include "prefix_root.hpp"
#include "stage_file.hpp"
#include "system_call.hpp"

namespace envtool {

namespace {
using namespace detail;

bool is_empty_folder(const std::string& path) {
  struct stat status{};
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode) && list_directory(path).empty();
}

[[noreturn]] void fail_exists(const std::string& prefix) {
  // The place was free when the creation was planned.
  if (is_environment(Prefix(prefix)))
    throw Error("there is an environment already", ErrorKind::prefix_exists)
        .at(prefix)
        .because("another process made it in the meantime; it was left as it is")
        .hint("`envtool list` shows what it holds; `envtool install` or `envtool update` change it");
  throw Error("something is already where the environment should go", ErrorKind::prefix_exists)
      .at(prefix)
      .hint("choose another name or path");
}

/// Builds an environment in a folder of its own, beside its place.
class Builder {
 public:
  Builder(const LinkPlan& plan, const EnvironmentChange& change, const InstallOptions& options, std::stop_token stop)
      : plan_(plan), change_(change), options_(options), stop_(std::move(stop)), reporter_(reporter_of(options)) {}
  Builder(const Builder&) = delete;
  Builder& operator=(const Builder&) = delete;
  ~Builder() {
    if (!made_) return;
    try {
      remove_tree(folder_);
    } catch (const std::exception& error) {
      log_warning(std::string("could not remove an unfinished environment: ") + error.what());
    }
  }

  InstallResult run() {
    if (exists_no_follow(plan_.prefix) && !is_empty_folder(plan_.prefix)) lock_existing();
    make_folder();
    stage_point("create.folder", folder_);
    make_folders();
    place_files();
    stage_point("create.files", folder_);
    compile();
    write_metadata();
    stage_point("create.metadata", folder_);
    if (options_.durability == Durability::full) sync_file_system(folder_);
    stage_point("create.synced", folder_);
    throw_if_stopped(stop_);
    move_to_place();
    keep_byte_code();
    reporter_.on_apply_finish();
    return std::move(result_);
  }

 private:
  /// Nobody may work on an environment that is about to be replaced.
  void lock_existing() {
    const Prefix prefix(plan_.prefix);
    struct stat status{};
    if (options_.existing == ExistingPrefix::refuse || lstat(plan_.prefix.c_str(), &status) != 0 || !S_ISDIR(status.st_mode) ||
        !is_directory(prefix.conda_meta()))
      fail_exists(plan_.prefix);
    old_lock_ = lock_prefix_file(prefix, options_, "replace");
  }

  void make_folder() {
    make_directories(plan_.prefix.substr(0, std::max<std::size_t>(plan_.prefix.rfind('/'), 1)));
    // The lock says that somebody builds here: sweeping leaves the folder alone until we are gone. A
    // sweeping process may look between the folder and its lock; then another folder does.
    for (int attempt = 0; !lock_; ++attempt) {
      if (attempt == 10) throw Error("other processes keep taking the folder that is being built", ErrorKind::locked).at(plan_.prefix);
      id_ = random_name();
      folder_ = plan_.prefix + std::string(building_mark) + id_;
      if (system_call("install.mkdir", [&] { return mkdir(folder_.c_str(), 0777); }) != 0)
        fail_errno("cannot create a folder for the environment", folder_, errno);
      made_ = true;
      try {
        make_directories(folder_ + "/conda-meta/.envtool");
        lock_ = FileLock::try_acquire(folder_ + "/conda-meta/.envtool/lock", FileLock::Mode::exclusive, "create");
      } catch (const Error&) {
        if (exists_no_follow(folder_ + "/conda-meta/.envtool")) throw;
      }
    }
    check_space(plan_, folder_);
  }

  void make_folders() {
    std::set<std::string, std::less<>> folders(plan_.directories.begin(), plan_.directories.end());
    std::string_view last;
    const auto add_parents = [&](std::string_view path) {
      for (std::size_t slash = path.rfind('/'); slash != std::string_view::npos; slash = path.rfind('/')) {
        path = path.substr(0, slash);
        if (path == last || !folders.emplace(path).second) return;
      }
    };
    for (const std::string& folder : plan_.directories) add_parents(folder);
    for (const FileAction& action : plan_.files)
      if (!action.through_link) add_parents(action.target);
    for (const std::string& folder : folders) {
      const std::string path = folder_ + "/" + folder;
      if (system_call("install.mkdir", [&] { return mkdir(path.c_str(), 0777); }) != 0 && errno != EEXIST)
        fail_errno("cannot create a folder", path, errno);
    }
  }

  /// Symlinks come after all files, so no path of a package leads through one; the few files that lie
  /// below another package's symlink come last, resolved beneath the folder.
  void place_files() {
    staged_.resize(plan_.files.size());
    std::vector<std::size_t> files, links, below_links;
    for (std::size_t i = 0; i < plan_.files.size(); ++i) {
      const FileAction& action = plan_.files[i];
      (action.through_link ? below_links : action.kind == FileAction::Kind::softlink ? links : files).push_back(i);
    }
    reporter_.on_stage_start(plan_.files.size());
    const auto place = [&](std::size_t i) {
      staged_[i] = stage_file(file_recipe(plan_, plan_.files[i]), plan_.prefix, folder_ + "/" + plan_.files[i].target, options_.link);
    };
    parallel_for(files.size(), thread_count(options_.threads, files.size()), stop_,
                 [&](std::size_t i, unsigned) { place(files[i]); },
                 [&](std::size_t done) { reporter_.on_stage_progress(done, plan_.files.size()); });
    for (std::size_t i : links) place(i);
    place_below_links(below_links);
    result_.files = plan_.files.size();
    reporter_.on_stage_progress(plan_.files.size(), plan_.files.size());
  }

  void place_below_links(const std::vector<std::size_t>& indices) {
    if (indices.empty()) return;
    PrefixRoot root(folder_);
    const std::string slot = folder_ + "/conda-meta/.envtool/staged";
    for (std::size_t i : indices) {
      staged_[i] = stage_file(file_recipe(plan_, plan_.files[i]), plan_.prefix, slot, options_.link);
      const PrefixRoot::Place place = root.make_place(plan_.files[i].target);
      if (system_call("install.rename", [&] {
            return renameat2(AT_FDCWD, slot.c_str(), place.folder, place.name.c_str(), RENAME_NOREPLACE);
          }) != 0) {
        if (errno == EEXIST)
          throw Error("two files of packages lead to one place", ErrorKind::clobber)
              .at(plan_.files[i].target)
              .because("it lies behind a symlink, and another package has a file there")
              .with("packages", {plan_.packages[plan_.files[i].package].record.dist()})
              .hint("these packages cannot be in one environment");
        fail_errno("cannot put a file in place below a symlink", plan_.files[i].target, errno);
      }
      root.forget_folders();
    }
  }

  void compile() {
    compiled_.assign(plan_.compile.size(), 0);
    if (plan_.compile.empty()) return;
    reporter_.on_compile_start(plan_.compile.size());
    find_byte_code();
    std::vector<CompileJob> jobs;
    std::vector<std::size_t> places;
    for (std::size_t i = 0; i < plan_.compile.size(); ++i) {
      if (compiled_[i]) continue;
      jobs.push_back({byte_code_[i].source, byte_code_[i].target, plan_.compile[i].source});
      places.push_back(i);
    }
    const std::vector<char> done =
        compile_python(folder_ + "/" + plan_.python->executable, jobs, options_.compile_time_limit, stop_);
    for (std::size_t k = 0; k < jobs.size(); ++k) {
      compiled_[places[k]] = done[k];
      if (done[k]) fresh_byte_code_.push_back(places[k]);
    }
    result_.compiled = static_cast<std::size_t>(std::count(compiled_.begin(), compiled_.end(), 1));
    reporter_.on_compile_finish(result_.compiled, plan_.compile.size());
  }

  /// Takes what earlier environments compiled from the cache.
  void find_byte_code() {
    std::optional<Sha256> python;
    for (const PlannedPackage& package : plan_.packages)
      if (package.record.name == "python") python = package.record.sha256;
    byte_code_cache_ = ByteCodeCache(options_.byte_code_folder, python, options_.link);
    for (const CompileAction& action : plan_.compile) {
      ByteCodeCache::Item item{folder_ + "/" + action.source, folder_ + "/" + action.target, action.source, {}};
      const auto file = std::lower_bound(plan_.files.begin(), plan_.files.end(), action.source,
                                         [](const FileAction& a, const std::string& target) { return a.target < target; });
      if (file != plan_.files.end() && file->target == action.source)
        item.source_digest = staged_[static_cast<std::size_t>(file - plan_.files.begin())].digest;
      byte_code_.push_back(std::move(item));
    }
    parallel_for(byte_code_.size(), thread_count(options_.threads, byte_code_.size()), stop_,
                 [&](std::size_t i, unsigned) { compiled_[i] = byte_code_cache_.take(byte_code_[i]) ? 1 : 0; });
  }

  /// The next environment need not compile these; they are on disk by now.
  void keep_byte_code() {
    for (const std::size_t i : fresh_byte_code_) {
      ByteCodeCache::Item& item = byte_code_[i];
      item.source = plan_.prefix + "/" + plan_.compile[i].source;
      item.target = plan_.prefix + "/" + plan_.compile[i].target;
      byte_code_cache_.keep(item);
    }
  }

  void write_metadata() {
    if (change_.state) make_directories(folder_ + "/conda-meta/.envtool/revisions");
    for (const MetadataFile& file : metadata_files(plan_, change_, staged_, compiled_, {}, RevisionStore(), "", 1))
      if (!file.is_removed) write_new_file(folder_ + "/" + file.path, file.content);
    if (change_.pip_follows) write_new_file(folder_ + "/" + std::string(unfinished_file), unfinished_text(id_));
    result_.linked_packages = plan_.packages.size();
  }

  void move_to_place() {
    if (old_lock_) return swap_places();
    if (!rename_no_replace(folder_, plan_.prefix)) {
      // rename(2) replaces an empty folder and nothing else; to a symlink or a file it is an error.
      if (system_call("install.rename", [&] { return rename(folder_.c_str(), plan_.prefix.c_str()); }) != 0) {
        if (errno == ENOTEMPTY || errno == EEXIST || errno == ENOTDIR) fail_exists(plan_.prefix);
        fail_errno("cannot put the environment in its place", plan_.prefix, errno);
      }
    }
    made_ = false;
    reporter_.on_commit();
    passed_point("create.renamed");
    if (options_.durability == Durability::full)
      sync_directory(plan_.prefix.substr(0, std::max<std::size_t>(plan_.prefix.rfind('/'), 1)));
  }

  /// Takes the place of the environment that is there: both are whole at every moment.
  void swap_places() {
    const std::string parent = plan_.prefix.substr(0, std::max<std::size_t>(plan_.prefix.rfind('/'), 1));
    const std::string waiting = waiting_place(Prefix(plan_.prefix), id_);
    exchange_paths(folder_, plan_.prefix, waiting);
    made_ = false;
    reporter_.on_commit();
    passed_point("create.swapped");
    const std::string waits_at = aside_after_exchange(folder_, waiting);
    if (options_.durability == Durability::full) sync_directory(parent);
    result_.replaced = std::make_shared<ReplacedPrefix>(Prefix(plan_.prefix), waits_at, std::move(*old_lock_));
  }

  const LinkPlan& plan_;
  const EnvironmentChange& change_;
  const InstallOptions& options_;
  std::stop_token stop_;
  InstallReporter& reporter_;
  std::string folder_, id_;
  bool made_ = false;
  std::optional<FileLock> lock_;
  /// Of the environment that is to be replaced.
  std::optional<FileLock> old_lock_;
  std::vector<StagedFile> staged_;
  std::vector<char> compiled_;
  ByteCodeCache byte_code_cache_{"", std::nullopt, {}};
  /// For each file of `plan_.compile`; of these, the places of the newly compiled ones.
  std::vector<ByteCodeCache::Item> byte_code_;
  std::vector<std::size_t> fresh_byte_code_;
  InstallResult result_;
};
}  // namespace

ReplacedPrefix::ReplacedPrefix(Prefix prefix, std::string waiting_at, FileLock lock)
    : prefix_(std::move(prefix)), waiting_at_(std::move(waiting_at)), lock_(std::move(lock)) {}

ReplacedPrefix::~ReplacedPrefix() {
  if (waiting_at_.empty()) return;
  try {
    remove_tree(waiting_at_);
  } catch (const std::exception& error) {
    log_warning(std::string("could not delete a replaced environment: ") + error.what());
  }
}

void ReplacedPrefix::restore() {
  const std::string& path = prefix_.path();
  const std::string aside = path.substr(0, path.rfind('/') + 1) + std::string(trash_stem) + random_name();
  exchange_paths(waiting_at_, prefix_.path(), aside);
  if (!surely_exists(waiting_at_)) rename_path(aside, waiting_at_);
  const std::string unwanted = std::exchange(waiting_at_, {});
  remove_tree(unwanted);
}

InstallResult create_prefix(const LinkPlan& plan, const EnvironmentChange& change, const InstallOptions& options,
                            std::stop_token stop) {
  const Prefix prefix(plan.prefix);
  sweep_leftovers(prefix);
  report_plan(plan, reporter_of(options));
  refuse_linked_sources(plan);
  return Builder(plan, change, options, std::move(stop)).run();
}

}  // namespace envtool
