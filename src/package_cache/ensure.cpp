#include "ensure.hpp"

#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>

#include "archives.hpp"
#include "check.hpp"
#include "envtool/base/error.hpp"
#include "envtool/os/log.hpp"
#include "identity.hpp"
#include "insert.hpp"
#include "worker_pool.hpp"

namespace envtool {
namespace {

using Clock = std::chrono::steady_clock;
constexpr std::chrono::milliseconds poll_interval{50};
constexpr std::chrono::seconds report_interval{10};

/// How many descriptors this process may have: bounds threads and locks.
std::size_t descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return 256;
  return static_cast<std::size_t>(std::clamp<rlim_t>(limit.rlim_cur, 48, 4096));
}

std::size_t thread_count(const CacheOptions& options, std::size_t items) {
  const std::size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const std::size_t wanted = options.extract_threads != 0 ? options.extract_threads : std::min<std::size_t>(cores, 8);
  const std::size_t affordable = (descriptor_limit() - 36) / 12;
  return std::max<std::size_t>(1, std::min({wanted, affordable, items}));
}

/// Passes everything on, one call at a time, with the caller's indices.
class SerialReporter : public DownloadReporter {
 public:
  explicit SerialReporter(CacheReporter* target) : target_(target) {}

  template <typename Call>
  void tell(const Call& call) {
    if (target_ == nullptr) return;
    const std::lock_guard lock(mutex_);
    call(*target_);
  }
  void set_indices(std::vector<std::size_t> indices) { indices_ = std::move(indices); }

  void on_start(std::size_t index, const FetchRequest& request) override {
    tell([&](CacheReporter& target) { target.on_start(indices_[index], request); });
  }
  void on_progress(std::size_t index, std::uint64_t now, std::uint64_t total) override {
    tell([&](CacheReporter& target) { target.on_progress(indices_[index], now, total); });
  }
  void on_retry(std::size_t index, const std::string& reason, std::chrono::milliseconds delay) override {
    tell([&](CacheReporter& target) { target.on_retry(indices_[index], reason, delay); });
  }
  void on_finish(std::size_t index) override {
    tell([&](CacheReporter& target) { target.on_finish(indices_[index]); });
  }

 private:
  CacheReporter* target_;
  std::mutex mutex_;
  std::vector<std::size_t> indices_;  // of the requests that run, by their place among them
};

struct Item {
  RepoDataRecord record;
  std::size_t position = 0;  ///< of the first record that wants it
  std::optional<CachedPackage> package;
  std::optional<std::string> archive;
  std::optional<FileLock> lock;
};

std::optional<CachedPackage> find_package(std::span<const std::string> directories, const RepoDataRecord& record,
                                          const std::stop_token& stop) {
  for (const std::string& directory : directories)
    for (const std::string& name : entry_names(record)) {
      EntryCheck check = check_entry(CacheFolder{directory}, name, record, stop);
      if (check.state == EntryCheck::State::good) return std::move(check.package);
      if (check.state == EntryCheck::State::damaged)
        log_info("not using the damaged package `" + directory + "/" + name + "`: " + check.why);
    }
  return std::nullopt;
}

class EnsureRun {
 public:
  EnsureRun(const PackageCache& cache, const CacheOptions& options, Fetcher& fetcher, CacheReporter* reporter,
            std::stop_token stop)
      : cache_(cache), options_(options), fetcher_(fetcher), reporter_(reporter), outer_stop_(std::move(stop)),
        link_(outer_stop_, [this] { stop_.request_stop(); }) {}

  std::vector<CachedPackage> run(std::span<const RepoDataRecord> records) {
    collect(records);
    pool_.emplace(thread_count(options_, items_.size()), [this] {
      failed_ = true;
      stop_.request_stop();
    });
    for (const std::string& directory : cache_.directories()) add_lease(CacheFolder{directory});
    std::vector<Item*> pending;
    for (Item& item : items_) pending.push_back(&item);
    look_up(pending);
    drop_finished(pending);
    if (!pending.empty()) {
      folder_.path = cache_.writable_directory();
      add_lease(folder_);
      folder_.remove_old_leftovers();
      obtain(pending);
    }
    std::vector<CachedPackage> packages;
    for (std::size_t i = 0; i < records.size(); ++i) {
      packages.push_back(*items_[item_of_record_[i]].package);
      // Two records may be about the same content; each gets its own origin back.
      packages.back().record = completed(records[i], packages.back().record);
    }
    const auto lease = std::make_shared<const std::vector<std::shared_ptr<const void>>>(std::move(leases_));
    for (CachedPackage& package : packages) package.lease = lease;
    return packages;
  }

 private:
  void collect(std::span<const RepoDataRecord> records) {
    std::unordered_map<std::string, std::size_t> known;
    for (std::size_t i = 0; i < records.size(); ++i) {
      check_record_names(records[i]);
      Item item;
      item.record = records[i];
      item.position = i;
      take_digest_from_local_file(item.record, stop_.get_token());
      const auto [place, is_new] = known.emplace(item.record.fn + distinction(item.record), items_.size());
      if (is_new) items_.push_back(std::move(item));
      item_of_record_.push_back(place->second);
    }
  }

  void add_lease(const CacheFolder& folder) {
    if (std::find(leased_.begin(), leased_.end(), folder.path) != leased_.end()) return;
    if (auto lease = take_lease(folder, stop_.get_token())) {
      leases_.push_back(std::move(lease));
      leased_.push_back(folder.path);
    }
  }

  /// Fills in what caches already have.
  void look_up(const std::vector<Item*>& items) {
    for (Item* item : items)
      pool_->submit([this, item] {
        item->package = find_package(cache_.directories(), item->record, stop_.get_token());
        if (!item->package) return;
        item->lock.reset();
        reporter_.tell([&](CacheReporter& target) { target.on_cached(item->package->record); });
      });
    pool_->wait();
  }

  static void drop_finished(std::vector<Item*>& items) {
    std::erase_if(items, [](const Item* item) { return item->package.has_value(); });
  }

  /// Works through what is missing, in rounds: whatever no other process is busy with right now.
  void obtain(std::vector<Item*>& pending) {
    Clock::time_point waiting_since = Clock::now(), next_report = waiting_since;
    std::size_t probe = 0;
    while (!pending.empty()) {
      throw_if_stopped();
      std::vector<Item*> batch = claim(pending, probe);
      if (batch.empty()) {
        // All are with other processes: take what they finish, and probe one lock after the other.
        std::vector<Item*> shown;
        for (Item* item : pending)
          for (const std::string& name : entry_names(item->record))
            if (exists_no_follow(folder_.entry(name)) && (shown.empty() || shown.back() != item)) shown.push_back(item);
        if (Clock::now() >= next_report) {
          reporter_.tell([&](CacheReporter& target) { target.on_wait(pending.front()->record); });
          next_report = Clock::now() + report_interval;
        }
        const std::size_t before = pending.size();
        look_up(shown);
        drop_finished(pending);
        if (pending.size() < before) {
          waiting_since = Clock::now();
          continue;
        }
        if (Clock::now() - waiting_since < options_.wait_limit) {
          pause();
          ++probe;
          continue;
        }
        // Locks only save work. Their owner may be suspended, or on a machine that has vanished.
        log_info("another process has been busy with a package for too long, doing its work as well");
        batch = pending;
      }
      process(batch);
      drop_finished(pending);
      waiting_since = Clock::now();
    }
  }

  /// Takes the locks that are free. While all were taken last time only one of them is asked for.
  std::vector<Item*> claim(const std::vector<Item*>& pending, std::size_t& probe) {
    const std::size_t most = std::min<std::size_t>(256, (descriptor_limit() - 32) / 2);
    std::vector<Item*> batch;
    if (probe > 0 && !try_lock(*pending[probe % pending.size()])) return batch;
    probe = 0;
    for (Item* item : pending) {
      if (batch.size() == most) break;
      if (item->lock || try_lock(*item)) batch.push_back(item);
    }
    return batch;
  }

  /// False when another process has the lock; true also when locking does not work here.
  bool try_lock(Item& item) {
    try {
      item.lock = FileLock::try_acquire(folder_.package_lock(item.record.fn), FileLock::Mode::exclusive, "package cache");
      return item.lock.has_value();
    } catch (const Error& error) {
      log_debug(std::string("fetching a package without a lock: ") + error.what());
      return true;
    }
  }

  void process(std::vector<Item*>& batch) {
    // Between the first look and the lock another process may have brought it.
    look_up(batch);
    drop_finished(batch);
    for (Item* item : batch)
      pool_->submit([this, item] { item->archive = find_archive(cache_.directories(), item->record, stop_.get_token()); });
    pool_->wait();

    std::vector<Item*> absent;
    for (Item* item : batch) {
      if (item->archive) extract_later(*item);
      else absent.push_back(item);
    }
    if (!absent.empty()) download(absent);
    pool_->wait();
  }

  void download(const std::vector<Item*>& items) {
    std::vector<FetchRequest> requests;
    std::vector<std::size_t> indices;
    for (const Item* item : items) {
      requests.push_back(request_for(item->record));
      indices.push_back(item->position);
    }
    reporter_.set_indices(std::move(indices));
    try {
      fetcher_.fetch_all(
          requests,
          [&](std::size_t index, FetchResult) {
            items[index]->archive = requests[index].target_path;
            folder_.append_url(items[index]->record.url);
            extract_later(*items[index]);
          },
          &reporter_, stop_.get_token());
    } catch (...) {
      // What failed first is what the user shall read: a failed extraction stops the downloads, and
      // failed downloads stop the extractions.
      const bool extraction_failed = failed_;
      const std::exception_ptr fetch_error = std::current_exception();
      stop_.request_stop();
      try {
        pool_->wait();
      } catch (...) {
        if (extraction_failed) throw;
      }
      std::rethrow_exception(fetch_error);
    }
  }

  FetchRequest request_for(const RepoDataRecord& record) const {
    if (!record.sha256 && !record.md5)
      log_warning("`" + record.fn + "` comes without a checksum: " +
                  (record.size != 0 ? "only its size can be checked" : "nothing about it can be checked"));
    std::vector<Url> urls = options_.sources ? options_.sources(record) : std::vector<Url>();
    if (urls.empty()) urls.push_back(Url::parse(record.url));
    FetchRequest request;
    request.url = urls.front();
    request.mirrors.assign(urls.begin() + 1, urls.end());
    request.target_path = download_target(folder_, record, stop_.get_token());
    request.expected_size = record.size;
    request.sha256 = record.sha256;
    request.md5 = record.md5;
    request.label = record.fn;
    return request;
  }

  void extract_later(Item& item) {
    pool_->submit([this, &item] {
      reporter_.tell([&](CacheReporter& target) { target.on_extract_start(item.record); });
      try {
        item.package = insert_package(folder_, *item.archive, item.record, options_, stop_.get_token());
      } catch (const Error& error) {
        const bool bad_archive = error.kind() == ErrorKind::corrupt || error.kind() == ErrorKind::unsafe;
        if (bad_archive && item.archive->starts_with(folder_.path + "/")) remove_file(*item.archive);
        throw;
      }
      item.lock.reset();
      reporter_.tell([&](CacheReporter& target) { target.on_extract_finish(item.record); });
    });
  }

  void pause() {
    std::mutex mutex;
    std::condition_variable_any never;
    std::unique_lock lock(mutex);
    never.wait_for(lock, stop_.get_token(), poll_interval, [] { return false; });
  }

  void throw_if_stopped() const {
    if (stop_.stop_requested()) throw Error("fetching packages was interrupted", ErrorKind::interrupted);
  }

  const PackageCache& cache_;
  const CacheOptions& options_;
  Fetcher& fetcher_;
  SerialReporter reporter_;
  std::stop_token outer_stop_;
  std::stop_source stop_;
  std::stop_callback<std::function<void()>> link_;
  std::atomic<bool> failed_ = false;
  CacheFolder folder_;  // where new packages go
  std::vector<Item> items_;
  std::vector<std::size_t> item_of_record_;
  std::vector<std::shared_ptr<const void>> leases_;
  std::vector<std::string> leased_;
  std::optional<WorkerPool> pool_;  // last: its threads use everything above
};

}  // namespace

std::vector<CachedPackage> ensure_packages(const PackageCache& cache, const CacheOptions& options,
                                           std::span<const RepoDataRecord> records, Fetcher& fetcher,
                                           CacheReporter* reporter, const std::stop_token& stop) {
  return EnsureRun(cache, options, fetcher, reporter, stop).run(records);
}

std::vector<RepoDataRecord> missing_packages(const PackageCache& cache, std::span<const RepoDataRecord> records) {
  std::vector<char> found(records.size(), 0);
  {
    WorkerPool pool(thread_count({}, records.size()), nullptr);
    for (std::size_t i = 0; i < records.size(); ++i)
      pool.submit([&, i] {
        check_record_names(records[i]);
        RepoDataRecord record = records[i];
        take_digest_from_local_file(record, {});
        found[i] = find_package(cache.directories(), record, {}) || find_archive(cache.directories(), record, {}) ? 1 : 0;
      });
    pool.wait();
  }
  std::vector<RepoDataRecord> missing;
  for (std::size_t i = 0; i < records.size(); ++i)
    if (found[i] == 0) missing.push_back(records[i]);
  return missing;
}

}  // namespace envtool
