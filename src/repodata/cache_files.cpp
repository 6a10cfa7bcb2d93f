#include "cache_files.hpp"

#include <algorithm>
#include <array>
#include <string_view>

#include "cache_state.hpp"
#include "envtool/base/digest.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/clock.hpp"

namespace envtool {

std::int64_t now_ns() { return std::chrono::duration_cast<std::chrono::nanoseconds>(now().time_since_epoch()).count(); }

std::string cache_stem(const std::string& folder, const std::string& url) {
  return folder + "/" + sha256(url).hex().substr(0, 16);
}

FileDescriptor open_to_read(const std::string& path) {
  return FileDescriptor(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
}

FileLock::Options lock_options(const std::string& display_url, const RepoDataOptions& options, SharedReporter& reporter,
                               std::stop_token stop) {
  FileLock::Options lock;
  lock.timeout = options.lock_timeout;
  lock.command = "fetching " + display_url;
  lock.stop = std::move(stop);
  lock.on_wait = [&reporter, display_url](const LockHolder& holder) {
    reporter([&](RepoDataReporter& target) { target.on_lock_wait(display_url, holder.text()); });
  };
  return lock;
}

std::string http_status_of(const Error& error) {
  for (const auto& [key, values] : error.fields()) {
    if (key == "http_status" && !values.empty()) return values.front();
  }
  return {};
}

bool may_mean_missing(const Error& error) {
  static constexpr std::array<std::string_view, 7> statuses{"400", "403", "405", "406", "415", "500", "501"};
  return std::find(statuses.begin(), statuses.end(), http_status_of(error)) != statuses.end();
}

std::string web_page_hint() { return "the answer is a web page: is there a login page or a proxy in the way?"; }

void warn_of_older(SharedReporter& reporter, const std::string& url, const std::string& before, const std::string& now) {
  const auto earlier = parse_time(before), current = parse_time(now);
  if (!earlier || !current || *current >= *earlier) return;
  reporter([&](RepoDataReporter& target) {
    target.on_warning("the index at " + url + " is of " + escape_control(now) + ", older than the one of " +
                      escape_control(before) + " that was there before: a mirror that lags behind, or old content that somebody plays back");
  });
}

}  // namespace envtool
