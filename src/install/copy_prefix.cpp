#include "envtool/install/copy_prefix.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <unordered_map>

#include "compile_python.hpp"
#include "envtool/base/error.hpp"
#include "envtool/os/log.hpp"
#include "exchange_paths.hpp"
#include "leftovers.hpp"
#include "file_copier.hpp"
#include "metadata.hpp"
#include "move_mark.hpp"
#include "parallel.hpp"
#include "prefix_tree.hpp"
#include "system_call.hpp"
#include "wheel_record.hpp"

namespace envtool {

namespace {
using namespace detail;

std::string parent_of(const std::string& path) { return path.substr(0, std::max<std::size_t>(path.rfind('/'), 1)); }

/// The path without symlinks when it is another one, else empty.
std::string real_path_if_other(const std::string& path) {
  const std::unique_ptr<char, decltype(&free)> real(realpath(path.c_str(), nullptr), &free);
  return real && path != real.get() ? std::string(real.get()) : std::string();
}

/// `x/__pycache__/m.cpython-312.opt-1.pyc` is made from `x/m.py`, `x/m.pyc` too.
std::string source_of_byte_code(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  std::string folder = slash == std::string::npos ? "" : path.substr(0, slash + 1);
  std::string stem = path.substr(folder.size());
  if (folder.ends_with("__pycache__/")) {
    folder.resize(folder.size() - std::string_view("__pycache__/").size());
    stem.resize(stem.find('.'));
  } else {
    stem.resize(stem.rfind('.'));
  }
  return folder + stem + ".py";
}

/// True when byte code that is checked by time (PEP 552) belongs to this source, and for other byte code.
bool fits_source(std::string_view content, const struct stat& source) {
  if (content.size() < 16) return false;
  const auto number = [&](std::size_t at) {
    std::uint32_t value = 0;
    for (std::size_t k = 4; k-- > 0;) value = value << 8U | static_cast<unsigned char>(content[at + k]);
    return value;
  };
  return number(4) != 0 || (number(8) == static_cast<std::uint32_t>(source.st_mtime) && number(12) == static_cast<std::uint32_t>(source.st_size));
}

class PrefixCopy {
 public:
  PrefixCopy(const CopyRequest& request, const InstallOptions& options, std::stop_token stop)
      : request_(request),
        options_(options),
        stop_(std::move(stop)),
        reporter_(reporter_of(options)),
        relocation_(request.from.path(), request.to.path(),
                    request.also_named.empty() ? real_path_if_other(request.from.path()) : request.also_named) {}
  PrefixCopy(const PrefixCopy&) = delete;
  PrefixCopy& operator=(const PrefixCopy&) = delete;
  ~PrefixCopy() {
    try {
      if (marked_) remove_tree(request_.from.transaction_directory());
      if (made_) remove_tree(folder_);
    } catch (const std::exception& error) {
      log_warning(std::string("could not remove an unfinished copy: ") + error.what());
    }
  }

  CopyResult run() {
    lock_places();
    data_ = PrefixData::load(request_.from);
    copier_.emplace(request_, data_, relocation_, options_);
    tree_ = read_tree(request_.from.path(), request_.left_out);
    refuse_nested_environment();
    make_folder();
    stage_point("copy.folder", folder_);
    make_folders();
    copy_files();
    copy_links();
    stage_point("copy.files", folder_);
    copy_byte_code();
    correct_wheel_records();
    write_records();
    write_note();
    set_folder_modes();
    stage_point("copy.metadata", folder_);
    put_in_place();
    reporter_.on_apply_finish();
    return std::move(result_);
  }

 private:
  bool moves() const { return request_.kind == CopyRequest::Kind::move; }

  void lock_places() {
    try {
      from_lock_.emplace(PrefixLock::acquire(request_.from, options_));
    } catch (const Error& error) {
      // Environments of others can be cloned; that nobody changes one meanwhile is looked at in the end.
      if (moves() || error.kind() != ErrorKind::permission) throw;
      if (has_pending_change(request_.from))
        throw Error("the environment holds an unfinished change", ErrorKind::locked).at(request_.from.path()).caused_by(error);
    }
    struct stat status{};
    if (lstat(request_.to.path().c_str(), &status) != 0) return;
    if (S_ISDIR(status.st_mode) && list_directory(request_.to.path()).empty()) return;
    if (options_.existing == ExistingPrefix::refuse || !S_ISDIR(status.st_mode) || !is_directory(request_.to.conda_meta()))
      throw Error("something is already where the environment should go", ErrorKind::prefix_exists)
          .at(request_.to.path())
          .because("another process made it in the meantime; it was left as it is")
          .hint("choose another name or path");
    to_lock_ = lock_prefix_file(request_.to, options_, "replace");
  }

  void refuse_nested_environment() const {
    for (const TreeEntry& entry : tree_)
      if (entry.path.ends_with("/conda-meta/history") && copier_->owners(entry.path).empty())
        throw Error("the environment holds another environment", ErrorKind::invalid_input)
            .at(request_.from.path() + "/" + entry.path.substr(0, entry.path.size() - std::string_view("/conda-meta/history").size()))
            .hint("move that one elsewhere first");
  }

  void make_folder() {
    make_directories(parent_of(request_.to.path()));
    for (int attempt = 0; !lock_; ++attempt) {
      if (attempt == 10) throw Error("other processes keep taking the folder that is being built", ErrorKind::locked).at(request_.to.path());
      id_ = random_name();
      folder_ = request_.to.path() + std::string(building_mark) + id_;
      if (system_call("install.mkdir", [&] { return mkdir(folder_.c_str(), 0777); }) != 0)
        fail_errno("cannot create a folder for the environment", folder_, errno);
      made_ = true;
      // Sweeping processes leave it alone while it is locked, and may come before that.
      try {
        make_directories(folder_ + "/conda-meta/.envtool");
        lock_ = FileLock::try_acquire(folder_ + "/conda-meta/.envtool/lock", FileLock::Mode::exclusive, "copy");
      } catch (const Error&) {
        if (exists_no_follow(folder_ + "/conda-meta/.envtool")) throw;
      }
    }
  }

  void make_folders() {
    for (const TreeEntry& entry : tree_) {
      if (!entry.is_folder()) continue;
      const std::string path = folder_ + "/" + entry.path;
      // Its own mode comes last: it may forbid writing.
      if (system_call("install.mkdir", [&] { return mkdir(path.c_str(), 0700); }) != 0 && errno != EEXIST)
        fail_errno("cannot create a folder", path, errno);
    }
  }

  void set_folder_modes() {
    for (auto entry = tree_.rbegin(); entry != tree_.rend(); ++entry) {
      if (!entry->is_folder()) continue;
      const std::string path = folder_ + "/" + entry->path;
      if (moves() && geteuid() == 0 &&
          system_call("install.chown", [&] { return lchown(path.c_str(), entry->status.st_uid, entry->status.st_gid); }) != 0)
        fail_errno("cannot set the owner of a folder", path, errno);
      if (system_call("install.chmod", [&] { return chmod(path.c_str(), entry->status.st_mode & 07777); }) != 0)
        fail_errno("cannot set the mode of a folder", path, errno);
    }
  }

  bool is_record(const std::string& path) const {
    return path.starts_with("conda-meta/") && std::binary_search(data_.file_names().begin(), data_.file_names().end(), path.substr(11));
  }
  /// What was done stays what was done, whatever paths it names.
  static bool is_verbatim(const std::string& path) {
    return path == "conda-meta/history" || (path.starts_with("conda-meta/.envtool/") && !path.starts_with(std::string(parking_folder) + "/"));
  }

  void copy_files() {
    copied_.resize(tree_.size());
    std::vector<std::size_t> files;
    std::vector<std::pair<std::size_t, std::size_t>> linked;
    std::map<std::pair<dev_t, ino_t>, std::size_t> first_links;
    for (std::size_t i = 0; i < tree_.size(); ++i) {
      const TreeEntry& entry = tree_[i];
      if (!entry.is_file() || is_record(entry.path)) continue;
      const bool own = entry.path.starts_with("conda-meta/");
      const bool unowned = !own && copier_->owners(entry.path).empty();
      if (is_byte_code(entry.path) && !own) continue;
      if (entry.path == "conda-meta/last_activated" && !moves()) continue;
      if (unowned) result_.unowned.push_back(entry.path);
      if (unowned && entry.status.st_nlink > 1) {
        const auto [known, fresh] = first_links.try_emplace({entry.status.st_dev, entry.status.st_ino}, i);
        if (!fresh) {
          linked.emplace_back(i, known->second);
          continue;
        }
      }
      files.push_back(i);
    }
    reporter_.on_stage_start(files.size());
    parallel_for(
        files.size(), thread_count(options_.threads, files.size()), stop_,
        [&](std::size_t k, unsigned) {
          const TreeEntry& entry = tree_[files[k]];
          const std::string target = folder_ + "/" + entry.path;
          if (is_verbatim(entry.path)) link_or_copy(request_.from / entry.path, target, {.hardlink = false});
          else copied_[files[k]] = copier_->copy(entry, target);
        },
        [&](std::size_t done) { reporter_.on_stage_progress(done, files.size()); });
    // Names of one file stay names of one file.
    for (const auto& [i, first] : linked) {
      link_or_copy(folder_ + "/" + tree_[first].path, folder_ + "/" + tree_[i].path, {.reflink = false});
      copied_[i] = copied_[first];
    }
    for (std::size_t i = 0; i < tree_.size(); ++i) {
      if (copied_[i].rewritten) changed_[tree_[i].path] = i;
      if (copied_[i].untouched) result_.untouched.push_back(tree_[i].path);
    }
    result_.rewritten = changed_.size();
    result_.files = files.size() + linked.size();
  }

  void copy_links() {
    for (const TreeEntry& entry : tree_) {
      if (entry.is_file() || entry.is_folder()) continue;
      const std::string from = request_.from / entry.path, to = folder_ + "/" + entry.path;
      if (S_ISFIFO(entry.status.st_mode)) {
        if (mkfifo(to.c_str(), entry.status.st_mode & 0777) != 0) fail_errno("cannot create a named pipe", to, errno);
        continue;
      }
      if (!entry.is_link()) {
        reporter_.on_warning("`" + entry.path + "` is neither a file nor a symlink; it is not taken along");
        continue;
      }
      std::string text(4096, '\0');
      const ssize_t length = readlink(from.c_str(), text.data(), text.size());
      if (length < 0) fail_errno("cannot read a symlink", from, errno);
      text.resize(static_cast<std::size_t>(length));
      const std::string target = relocation_.link_target(entry.path, text);
      if (system_call("install.symlink", [&] { return symlink(target.c_str(), to.c_str()); }) != 0)
        fail_errno("cannot create a symlink", to, errno);
      if (moves() && geteuid() == 0)
        (void)system_call("install.chown", [&] { return lchown(to.c_str(), entry.status.st_uid, entry.status.st_gid); });
      ++result_.files;
      if (copier_->owners(entry.path).empty()) result_.unowned.push_back(entry.path);
    }
    std::sort(result_.unowned.begin(), result_.unowned.end());
  }

  /// Byte code that names the old place, or whose source was rewritten, is compiled anew; what cannot be is
  /// left out, since Python makes it itself.
  void copy_byte_code() {
    std::vector<CompileJob> jobs;
    std::vector<std::string> again;
    const auto& python = copier_->python();
    for (const TreeEntry& entry : tree_) {
      if (!entry.is_file() || !is_byte_code(entry.path) || entry.path.starts_with("conda-meta/")) continue;
      throw_if_stopped(stop_);
      const std::string source = source_of_byte_code(entry.path), target = folder_ + "/" + entry.path;
      const std::string content = read_file(request_.from / entry.path);
      struct stat status{};
      const bool has_source = lstat((folder_ + "/" + source).c_str(), &status) == 0 && S_ISREG(status.st_mode);
      const bool stale = changed_.count(source) != 0 || (has_source && !fits_source(content, status)) || relocation_.mentions_in_bytes(content);
      if (!stale) {
        copier_->copy_as_is(entry, target);
      } else if (has_source && python && python->pyc_path(source) == entry.path) {
        jobs.push_back({folder_ + "/" + source, target, source});
        again.push_back(entry.path);
      } else if (has_source) {
        dropped_.insert(entry.path);
      } else {
        copier_->copy_as_is(entry, target);
        result_.untouched.push_back(entry.path);
      }
    }
    if (jobs.empty()) return;
    reporter_.on_compile_start(jobs.size());
    const std::vector<char> done = compile_python(folder_ + "/" + python->executable, jobs, options_.compile_time_limit, stop_);
    for (std::size_t k = 0; k < jobs.size(); ++k)
      if (!done[k]) dropped_.insert(again[k]);
    result_.compiled = static_cast<std::size_t>(std::count(done.begin(), done.end(), 1));
    reporter_.on_compile_finish(result_.compiled, jobs.size());
  }

  void correct_wheel_records() {
    for (std::size_t i = 0; i < tree_.size(); ++i) {
      const std::string& path = tree_[i].path;
      constexpr std::string_view name = ".dist-info/RECORD";
      if (!tree_[i].is_file() || !path.ends_with(name) || !copier_->owners(path).empty()) continue;
      const std::size_t folder = path.rfind('/', path.size() - name.size());
      const std::string file = folder_ + "/" + path, old_text = read_file(file);
      const std::string text = corrected_wheel_record(
          old_text, folder == std::string::npos ? "" : path.substr(0, folder),
          [&](const std::string& other) -> std::optional<std::pair<Sha256, std::uint64_t>> {
            const auto found = changed_.find(other);
            struct stat status{};
            if (found == changed_.end() || !copied_[found->second].digest || lstat((folder_ + "/" + other).c_str(), &status) != 0) return std::nullopt;
            return std::pair(*copied_[found->second].digest, static_cast<std::uint64_t>(status.st_size));
          });
      if (text == old_text) continue;
      remove_file(file);
      write_new_file(file, text);
      if (chmod(file.c_str(), tree_[i].status.st_mode & 0777) != 0) fail_errno("cannot set the mode of a file", file, errno);
    }
  }

  void write_records() {
    std::vector<PrefixRecord> records = data_.records();
    std::vector<char> changed(records.size(), 0);
    for (const auto& [path, i] : changed_) {
      const CopiedFile& file = copied_[i];
      if (!file.owner || !file.digest) continue;
      // Parked files have no owners by their path: their records say nothing of them.
      for (const PathOwner& owner : copier_->owners(path)) {
        if (!owner.entry) continue;
        PathEntry& entry = records[owner.record].paths[*owner.entry];
        const bool is_its = owner.record == file.owner->record && owner.entry == file.owner->entry;
        if (!entry.sha256_in_prefix && !is_its) continue;
        entry.sha256_in_prefix = file.digest;
        changed[owner.record] = 1;
      }
    }
    for (std::size_t r = 0; r < records.size() && !dropped_.empty(); ++r) {
      const std::size_t before = records[r].files.size() + records[r].paths.size();
      std::erase_if(records[r].files, [&](const std::string& file) { return dropped_.count(file) != 0; });
      std::erase_if(records[r].paths, [&](const PathEntry& entry) { return dropped_.count(entry.path) != 0; });
      if (records[r].files.size() + records[r].paths.size() != before) changed[r] = 1;
    }
    std::map<std::string, std::size_t> by_name;
    for (std::size_t r = 0; r < records.size(); ++r) by_name[records[r].file_name()] = r;
    for (const std::string& name : data_.file_names()) {
      const auto record = by_name.find(name);
      const std::string path = "conda-meta/" + name;
      if (record != by_name.end() && changed[record->second]) write_new_file(folder_ + "/" + path, to_json(records[record->second]));
      else link_or_copy(request_.from / path, folder_ + "/" + path, {.hardlink = false});
    }
  }

  void write_note() {
    if (!request_.note) return;
    const Prefix built(folder_);
    LinkPlan no_packages;
    no_packages.prefix = folder_;
    const std::string history = read_file_if_exists(built.history_file(), history_limit).value_or("");
    const auto files = metadata_files(no_packages, request_.note(built), {}, {}, {}, RevisionStore::load(built), history, read_generation(built) + 1);
    make_directories(folder_ + "/conda-meta/.envtool/revisions");
    // Whole new files: the old ones may be the original's own.
    for (const MetadataFile& file : files) write_atomically(folder_ + "/" + file.path, file.content, 0644);
  }

  /// Files that came or changed while we copied would be missing.
  void refuse_changes() const {
    const std::string path = tree_difference(tree_, read_tree(request_.from.path(), request_.left_out));
    if (path.empty()) return;
    throw Error("the environment changes while it is copied", ErrorKind::locked)
        .at(request_.from / path)
        .because("another program writes to it; nothing was done")
        .hint("end that program and run the command again");
  }

  void put_in_place() {
    MoveMark mark;
    if (moves()) {
      const std::string parent = parent_of(request_.from.path());
      mark = {random_name(), request_.from.path(), request_.to.path(), (parent == "/" ? "" : parent) + "/.envtool-trash-" + random_name()};
      write_move_mark(folder_, mark, options_.durability);
    }
    if (options_.durability == Durability::full) sync_file_system(folder_);
    stage_point("copy.synced", folder_);
    if (request_.before_commit) request_.before_commit();
    if (moves()) {
      marked_ = true;
      write_move_mark(request_.from.path(), mark, options_.durability);
      stage_point("copy.marked", request_.from.path());
    }
    refuse_changes();
    throw_if_stopped(stop_);
    if (to_lock_) {
      swap_places();
    } else if (!rename_no_replace(folder_, request_.to.path())) {
      // rename(2) replaces an empty folder and nothing else.
      if (system_call("install.rename", [&] { return rename(folder_.c_str(), request_.to.path().c_str()); }) != 0) {
        if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR) fail_errno("cannot put the environment in its place", request_.to.path(), errno);
        throw Error("something is already where the environment should go", ErrorKind::prefix_exists)
            .at(request_.to.path())
            .because("another process made it in the meantime; it was left as it is")
            .hint("choose another name or path");
      }
    }
    made_ = marked_ = false;
    reporter_.on_commit();
    passed_point("copy.renamed");
    if (options_.durability == Durability::full) sync_directory(parent_of(request_.to.path()));
    if (moves()) result_.saved = finish_move(mark, options_);
  }

  void swap_places() {
    const std::string waiting = waiting_place(request_.to, id_);
    exchange_paths(folder_, request_.to.path(), waiting);
    made_ = marked_ = false;
    result_.replaced = std::make_shared<ReplacedPrefix>(request_.to, aside_after_exchange(folder_, waiting), std::move(*to_lock_));
  }

  const CopyRequest& request_;
  const InstallOptions& options_;
  std::stop_token stop_;
  InstallReporter& reporter_;
  Relocation relocation_;
  std::optional<PrefixLock> from_lock_;
  /// Of an environment that is to be replaced.
  std::optional<FileLock> to_lock_;
  PrefixData data_;
  std::optional<FileCopier> copier_;
  std::vector<TreeEntry> tree_;
  std::string folder_, id_;
  bool made_ = false;
  /// The old environment has a mark.
  bool marked_ = false;
  std::optional<FileLock> lock_;
  /// For each entry of `tree_`.
  std::vector<CopiedFile> copied_;
  /// Paths with new content, and their places in `tree_`.
  std::unordered_map<std::string, std::size_t> changed_;
  std::set<std::string, std::less<>> dropped_;
  CopyResult result_;
};
}  // namespace

CopyResult copy_prefix(const CopyRequest& request, const InstallOptions& options, std::stop_token stop) {
  sweep_leftovers(request.to);
  return PrefixCopy(request, options, std::move(stop)).run();
}

}  // namespace envtool
