#include <algorithm>
#include <mutex>
#include <optional>
#include <set>
#include <thread>

#include "channeldata.hpp"
#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"
#include "envtool/channel_index/channel_index.hpp"
#include "envtool/os/files.hpp"
#include "envtool/records/package_record.hpp"
#include "envtool/specs/package_name.hpp"
#include "envtool/specs/platform.hpp"
#include "index_cache.hpp"
#include "indexed_package.hpp"
#include "parallel.hpp"
#include "publisher.hpp"
#include "subdir_documents.hpp"

namespace envtool {
namespace {

constexpr const char* cache_folder = ".cache/envtool-index";
constexpr std::uint64_t most_cache_bytes = std::uint64_t{16} << 30;
constexpr const char* repodata_name = "repodata.json";

/// Files that other tools write from the same packages, and that would tell of an older state from now on.
constexpr const char* unkept_files[] = {"current_repodata.json", "current_repodata.json.bz2", "current_repodata.json.zst",
                                        "repodata.json.bz2", "repodata.jlap", "repodata_from_packages.json.bz2",
                                        "repodata_from_packages.json.zst", "repodata_shards_from_packages.msgpack.zst",
                                        "run_exports.json.bz2"};

bool is_package_name(const std::string& name) { return !name.starts_with('.') && !archive_extension(name).empty(); }

bool has_packages(const std::string& folder) {
  const auto names = list_directory(folder);
  return std::any_of(names.begin(), names.end(), is_package_name);
}

bool is_known_subdir(const std::string& name) {
  const auto& platforms = Platform::known();
  return name == "noarch" || std::find(platforms.begin(), platforms.end(), name) != platforms.end();
}

/// An archive that has to be opened.
struct PendingRead {
  std::string file_name;
  std::uint64_t size = 0;
  std::optional<ReadPackage> result = {};
  std::optional<Error> error = {};
};

/// One subdir between two runs.
struct SubdirState {
  std::string subdir;
  IndexCache cache;
  std::set<std::string> withdrawn;
  /// What the channel has published, when there is no cache that remembers.
  std::map<std::string, IndexCache::Gone> published;
  std::vector<PendingRead> pending;
  SubdirIndexCounts counts;
  SubdirDocuments documents;
};

class IndexRun {
 public:
  IndexRun(const ChannelIndexRequest& request, ChannelIndexReporter& reporter, std::stop_token stop)
      : request_(request), reporter_(reporter), stop_(std::move(stop)), publisher_(request.channel),
        now_(static_cast<std::uint64_t>(
            std::chrono::duration_cast<std::chrono::milliseconds>(request.now.time_since_epoch()).count())),
        threads_(request.jobs != 0 ? request.jobs : std::max(1U, std::thread::hardware_concurrency())) {}

  ChannelIndexResult run() {
    check_request();
    make_directories(path(cache_folder));
    FileLock::Options options;
    options.timeout = request_.lock_timeout;
    options.command = request_.command;
    options.on_wait = [this](const LockHolder& holder) { reporter_.on_lock_wait(holder); };
    options.stop = stop_;
    const FileLock lock = FileLock::acquire(path(std::string(cache_folder) + "/lock"), FileLock::Mode::exclusive, options);

    for (const std::string& subdir : find_subdirs()) load(states_.emplace_back(), subdir);
    read_packages();
    for (SubdirState& state : states_) save(state);
    check_stop();
    for (SubdirState& state : states_) publish(state);
    publish_channeldata();
    for (SubdirState& state : states_) save(state);
    return finish();
  }

 private:
  std::string path(const std::string& relative) const { return request_.channel + "/" + relative; }
  std::string cache_path(const std::string& subdir) const { return path(std::string(cache_folder) + "/" + subdir); }
  void check_stop() const {
    if (stop_.stop_requested())
      throw Error("indexing was interrupted", ErrorKind::interrupted).at(request_.channel).hint("what was read so far is not read again");
  }

  static void check_base_url(const std::string& url) {
    if (url.empty()) return;
    const bool is_absolute = Url::looks_like_url(url);
    // The subdir is put behind it as it is.
    const auto is_odd = [&](char c) { return static_cast<unsigned char>(c) <= ' ' || c == '\x7f' || c == '\\' || c == '?' || c == '#' || (c == ':' && !is_absolute); };
    if (std::any_of(url.begin(), url.end(), is_odd) || (!is_absolute && url.starts_with('/')))
      throw Error("the base URL is neither a URL nor a relative path", ErrorKind::usage)
          .at(redact(url))
          .because(is_absolute            ? "it must not hold spaces, control characters, `\\`, `?` or `#`"
                   : url.starts_with('/') ? "it starts with `/`"
                                          : "a path must not hold spaces, control characters, `:`, `\\`, `?` or `#`")
          .hint("for example `https://packages.example/channel` or `../packages`");
    if (is_absolute && Url::parse(url).has_credentials())
      throw Error("the base URL has credentials, which everybody could read in the index", ErrorKind::usage);
  }

  void check_request() const {
    if (!is_directory(request_.channel)) throw Error("there is no such folder", ErrorKind::invalid_input).at(request_.channel);
    for (const std::string& reference : {request_.base_channel, request_.overrides_channel})
      if (!reference.empty() && ((reference != ".." && !reference.starts_with("../")) || reference.find_first_of("\\?#:") != std::string::npos))
        throw Error("a related channel is given by a path from this one", ErrorKind::usage)
            .at(reference)
            .because("it has to start with `../` (CEP 42)");
    if (!request_.base_channel.empty() && request_.base_channel == request_.overrides_channel)
      throw Error("one channel cannot have a higher and a lower priority", ErrorKind::usage).at(request_.base_channel);
    check_base_url(request_.base_url);
  }

  std::vector<std::string> find_subdirs() {
    std::set<std::string> found;
    if (request_.subdirs.empty()) {
      for (const std::string& name : list_directory(request_.channel))
        if (is_directory(path(name)) && (is_known_subdir(name) || (is_valid_subdir(name) && has_packages(path(name))))) found.insert(name);
      if (found.empty() && has_packages(request_.channel)) refuse_packages_without_subdir();
      if (has_packages(request_.channel)) warnings_.push_back(request_.channel + ": packages beside the subdirs are not indexed");
    }
    for (const std::string& name : request_.subdirs) {
      if (!is_valid_subdir(name)) throw Error("`" + escape_control(name) + "` is no name of a subdir", ErrorKind::usage);
      if (name != "noarch" && !is_directory(path(name)))
        throw Error("the channel has no folder `" + name + "`", ErrorKind::invalid_input).at(request_.channel);
      found.insert(name);
    }
    // A channel is a channel by this file (CEP 26).
    if (request_.subdirs.empty() || !exists(path("noarch/repodata.json"))) found.insert("noarch");
    return {found.begin(), found.end()};
  }

  [[noreturn]] void refuse_packages_without_subdir() const {
    Error error("packages of a channel lie in a folder for each platform", ErrorKind::invalid_input);
    error.at(request_.channel).because("here are packages, but no folder such as `noarch` or `linux-64`");
    const std::size_t slash = request_.channel.rfind('/');
    if (slash != std::string::npos && slash > 0 && is_known_subdir(request_.channel.substr(slash + 1)))
      error.hint("index the channel that this folder belongs to: `envtool index " + request_.channel.substr(0, slash) + "`");
    throw error.hint("move each package to the folder that `subdir` of its `info/index.json` names");
  }

  void load(SubdirState& state, const std::string& subdir) {
    state.subdir = subdir;
    make_directories(path(subdir));
    load_cache(state);
    load_withdrawn(state);
    // What is on the disk now; all else of the cache is gone.
    std::map<std::string, IndexedPackage> known = std::exchange(state.cache.packages, {});
    for (const std::string& name : list_directory(path(subdir))) {
      if (!is_package_name(name)) continue;
      const auto found = known.find(name);
      try {
        const FileStamp stamp = file_stamp(path(subdir) + "/" + name);
        if (found != known.end() && found->second.stamp == stamp) {
          state.cache.gone.erase(name);
          state.cache.packages.insert(known.extract(found));
          ++state.counts.unchanged;
        } else {
          state.pending.push_back({name, stamp.size});
        }
      } catch (const Error& error) {
        state.pending.push_back({name, 0});
        state.pending.back().error = error;
      }
    }
    for (const auto& [name, package] : known)
      if (package.indexed_timestamp != 0) state.cache.gone[name] = {package.sha256, package.indexed_timestamp};
  }

  void load_cache(SubdirState& state) {
    const std::string file = cache_path(state.subdir);
    std::optional<std::string> text;
    try {
      text = read_file_if_exists(file, most_cache_bytes);
    } catch (const Error& error) {
      warnings_.push_back(std::string("not used: ") + error.what());
    }
    if (text) {
      if (auto cache = parse_index_cache(*text)) {
        state.cache = std::move(*cache);
        return;
      }
      warnings_.push_back(file + ": damaged or of another version, all packages are read again");
    }
    // What is published is what clients have seen: its times have to stay (CEP 47).
    const std::string repodata = path(state.subdir) + "/" + repodata_name;
    try {
      if (const auto published = read_file_if_exists(repodata); published && !strip(*published).empty())
        state.published = read_published(*published, repodata);
    } catch (const Error& error) {
      warnings_.push_back(std::string("the times of earlier indexing are lost: ") + error.what());
    }
  }

  void load_withdrawn(SubdirState& state) const {
    const std::string file = path(state.subdir) + "/withdrawn.txt";
    const auto text = read_file_if_exists(file, std::uint64_t{64} << 20);
    if (!text) return;
    std::size_t number = 0;
    for (std::string_view line : split_lines(*text)) {
      ++number;
      line = strip(line);
      if (line.empty() || line.starts_with('#')) continue;
      if (!parse_archive_name(line))
        throw Error("`" + escape_control(line) + "` is no file name of a package", ErrorKind::invalid_input).at(file, number, 1);
      state.withdrawn.emplace(line);
    }
  }

  void read_packages() {
    std::vector<std::pair<SubdirState*, PendingRead*>> work;
    std::uint64_t bytes = 0;
    for (SubdirState& state : states_)
      for (PendingRead& pending : state.pending)
        if (!pending.error) {
          work.emplace_back(&state, &pending);
          bytes += pending.size;
        }
    // The longest first, so that no thread is left alone with one at the end.
    std::stable_sort(work.begin(), work.end(), [](const auto& a, const auto& b) { return a.second->size > b.second->size; });
    if (!work.empty()) reporter_.on_read_start(work.size(), bytes);
    std::mutex mutex;
    for_each_parallel(threads_, work.size(), stop_, [&](std::size_t i) {
      const auto& [state, pending] = work[i];
      try {
        pending->result = read_indexed_package(path(state->subdir), state->subdir, pending->file_name, now_, stop_);
      } catch (const Error& error) {
        if (error.kind() == ErrorKind::interrupted) return;
        pending->error = error;
      }
      const std::lock_guard guard(mutex);
      reporter_.on_read(state->subdir + "/" + pending->file_name);
    });
    if (!work.empty()) reporter_.on_read_finish();
    for (SubdirState& state : states_) take_read(state);
  }

  void take_read(SubdirState& state) {
    for (PendingRead& pending : state.pending) {
      if (pending.error) {
        ++state.counts.broken;
        broken_.push_back({state.subdir + "/" + pending.file_name, *pending.error});
      }
      if (pending.error || pending.result) ++state.counts.read;
      if (!pending.result) continue;
      for (std::string& warning : pending.result->warnings) warnings_.push_back(std::move(warning));
      IndexedPackage package = std::move(pending.result->package);
      package.indexed_timestamp = earlier_timestamp(state, package);
      state.cache.gone.erase(package.file_name);
      state.cache.packages.insert_or_assign(package.file_name, std::move(package));
    }
    state.pending.clear();
    for (const auto& [name, published] : state.published)
      if (published.indexed_timestamp != 0 && state.cache.packages.count(name) == 0) state.cache.gone.emplace(name, published);
  }

  /// When these very bytes were first indexed under this name, as far as anybody knows; else 0.
  std::uint64_t earlier_timestamp(const SubdirState& state, const IndexedPackage& package) const {
    if (const auto gone = state.cache.gone.find(package.file_name); gone != state.cache.gone.end() && gone->second.sha256 == package.sha256)
      return gone->second.indexed_timestamp;
    const auto published = state.published.find(package.file_name);
    if (published == state.published.end() || published->second.sha256 != package.sha256) return 0;
    if (published->second.indexed_timestamp != 0) return published->second.indexed_timestamp;
    // Published by a tool that did not note when: the archive has been here since it was written, at the longest.
    const std::int64_t modified = package.stamp.modified / 1'000'000;
    return modified > 0 ? std::min(static_cast<std::uint64_t>(modified), now_) : now_;
  }

  void save(const SubdirState& state) const {
    const std::string text = to_text(state.cache);
    const std::string file = cache_path(state.subdir);
    try {
      if (const auto existing = read_file_if_exists(file, text.size()); existing && *existing == text) return;
    } catch (const Error&) {
      // Longer than what it shall be, or not readable: it is replaced.
    }
    write_atomically(file, text, 0644, Durability::full);
  }

  Json channel_relations() const {
    Json relations = Json::object();
    if (!request_.base_channel.empty()) relations["base"] = request_.base_channel;
    if (!request_.overrides_channel.empty()) relations["overrides"] = request_.overrides_channel;
    return relations;
  }

  std::string base_url(const std::string& subdir) const {
    if (request_.base_url.empty()) return {};
    std::string_view url = request_.base_url;
    while (url.ends_with('/')) url.remove_suffix(1);
    return std::string(url) + "/" + subdir + "/";
  }

  void publish(SubdirState& state) {
    for (auto& [name, package] : state.cache.packages)
      if (package.indexed_timestamp == 0) package.indexed_timestamp = now_;
    const std::string& subdir = state.subdir;
    state.documents = make_documents(state.cache.packages, state.withdrawn,
                                     {subdir, base_url(subdir), channel_relations(), request_.files.shards, threads_}, stop_);
    check_stop();
    SubdirDocuments& documents = state.documents;
    state.counts.packages = documents.packages;
    state.counts.revision3 = documents.revision3;
    state.counts.removed = documents.removed;
    const std::string folder = subdir + "/";
    if (request_.files.shards) publisher_.write_shards(subdir, documents, now_, state.cache);
    else publisher_.remove(folder + "repodata_shards.msgpack.zst");
    if (request_.files.run_exports) write_document(state, folder + "run_exports.json", documents.run_exports);
    else remove_document(folder + "run_exports.json");
    write_document(state, folder + repodata_name, documents.repodata);
    publisher_.write(folder + "repodata_from_packages.json", documents.from_packages);
    for (const char* name : unkept_files) publisher_.remove(folder + name);
    documents.shards = {};
    documents.repodata = documents.from_packages = documents.run_exports = {};
  }

  /// The compressed form first: who reads the plain one finds that the other is not older.
  void write_document(SubdirState& state, const std::string& file, const std::string& content) {
    if (request_.files.zst) publisher_.write_compressed(file, content, threads_, state.cache);
    else publisher_.remove(file + ".zst");
    publisher_.write(file, content);
  }
  void remove_document(const std::string& file) {
    publisher_.remove(file + ".zst");
    publisher_.remove(file);
  }

  void publish_channeldata() {
    if (!request_.files.channeldata) return publisher_.remove("channeldata.json");
    std::vector<ChanneldataItem> items;
    std::set<std::string> subdirs;
    std::vector<SubdirState> others;
    if (!request_.subdirs.empty())
      for (const std::string& name : list_directory(request_.channel)) load_other(name, others);
    for (const auto* states : {&states_, &others})
      for (const SubdirState& state : *states) {
        subdirs.insert(state.subdir);
        items.insert(items.end(), state.documents.items.begin(), state.documents.items.end());
      }
    publisher_.write("channeldata.json", make_channeldata(std::move(items), subdirs));
  }

  /// A subdir that this run is not about, as an earlier one left it.
  void load_other(const std::string& name, std::vector<SubdirState>& others) {
    if (!is_valid_subdir(name) || !exists(path(name) + "/" + repodata_name)) return;
    if (std::any_of(states_.begin(), states_.end(), [&](const SubdirState& state) { return state.subdir == name; })) return;
    SubdirState& state = others.emplace_back();
    state.subdir = name;
    const auto text = read_file_if_exists(cache_path(name), most_cache_bytes);
    auto cache = text ? parse_index_cache(*text) : std::nullopt;
    if (!cache) {
      warnings_.push_back("channeldata.json says nothing of the packages of `" + name + "`: it has not been indexed here");
      return;
    }
    state.cache = std::move(*cache);
    load_withdrawn(state);
    SubdirTraits traits;
    traits.subdir = name;
    traits.shards = false;
    traits.threads = threads_;
    state.documents.items = make_documents(state.cache.packages, state.withdrawn, traits, stop_).items;
    check_stop();
  }

  ChannelIndexResult finish() {
    ChannelIndexResult result;
    for (const SubdirState& state : states_) result.subdirs.emplace(state.subdir, state.counts);
    std::sort(broken_.begin(), broken_.end(), [](const BrokenPackage& a, const BrokenPackage& b) { return a.file < b.file; });
    result.broken = std::move(broken_);
    result.warnings = std::move(warnings_);
    result.written.assign(publisher_.written().begin(), publisher_.written().end());
    result.removed.assign(publisher_.removed().begin(), publisher_.removed().end());
    return result;
  }

  const ChannelIndexRequest& request_;
  ChannelIndexReporter& reporter_;
  const std::stop_token stop_;
  Publisher publisher_;
  const std::uint64_t now_;
  const std::size_t threads_;
  std::vector<SubdirState> states_;
  std::vector<BrokenPackage> broken_;
  std::vector<std::string> warnings_;
};

}  // namespace

ChannelIndexResult index_channel(const ChannelIndexRequest& request, ChannelIndexReporter& reporter, std::stop_token stop) {
  return IndexRun(request, reporter, std::move(stop)).run();
}

}  // namespace envtool
