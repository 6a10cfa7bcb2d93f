#include "progress.hpp"

#include <algorithm>
#include <cstdio>

#include "envtool/base/text.hpp"
#include "terminal.hpp"

namespace envtool {

namespace {
constexpr std::size_t shown_transfers = 4;
constexpr auto redraw_interval = std::chrono::milliseconds(80);

std::string bar(std::uint64_t now, std::uint64_t total, std::size_t width) {
  const std::size_t filled =
      total == 0 ? 0 : static_cast<std::size_t>(std::min<std::uint64_t>(now, total) * width / total);
  std::string text(filled, '=');
  if (filled < width) text += '>';
  text.resize(width, ' ');
  return "[" + text + "]";
}

std::string fitted(std::string text, std::size_t width) {
  if (text.size() > width) return text.substr(0, width > 1 ? width - 1 : 0) + "~";
  text.resize(width, ' ');
  return text;
}

/// `, 0:12 left`; nothing while it cannot be told.
std::string time_left(std::uint64_t bytes, double speed) {
  if (bytes == 0 || speed < 1) return "";
  const double seconds = static_cast<double>(bytes) / speed;
  if (seconds > 99 * 3600.0) return "";
  const auto whole = static_cast<unsigned>(seconds) + 1;
  char text[48];
  if (whole >= 3600) std::snprintf(text, sizeof text, ", %u:%02u:%02u left", whole / 3600, whole / 60 % 60, whole % 60);
  else std::snprintf(text, sizeof text, ", %u:%02u left", whole / 60, whole % 60);
  return text;
}

void put(const std::string& text) { std::fwrite(text.data(), 1, text.size(), stderr); }
}  // namespace

TerminalProgress::TerminalProgress(Style style, std::size_t packages, std::uint64_t bytes)
    : style_(style), packages_(packages), bytes_(bytes), started_(std::chrono::steady_clock::now()), last_draw_() {}

TerminalProgress::~TerminalProgress() {
  const std::lock_guard guard(mutex_);
  erase_lines();
}

void TerminalProgress::on_start(std::size_t index, const FetchRequest& request) {
  const std::lock_guard guard(mutex_);
  running_[index] = {escape_control(request.label), 0, request.expected_size, std::nullopt};
  draw(false);
}

void TerminalProgress::on_progress(std::size_t index, std::uint64_t now, std::uint64_t total) {
  const std::lock_guard guard(mutex_);
  auto found = running_.find(index);
  if (found == running_.end()) return;
  // A resumed transfer starts with what an earlier run received: that is no speed.
  if (!found->second.from) resumed_bytes_ += *(found->second.from = now);
  found->second.now = now;
  if (total != 0) found->second.total = total;
  draw(false);
}

void TerminalProgress::on_retry(std::size_t index, const std::string& reason, std::chrono::milliseconds delay) {
  const std::lock_guard guard(mutex_);
  if (style_ == Style::none) return;
  erase_lines();
  auto found = running_.find(index);
  print_note("retrying " + (found == running_.end() ? std::string("a transfer") : found->second.label) + " in " +
             std::to_string((delay.count() + 999) / 1000) + " s: " + escape_control(reason));
}

void TerminalProgress::on_finish(std::size_t index) {
  const std::lock_guard guard(mutex_);
  auto found = running_.find(index);
  if (found != running_.end()) {
    finished_bytes_ += std::max(found->second.now, found->second.total);
    running_.erase(found);
  }
  ++finished_;
  draw(true);
}

void TerminalProgress::on_extract_start(const RepoDataRecord& record) {
  const std::lock_guard guard(mutex_);
  ++extracting_[record.name];
  draw(false);
}

void TerminalProgress::on_extract_finish(const RepoDataRecord& record) {
  const std::lock_guard guard(mutex_);
  if (auto found = extracting_.find(record.name); found != extracting_.end() && --found->second == 0)
    extracting_.erase(found);
  ++extracted_;
  draw(true);
}

void TerminalProgress::finish() {
  const std::lock_guard guard(mutex_);
  if (done_) return;
  done_ = true;
  erase_lines();
  if (style_ == Style::none || finished_ == 0) return;
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - started_).count();
  char rest[96];
  std::snprintf(rest, sizeof rest, " in %.1f s", seconds);
  print_note("Fetched " + std::to_string(finished_) + (finished_ == 1 ? " package, " : " packages, ") +
             human_size(finished_bytes_) + rest);
}

void TerminalProgress::erase_lines() {
  if (drawn_lines_ == 0) return;
  put("\r\x1b[" + std::to_string(drawn_lines_) + "A\x1b[J");
  std::fflush(stderr);
  drawn_lines_ = 0;
}

/// The rate of the last seconds: a moving average, so that a stall shows.
void TerminalProgress::measure_speed(std::chrono::steady_clock::time_point now, std::uint64_t received) {
  if (speed_time_ == std::chrono::steady_clock::time_point{}) speed_time_ = started_;
  const double seconds = std::chrono::duration<double>(now - speed_time_).count();
  if (seconds < 0.25) return;
  const double recent = static_cast<double>(received - std::min(received, speed_bytes_)) / seconds;
  constexpr double memory = 3.0;  // seconds
  const double weight = speed_ == 0 ? 1 : std::min(1.0, seconds / memory);
  speed_ += weight * (recent - speed_);
  speed_time_ = now;
  speed_bytes_ = received;
}

void TerminalProgress::draw(bool force) {
  if (style_ != Style::bars || done_) return;
  const auto now = std::chrono::steady_clock::now();
  if (!force && now - last_draw_ < redraw_interval) return;
  if (force && now - last_draw_ < redraw_interval / 4) return;
  last_draw_ = now;

  const std::size_t width = std::max<std::size_t>(terminal_width(), 50);
  // The first line says the most: 18 for its label, 44 for sizes, rate and time.
  const std::size_t bar_width = std::clamp<std::size_t>(width < 72 ? 0 : width - 64, 8, 40);
  const std::size_t label_width = std::clamp<std::size_t>(width < 42 + bar_width ? 0 : width - bar_width - 16, 16, 40);
  std::uint64_t received = finished_bytes_;
  for (const auto& [index, transfer] : running_) received += transfer.now;
  const std::uint64_t total = std::max(bytes_, received);
  measure_speed(now, received - std::min(received, resumed_bytes_));

  std::vector<std::string> lines;
  lines.push_back(fitted("Fetching " + std::to_string(finished_) + "/" + std::to_string(packages_), 18) + " " +
                  bar(received, total, bar_width) + " " + human_size(received) + " / " + human_size(total) + ", " +
                  human_size(static_cast<std::uint64_t>(speed_)) + "/s" + time_left(total - received, speed_));
  for (const auto& [index, transfer] : running_) {
    if (lines.size() > shown_transfers) break;
    lines.push_back("  " + fitted(transfer.label, label_width) + " " + bar(transfer.now, transfer.total, bar_width) + " " +
                    human_size(transfer.now));
  }
  if (!extracting_.empty()) {
    std::string names;
    for (const auto& [name, count] : extracting_) names += (names.empty() ? "" : ", ") + name;
    lines.push_back(fitted("  extracting " + escape_control(names), width - 1));
  }
  std::string text;
  if (drawn_lines_ > 0) text = "\r\x1b[" + std::to_string(drawn_lines_) + "A";
  for (std::string& line : lines) {
    if (line.size() >= width) line.resize(width - 1);
    text += "\r" + line + "\x1b[K\n";
  }
  text += "\x1b[J";
  drawn_lines_ = lines.size();
  put(text);
  std::fflush(stderr);
}

}  // namespace envtool
