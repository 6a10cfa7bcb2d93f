#include "envtool/install/file_facts.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <exception>
#include <functional>
#include <mutex>
#include <numeric>
#include <optional>
#include <system_error>
#include <thread>

#include "envtool/base/error.hpp"
#include "envtool/os/file_lock.hpp"
#include "envtool/records/paths_json.hpp"
#include "journal.hpp"
#include "move_mark.hpp"
#include "parallel.hpp"
#include "prefix_root.hpp"
#include "system_call.hpp"

namespace envtool {

namespace {
using namespace detail;

/// Files of this size are read one by one, the largest first, so that no thread is left alone with one in the end.
constexpr std::uint64_t large = std::uint64_t{4} << 20;
/// Neighbours share a folder, which stays open.
constexpr std::size_t chunk = 16;

FileFacts::Type type_of(mode_t mode) {
  if (S_ISREG(mode)) return FileFacts::Type::file;
  if (S_ISLNK(mode)) return FileFacts::Type::link;
  return S_ISDIR(mode) ? FileFacts::Type::folder : FileFacts::Type::other;
}

/// Answers questions one after the other; each thread has its own.
class Looker {
 public:
  Looker(const std::string& folder, std::stop_token stop) : root_(folder), stop_(std::move(stop)), buffer_(std::size_t{256} << 10) {}
  std::uint64_t bytes() const { return bytes_; }

  FileFacts look(const FileQuestion& question) {
    FileFacts facts;
    if (!is_safe_relative_path(question.path)) {
      facts.type = FileFacts::Type::outside;
      return facts;
    }
    try {
      const auto place = root_.place(question.path);
      struct stat status{};
      if (!place || fstatat(place->folder, place->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
        if (place && errno != ENOENT && errno != ENOTDIR) facts.problem = system_error("", errno).why();
        return facts;
      }
      facts.type = type_of(status.st_mode);
      facts.mode = status.st_mode & 07777U;
      facts.size = static_cast<std::uint64_t>(status.st_size);
      facts.modified = status.st_mtim.tv_sec;
      facts.inode = status.st_ino;
      facts.device = status.st_dev;
      if (facts.type == FileFacts::Type::link) facts.text = root_.link_text(question.path).value_or("");
      if (facts.type == FileFacts::Type::file && question.wanted != FileQuestion::Wanted::status) read_file(*place, question, facts);
    } catch (const Error& error) {
      if (error.kind() == ErrorKind::interrupted) throw;
      if (error.kind() == ErrorKind::unsafe) facts.type = FileFacts::Type::outside;
      else facts.problem = error.message() + (error.why().empty() ? "" : ": " + error.why());
    }
    return facts;
  }

 private:
  void read_file(const PrefixRoot::Place& place, const FileQuestion& question, FileFacts& facts) {
    const bool whole = question.wanted == FileQuestion::Wanted::content;
    if (whole && question.size && *question.size != facts.size) return;
    const FileDescriptor fd(openat(place.folder, place.name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC));
    struct stat status{};
    if (!fd || fstat(fd.get(), &status) != 0) {
      facts.problem = system_error("", errno).why();
      return;
    }
    if (!S_ISREG(status.st_mode)) {
      facts.problem = "it was replaced while it was looked at";
      return;
    }
    Hasher<Sha256>& hasher = hasher_;
    for (;;) {
      throw_if_stopped(stop_);
      const ssize_t got = read(fd.get(), buffer_.data(), whole ? buffer_.size() : 16);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) {
        facts.problem = system_error("", errno).why();
        (void)hasher.finish();
        return;
      }
      const auto size = static_cast<std::size_t>(got);
      if (facts.text.size() < 16) facts.text.append(buffer_.data(), std::min(size, 16 - facts.text.size()));
      bytes_ += size;
      if (!whole) return;
      if (got == 0) break;
      hasher.update(buffer_.data(), size);
    }
    facts.digest = hasher.finish();
  }

  PrefixRoot root_;
  std::stop_token stop_;
  std::vector<char> buffer_;
  Hasher<Sha256> hasher_;
  std::uint64_t bytes_ = 0;
};

/// The order of the work: large files first, then as asked.
std::vector<std::size_t> work_order(std::span<const FileQuestion> questions, std::size_t& large_ones) {
  std::vector<std::size_t> order(questions.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto size = [&](std::size_t i) {
    return questions[i].wanted == FileQuestion::Wanted::content ? questions[i].size.value_or(0) : 0;
  };
  const auto small = std::stable_partition(order.begin(), order.end(), [&](std::size_t i) { return size(i) >= large; });
  std::stable_sort(order.begin(), small, [&](std::size_t a, std::size_t b) { return size(a) > size(b); });
  large_ones = static_cast<std::size_t>(small - order.begin());
  return order;
}
/// Runs the same work in several threads, this one included; the first error is thrown.
void run_workers(unsigned threads, const std::function<void()>& work) {
  std::exception_ptr first_error;
  std::mutex mutex;
  const auto guarded = [&] {
    try {
      work();
    } catch (...) {
      const std::lock_guard lock(mutex);
      if (!first_error) first_error = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    try {
      while (helpers.size() + 1 < threads) helpers.emplace_back(guarded);
    } catch (const std::system_error&) {
      // No more threads to be had: fewer do.
    }
    guarded();
  }
  if (first_error) std::rethrow_exception(first_error);
}
}  // namespace

std::vector<FileFacts> look_at_files(const std::string& folder, std::span<const FileQuestion> questions, std::stop_token stop,
                                     std::uint64_t* bytes) {
  std::vector<FileFacts> facts(questions.size());
  if (questions.empty()) return facts;
  std::size_t large_ones = 0;
  const std::vector<std::size_t> order = work_order(questions, large_ones);
  std::atomic<std::size_t> next{0};
  std::atomic<std::uint64_t> total{0};
  const unsigned threads = questions.size() < 64 && large_ones < 2 ? 1 : std::clamp(std::thread::hardware_concurrency(), 1U, 8U);
  const auto work = [&] {
    Looker looker(folder, stop);
    for (;;) {
      // Large files one by one, the others in portions.
      std::size_t begin = next.load();
      std::size_t end = 0;
      do {
        if (begin >= order.size()) break;
        end = begin < large_ones ? begin + 1 : std::min(begin + chunk, order.size());
      } while (!next.compare_exchange_weak(begin, end));
      if (begin >= order.size()) break;
      throw_if_stopped(stop);
      for (std::size_t i = begin; i < end; ++i) facts[order[i]] = looker.look(questions[order[i]]);
    }
    total += looker.bytes();
  };
  run_workers(threads, work);
  if (bytes != nullptr) *bytes += total;
  return facts;
}

bool set_file_mode(const PrefixLock& lock, const std::string& path, unsigned mode) {
  PrefixRoot root(lock.prefix().path());
  const auto place = root.place(path);
  struct stat status{};
  if (!place || fstatat(place->folder, place->name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(status.st_mode)) return false;
  if ((status.st_mode & 07777U) == mode) return true;
  if (system_call("install.chmod", [&] { return fchmodat(place->folder, place->name.c_str(), mode, AT_SYMLINK_NOFOLLOW); }) != 0)
    fail_errno("cannot set the mode of a file", root.path() + "/" + path, errno);
  return true;
}

PendingChange describe_pending_change(const Prefix& prefix) {
  PendingChange change;
  try {
    // A shared lock for a moment: free when nobody changes anything. The file is not made for this.
    if (surely_exists(prefix.lock_file())) (void)FileLock::acquire(prefix.lock_file(), FileLock::Mode::shared, {});
  } catch (const Error& error) {
    constexpr std::string_view words = "the lock is held by ";
    if (error.kind() == ErrorKind::locked)
      change.worker = error.why().starts_with(words) ? error.why().substr(words.size()) : "another process";
    // A lock that cannot even be read tells nothing.
  }
  const std::string folder = prefix.transaction_directory();
  if (!change.worker.empty() || !surely_exists(folder)) return change;
  using Outcome = PendingChange::Outcome;
  if (read_move_mark(prefix.path())) {
    change.outcome = Outcome::move;
    return change;
  }
  if (!surely_exists(folder + "/journal.ready")) {
    // What is done lacks byte code at most.
    change.outcome = surely_exists(folder + "/journal.done") ? Outcome::finish : Outcome::undo;
    return change;
  }
  change.outcome = Outcome::unusable;
  for (const char* name : {"/journal.ready", "/journal.copy"}) {
    struct stat status{};
    if (lstat((folder + name).c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    try {
      (void)parse_journal(read_file(folder + name), folder + name);
      change.outcome = exists_no_follow(folder + "/undo") ? Outcome::undo : Outcome::finish;
      break;
    } catch (const Error&) {
      // The other one may do.
    }
  }
  return change;
}

}  // namespace envtool
