#pragma once

#include <chrono>
#include <map>
#include <mutex>
#include <optional>
#include <string>

#include "envtool/package_cache/package_cache.hpp"

namespace envtool {

/// Progress bars of downloads and extraction on standard error: one line for the whole, one for
/// each of a few running transfers, redrawn in place. On something that is no terminal it is
/// silent but for one closing line.
class TerminalProgress : public CacheReporter {
 public:
  enum class Style { none, lines, bars };
  /// `packages` and `bytes` are what the plan says will be downloaded.
  TerminalProgress(Style style, std::size_t packages, std::uint64_t bytes);
  ~TerminalProgress() override;

  void on_start(std::size_t index, const FetchRequest& request) override;
  void on_progress(std::size_t index, std::uint64_t now, std::uint64_t total) override;
  void on_retry(std::size_t index, const std::string& reason, std::chrono::milliseconds delay) override;
  void on_finish(std::size_t index) override;
  void on_extract_start(const RepoDataRecord& record) override;
  void on_extract_finish(const RepoDataRecord& record) override;
  /// Removes the bars and prints the closing line.
  void finish();

 private:
  struct Transfer {
    std::string label;
    std::uint64_t now = 0, total = 0;
    /// What was there before this run.
    std::optional<std::uint64_t> from;
  };
  void measure_speed(std::chrono::steady_clock::time_point now, std::uint64_t received);
  void draw(bool force);
  void erase_lines();

  Style style_;
  std::size_t packages_;
  std::uint64_t bytes_;
  std::mutex mutex_;
  std::map<std::size_t, Transfer> running_;
  std::map<std::string, int> extracting_;
  std::uint64_t finished_bytes_ = 0, resumed_bytes_ = 0;
  /// Bytes per second, and what it was last measured with.
  double speed_ = 0;
  std::uint64_t speed_bytes_ = 0;
  std::chrono::steady_clock::time_point speed_time_{};
  std::size_t finished_ = 0, extracted_ = 0;
  std::size_t drawn_lines_ = 0;
  bool done_ = false;
  std::chrono::steady_clock::time_point started_, last_draw_;
};

}  // namespace envtool
