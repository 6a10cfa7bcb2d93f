#include "link_scripts.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "envtool/base/text.hpp"
#include "envtool/os/clock.hpp"
#include "envtool/os/confinement.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/prefix_data.hpp"
#include "envtool/records/paths_json.hpp"

namespace envtool::detail {

namespace {
constexpr std::string_view pending_file = "conda-meta/.envtool/link-scripts";
constexpr std::string_view log_folder = "conda-meta/.envtool/logs";
constexpr std::size_t kept_logs = 32;
constexpr std::size_t log_limit = 1 << 20, tail_limit = 4096, message_limit = 64 << 10;

/// The first megabyte and the last lines of what a script writes.
struct Output {
  std::string log, tail;
  void add(std::string_view text) {
    log.append(text.substr(0, log_limit - std::min(log_limit, log.size())));
    tail.append(text);
    if (tail.size() > 2 * tail_limit) tail.erase(0, tail.size() - tail_limit);
  }
  /// At most ten lines, for a message.
  std::string last_lines() const {
    const auto lines = split_lines(tail);
    std::string text;
    for (std::size_t i = lines.size() > 10 ? lines.size() - 10 : 0; i < lines.size(); ++i)
      text += (text.empty() ? "" : "\n") + escape_control(lines[i]);
    return text;
  }
};

bool is_real_folder(const std::string& path) {
  struct stat status {};
  return lstat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode);
}

/// conda-meta as it was before a script: scripts have to leave it alone (CEP 32), but for the mark of a frozen
/// environment, which CEP 22 allows them.
class OwnRecords {
 public:
  explicit OwnRecords(const Prefix& prefix) : prefix_(prefix) {
    for (const std::string& path : paths()) files_[path] = look(path);
  }

  /// Puts back what is not as it was. True when there was something; throws `Error` when it cannot be.
  bool restore() const {
    for (const std::string& folder : {prefix_.conda_meta(), prefix_.state_directory()})
      if (!is_real_folder(folder))
        throw Error("a link script took the environment's own records away", ErrorKind::unsafe).at(folder).hint("create the environment anew");
    bool touched = false;
    for (const std::string& path : paths()) {
      if (files_.count(path) != 0) continue;
      remove_file(prefix_.conda_meta() + "/" + path);
      touched = true;
    }
    for (const auto& [path, file] : files_) {
      if (look(path) == file) continue;
      const std::string place = prefix_.conda_meta() + "/" + path;
      touched = true;
      remove_tree(place);
      make_directories(place.substr(0, place.rfind('/')));
      if (file.is_link && symlink(file.content.c_str(), place.c_str()) != 0) throw system_error("cannot put a symlink back", errno).at(place);
      if (!file.is_link) write_atomically(place, file.content, file.mode);
    }
    return touched;
  }

 private:
  struct File {
    bool is_link = false;
    mode_t mode = 0;
    std::string content;
    bool operator==(const File&) const = default;
  };

  std::vector<std::string> paths() const {
    std::vector<std::string> found = list_tree(prefix_.conda_meta());
    std::erase_if(found, [](const std::string& path) {
      // Other processes write these without the lock, or as they wait for it.
      return path == "frozen" || path == "last_activated" || path == ".envtool/lock" || path.starts_with(".envtool/lock.d/");
    });
    return found;
  }

  File look(const std::string& path) const {
    const std::string place = prefix_.conda_meta() + "/" + path;
    struct stat status {};
    File file;
    if (lstat(place.c_str(), &status) != 0) return file;
    file.mode = status.st_mode & 0777;
    file.is_link = S_ISLNK(status.st_mode);
    if (file.is_link) {
      file.content.resize(static_cast<std::size_t>(status.st_size) + 1);
      const ssize_t length = readlink(place.c_str(), file.content.data(), file.content.size());
      file.content.resize(length < 0 ? 0 : static_cast<std::size_t>(length));
    } else if (S_ISREG(status.st_mode)) {
      file.content = read_file(place);
    }
    return file;
  }

  const Prefix& prefix_;
  std::map<std::string, File> files_;
};

void write_log(const Prefix& prefix, const std::string& name, const std::string& text) {
  if (text.empty()) return;
  try {
    const std::string folder = prefix / log_folder;
    // The script could have put a symlink there.
    for (const std::string& part : {prefix.conda_meta(), prefix.state_directory()})
      if (!is_real_folder(part)) return;
    make_directories(folder);
    if (!is_real_folder(folder)) return;
    std::string time = format_iso_time(now());
    write_atomically(folder + "/" + time + "-" + name + ".log", redact(text), 0600);
    std::vector<std::string> logs = list_directory(folder);
    for (std::size_t i = 0; i + kept_logs < logs.size(); ++i) remove_file(folder + "/" + logs[i]);
  } catch (const Error&) {
    // A log is no reason to fail.
  }
}
}  // namespace

FilesBefore::FilesBefore(const Prefix& prefix, const Transaction& transaction) : prefix_(prefix) {
  const auto add = [&](const PrefixRecord& record, bool is_linked_anew) {
    for (const PathEntry& entry : record.paths) {
      if (entry.path_type == PathType::pyc_file || entry.path_type == PathType::linked_package_record) continue;
      questions_.push_back({entry.path, FileQuestion::Wanted::status, std::nullopt});
      is_linked_anew_.push_back(is_linked_anew);
      has_placeholder_.push_back(!entry.prefix_placeholder.empty() || entry.path_type == PathType::unix_python_entry_point);
    }
  };
  for (const PrefixRecord& record : transaction.keep) add(record, false);
  for (const PrefixRecord& record : transaction.remove) add(record, true);
  for (const PackageChange& change : transaction.change) add(change.from, true);
  facts_ = look_at_files(prefix.path(), questions_);
}

std::vector<std::string> FilesBefore::differing() const {
  const std::vector<FileFacts> now = look_at_files(prefix_.path(), questions_);
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < now.size(); ++i) {
    const FileFacts &was = facts_[i], &is = now[i];
    bool same = was.type == is.type;
    if (same && was.type == FileFacts::Type::link) same = was.text == is.text;
    if (same && was.type == FileFacts::Type::file) {
      same = (was.size == is.size || (is_linked_anew_[i] && has_placeholder_[i])) && was.mode == is.mode;
      if (!is_linked_anew_[i]) same = same && was.modified == is.modified && was.inode == is.inode;
    }
    if (!same) paths.push_back(questions_[i].path);
  }
  std::sort(paths.begin(), paths.end());
  paths.erase(std::unique(paths.begin(), paths.end()), paths.end());
  return paths;
}

Error FilesBefore::told(Error error, const std::string& undone) const {
  const std::vector<std::string> paths = differing();
  if (paths.empty()) return undone.empty() ? error : std::move(error.hint(undone + ": the environment is as it was before"));
  constexpr std::size_t shown = 5;
  std::vector<std::string> first(paths.begin(), paths.begin() + static_cast<std::ptrdiff_t>(std::min(paths.size(), shown)));
  for (std::string& path : first) path = "`" + escape_control(path) + "`";
  error.with("paths", paths)
      .hint((undone.empty() ? "" : undone + ", but ") + "the script has changed files of packages, which are not as they were: " + join(first, ", ") +
            (paths.size() > shown ? " and " + std::to_string(paths.size() - shown) + " more" : ""))
      .hint("`envtool repair -p " + prefix_.path() + "` puts them back");
  return error;
}

LinkScriptRun::LinkScriptRun(const AppInputs& inputs, LinkPlan& plan) : inputs_(inputs), prefix_(plan.prefix) {
  if (inputs.settings.link_scripts == LinkScriptSetting::warn) return;
  if (inputs.settings.link_scripts == LinkScriptSetting::on) {
    std::map<std::string, const PackageRecord*> linked, unlinked;
    for (const PlannedPackage& package : plan.packages) linked[package.record.dist()] = &package.record;
    for (const PrefixRecord& record : plan.unlinked) unlinked[record.dist()] = &record;
    for (const LinkScript& script : plan.link_scripts) {
      const bool comes = script.action == "post-link";
      if (!comes && script.action != "pre-unlink") continue;
      const auto& records = comes ? linked : unlinked;
      const auto found = records.find(script.package);
      if (found == records.end()) continue;
      const PackageRecord& record = *found->second;
      (comes ? after_ : before_).push_back({script.path, script.action, record.name, record.version, record.build, record.build_number});
    }
  }
  std::erase_if(plan.link_scripts, [&](const LinkScript& script) {
    return inputs.settings.link_scripts == LinkScriptSetting::off || script.action == "post-link" || script.action == "pre-unlink";
  });
}

std::string LinkScriptRun::pending() const {
  if (after_.empty()) return {};
  nlohmann::ordered_json list = nlohmann::ordered_json::array();
  for (const Script& script : after_)
    list.push_back({{"action", script.action}, {"path", script.path}, {"name", script.name}, {"version", script.version},
                    {"build", script.build}, {"build_number", script.build_number}});
  return list.dump(2) + "\n";
}

void LinkScriptRun::run(const Script& script, const std::string& home) const {
  const std::string what = script.name + "-" + script.version + "-" + script.build + " " + script.action;
  // Nothing of the user's surroundings: they may hold credentials.
  const EnvSnapshot environment(std::map<std::string, std::string>{
      {"PREFIX", prefix_.path()}, {"ROOT_PREFIX", inputs_.settings.root_prefix}, {"PKG_NAME", script.name},
      {"PKG_VERSION", script.version}, {"PKG_BUILDNUM", std::to_string(script.build_number)},
      {"PATH", "/usr/local/bin:/usr/bin:/bin:" + (prefix_ / "bin")}, {"HOME", home}, {"TMPDIR", home}, {"LC_ALL", "C.UTF-8"}});
  Output output;
  ProcessRequest request;
  request.arguments = {exists("/bin/bash") ? "/bin/bash" : "/bin/sh", prefix_ / script.path};
  request.environment = &environment;
  request.working_directory = prefix_.path();
  request.time_limit = static_cast<unsigned>(inputs_.settings.link_script_timeout.count());
  request.on_output = [&](std::string_view text) { output.add(text); };
  Confinement confinement;
  confinement.writable = {prefix_.path(), home};
  confinement.readable = system_folders();
  inputs_.reporter.on_link_script_start(what);
  const OwnRecords records(prefix_);
  const ConfinedResult result = run_confined(request, confinement, inputs_.stop);
  if (!result.is_confined)
    inputs_.reporter.on_warning("this system has no Landlock: the link script " + what + " could write outside of the environment");
  const bool touched = records.restore();
  write_log(prefix_, script.name + "-" + script.action, output.log);
  if (inputs_.stop.stop_requested()) throw Error("interrupted while a link script was running", ErrorKind::interrupted).at(what);
  if (touched)
    throw Error("a link script changed the environment's own records", ErrorKind::unsafe)
        .at(prefix_.conda_meta())
        .because("it was the " + what + " script")
        .hint("do not install this package; tell the channel's owner");
  if (result.exit_code == 0 && !result.timed_out) return;
  Error error("a link script failed", ErrorKind::child_failed);
  error.at(prefix_ / script.path);
  const std::string lines = output.last_lines();
  error.because((result.timed_out ? "the " + what + " script did not end within " + std::to_string(request.time_limit) + " s"
                                  : "the " + what + " script ended with exit code " + std::to_string(result.exit_code)) +
                (lines.empty() ? "" : "; its last lines:\n" + lines));
  throw error.hint("its output is in " + (prefix_ / log_folder)).hint("`link_scripts: off` in your configuration leaves such scripts out");
}

void LinkScriptRun::run_all(const std::vector<Script>& scripts) const {
  if (scripts.empty()) return;
  const TemporaryDirectory home(inputs_.environment.get("TMPDIR").value_or("/tmp"), "envtool-script-");
  const std::string messages = prefix_ / ".messages.txt";
  for (const Script& script : scripts) run(script, home.path());
  // CEP 32: what scripts have to say is reported in the end.
  struct stat status {};
  if (lstat(messages.c_str(), &status) == 0) {
    if (S_ISREG(status.st_mode)) try {
      for (const std::string_view line : split_lines(read_file(messages, message_limit))) inputs_.reporter.on_link_script_message(std::string(line));
    } catch (const Error&) {
      inputs_.reporter.on_warning("a link script's message cannot be read: " + messages);
    }
    remove_file(messages);
  }
}

void LinkScriptRun::run_before() const { run_all(before_); }

void LinkScriptRun::run_after() const {
  try {
    run_all(after_);
  } catch (const Error& error) {
    throw LinkScriptFailure(error);
  }
  if (!after_.empty()) remove_file(prefix_ / pending_file);
}

void forget_pending_link_scripts(const Prefix& prefix) {
  // Mostly there are none; a disk that refuses to remove nothing must not make a failure of it.
  if (exists_no_follow(prefix / pending_file)) remove_file(prefix / pending_file);
}

void run_pending_link_scripts(const AppInputs& inputs, const Prefix& prefix) {
  const auto text = read_file_if_exists(prefix / pending_file, 1 << 20);
  if (!text) return;
  const PrefixData data = PrefixData::load(prefix);
  LinkScriptRun scripts(inputs, prefix);
  const auto document = nlohmann::json::parse(*text, nullptr, false);
  if (document.is_array())
    for (const auto& item : document) {
      if (!item.is_object()) continue;
      const std::string name = item.value("name", ""), path = item.value("path", "");
      const PrefixRecord* record = data.find(name);
      // Only for what is there still, and only the file that belongs to it.
      if (record == nullptr || record->version != item.value("version", "") || record->build != item.value("build", "")) continue;
      if (path != "bin/." + name + "-post-link.sh" || !exists(prefix / path)) continue;
      scripts.after_.push_back({path, "post-link", name, record->version, record->build, record->build_number});
    }
  if (scripts.after_.empty()) return remove_file(prefix / pending_file);
  if (inputs.settings.link_scripts != LinkScriptSetting::on) return;  // told of already (`unfinished_note`)
  scripts.run_all(scripts.after_);
  remove_file(prefix / pending_file);
}

}  // namespace envtool::detail
