#include "record_workers.hpp"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <exception>
#include <functional>
#include <mutex>
#include <system_error>
#include <thread>
#include <utility>

#include "envtool/base/text.hpp"
#include "json_scanner.hpp"
#include "record_parser.hpp"

namespace envtool {

namespace {

// Large enough that handing over costs nothing, small enough to stay in a core's cache.
constexpr std::size_t batch_size = std::size_t{256} << 10;
constexpr std::size_t longest_queue = 4;

struct Item {
  std::size_t name_begin = 0, name_size = 0, json_size = 0;  // the record's text follows its file name
  std::uint64_t offset = 0;
  Section section = Section::packages;
  bool forgets = false;  // no record: what the section brought before is dropped
};

struct Batch {
  std::string text;
  std::vector<Item> items;

  std::string_view file_name(const Item& item) const { return std::string_view(text).substr(item.name_begin, item.name_size); }
  std::string_view json(const Item& item) const {
    return std::string_view(text).substr(item.name_begin + item.name_size, item.json_size);
  }
  void add(Section section, std::string_view file_name, std::string_view json, std::uint64_t offset) {
    items.push_back({text.size(), file_name.size(), json.size(), offset, section, false});
    text.append(file_name).append(json);
  }
  void clear() {
    text.clear();
    items.clear();
  }
};

struct Problem {
  std::uint64_t offset = 0;
  std::string text;
};

// `name` of `name-version-build.extension`; anything for what is no such file name.
std::string_view name_in(std::string_view file_name) {
  for (int part = 0; part < 2; ++part) {
    const std::size_t dash = file_name.rfind('-');
    if (dash != std::string_view::npos) file_name = file_name.substr(0, dash);
  }
  return file_name;
}

std::size_t route(std::string_view name, std::size_t count) { return std::hash<std::string_view>{}(name) % count; }

}  // namespace

class RecordWorkers::Worker {
 public:
  Worker(const std::string& subdir, std::size_t number, std::size_t count) : builder_(subdir), number_(number), count_(count), alone_(count == 1) {
    spare_.reserve(longest_queue + 2);
  }
  ~Worker() {
    failed_ = true;
    join();
  }

  void add(Section section, std::string_view file_name, std::string_view json, std::uint64_t offset) {
    current_.add(section, file_name, json, offset);
    if (current_.text.size() >= batch_size) hand_over();
  }
  void forget(Section section) { current_.items.push_back({0, 0, 0, 0, section, true}); }
  bool failed() const { return failed_; }

  // All that was added is dealt with after this.
  void finish() {
    if (thread_.joinable()) hand_over();
    else work(current_);
    join();
    if (exception_) std::rethrow_exception(exception_);
  }

  IndexBuilder& builder() { return builder_; }
  std::optional<Malformed>& malformed() { return malformed_; }
  const std::optional<Problem>& problem() const { return problem_; }
  std::uint64_t skipped() const { return skipped_; }
  /// Records with another name than their file name's: they may belong to a name of another worker.
  const Batch& misfits() const { return misfits_; }

  // One record into a builder. The first problem by place in the document is kept.
  void put(IndexBuilder& builder, Section section, std::string_view file_name, std::uint64_t offset, std::string problem) {
    if (problem.empty()) problem = builder.add(section, file_name, record_);
    if (problem.empty()) return;
    ++skipped_;
    if (!problem_ || offset < problem_->offset) problem_ = {offset, "`" + escape_control(file_name) + "`: " + problem};
  }
  std::string parse(std::string_view json) { return parser_.parse(json, record_); }

 private:
  void hand_over() {
    current_.text.append(JsonScanner::padding, '\0');
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return queue_.size() < longest_queue; });
    queue_.push_back(std::exchange(current_, Batch()));
    if (!spare_.empty()) {
      current_ = std::move(spare_.back());
      spare_.pop_back();
    }
    lock.unlock();
    changed_.notify_all();
    if (!alone_ && !thread_.joinable()) {
      try {
        thread_ = std::thread([this] { run(); });
      } catch (const std::system_error&) {
        alone_ = true;  // the system has no thread left: slower, not wrong
      }
    }
    if (alone_) drain();
  }

  // Nothing is thrown out of a thread: without memory the batches are dropped, and `finish` tells.
  void run() {
    for (;;) {
      Batch batch;
      {
        std::unique_lock lock(mutex_);
        changed_.wait(lock, [&] { return !queue_.empty() || closed_; });
        if (queue_.empty()) return;
        std::swap(batch, queue_.front());
        queue_.pop_front();
      }
      changed_.notify_all();
      work(batch);
      keep_for_later(batch);
    }
  }

  void keep_for_later(Batch& batch) {
    batch.clear();
    const std::lock_guard lock(mutex_);
    if (spare_.size() < spare_.capacity()) spare_.push_back(std::move(batch));
  }

  // Without a thread: at once.
  void drain() {
    while (!queue_.empty()) {
      work(queue_.front());
      keep_for_later(queue_.front());
      queue_.pop_front();
    }
  }

  void join() {
    {
      const std::lock_guard lock(mutex_);
      closed_ = true;
    }
    changed_.notify_all();
    if (thread_.joinable()) thread_.join();
  }

  void work(Batch& batch) {
    if (failed_) return;
    try {
      batch.text.reserve(batch.text.size() + JsonScanner::padding);
      for (const Item& item : batch.items) {
        if (item.forgets) {
          builder_.forget(item.section);
          std::erase_if(misfits_.items, [&](const Item& misfit) { return misfit.section == item.section; });
        } else if (!read(batch, item)) {
          return;
        }
      }
    } catch (...) {
      exception_ = std::current_exception();
      failed_ = true;
    }
  }

  bool read(const Batch& batch, const Item& item) {
    const std::string_view file_name = batch.file_name(item);
    try {
      std::string problem = parse(batch.json(item));
      if (problem.empty() && route(record_.name, count_) != number_) {
        misfits_.add(item.section, file_name, batch.json(item), item.offset);
      } else {
        put(builder_, item.section, file_name, item.offset, std::move(problem));
      }
      return true;
    } catch (const MalformedJson& malformed) {
      malformed_ = {item.offset, std::string(file_name), malformed.why};
      failed_ = true;
      return false;
    }
  }

  IndexBuilder builder_;
  std::size_t number_, count_;
  bool alone_;  // without a thread
  RecordParser parser_;
  RawRecord record_;
  Batch current_, misfits_;
  std::uint64_t skipped_ = 0;
  std::optional<Problem> problem_;
  std::optional<Malformed> malformed_;
  std::exception_ptr exception_;
  std::atomic<bool> failed_ = false;

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Batch> queue_;
  std::vector<Batch> spare_;  // with their memory, for the next batches
  bool closed_ = false;
  std::thread thread_;
};

RecordWorkers::RecordWorkers(const std::string& subdir, unsigned count) {
  for (unsigned number = 0; number < count; ++number) workers_.push_back(std::make_unique<Worker>(subdir, number, count));
}

RecordWorkers::~RecordWorkers() = default;

RecordWorkers::Worker& RecordWorkers::worker_for(std::string_view file_name) {
  return *workers_[route(name_in(file_name), workers_.size())];
}

void RecordWorkers::add(Section section, std::string_view file_name, std::string_view json, std::uint64_t offset) {
  worker_for(file_name).add(section, file_name, json, offset);
}

void RecordWorkers::forget(Section section) {
  for (const auto& worker : workers_) worker->forget(section);
}

bool RecordWorkers::failed() const {
  return std::any_of(workers_.begin(), workers_.end(), [](const auto& worker) { return worker->failed(); });
}

std::optional<RecordWorkers::Malformed> RecordWorkers::finish(IndexBuilder& builder, ReadSummary& summary) {
  std::optional<Malformed> first;
  Batch misfits;
  for (const auto& worker : workers_) {
    worker->finish();
    auto& malformed = worker->malformed();
    if (malformed && (!first || malformed->offset < first->offset)) first = std::move(malformed);
    builder.absorb(worker->builder());
    for (const Item& item : worker->misfits().items) {
      misfits.add(item.section, worker->misfits().file_name(item), worker->misfits().json(item), item.offset);
    }
  }
  if (first) return first;

  misfits.text.append(JsonScanner::padding, '\0');
  std::sort(misfits.items.begin(), misfits.items.end(), [](const Item& a, const Item& b) { return a.offset < b.offset; });
  Worker& own = *workers_.front();
  for (const Item& item : misfits.items) {
    own.put(builder, item.section, misfits.file_name(item), item.offset, own.parse(misfits.json(item)));
  }
  std::optional<Problem> problem;
  for (const auto& worker : workers_) {
    summary.skipped += worker->skipped();
    if (worker->problem() && (!problem || worker->problem()->offset < problem->offset)) problem = worker->problem();
  }
  if (problem) summary.first_problem = problem->text;
  return {};
}

}  // namespace envtool
