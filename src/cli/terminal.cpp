#include "terminal.hpp"

#include <poll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "output_closed.hpp"

namespace envtool {

namespace {
void write_all(int file_descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(file_descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0 && errno == EPIPE && file_descriptor == STDOUT_FILENO) throw OutputClosed();
    if (written < 0) throw system_error("cannot write to standard output", errno);
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

/// Width as a terminal shows it: code points, good enough for names and versions.
std::size_t display_width(std::string_view text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}
}  // namespace

bool is_terminal(int file_descriptor) {
  const char* term = std::getenv("TERM");
  return ::isatty(file_descriptor) == 1 && (term == nullptr || std::strcmp(term, "dumb") != 0);
}

std::size_t terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool ask(const std::string& question, bool default_answer) {
  if (::isatty(STDIN_FILENO) != 1)
    throw Error("this needs a confirmation and there is no terminal to ask on", ErrorKind::usage)
        .hint("add `--yes` to go ahead, or `--dry-run` to see what would be done");
  for (;;) {
    write_all(STDERR_FILENO, question + (default_answer ? " [Y/n] " : " [y/N] "));
    std::string answer;
    char c = 0;
    for (;;) {
      const ssize_t got = ::read(STDIN_FILENO, &c, 1);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw Error("no answer to the question", ErrorKind::usage).hint("add `--yes` to go ahead");
      if (c == '\n') break;
      answer += c;
    }
    answer = to_lower(strip(answer));
    if (answer.empty()) return default_answer;
    if (answer == "y" || answer == "yes") return true;
    if (answer == "n" || answer == "no") return false;
  }
}

void print_out(std::string_view text) { write_all(STDOUT_FILENO, text); }

void print_note(std::string_view text) {
  // Nobody reading standard error is no reason to stop working.
  try {
    write_all(STDERR_FILENO, std::string(text) + "\n");
  } catch (const Error&) {
  }
}

void TextTable::add(const std::vector<std::string>& row) {
  if (widths_.size() < row.size()) widths_.resize(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    widths_[i] = std::max(widths_[i], display_width(row[i]));
    text_ += row[i];
    cells_.push_back({static_cast<std::uint32_t>(row[i].size()), i + 1 == row.size()});
  }
}

void TextTable::write(const std::function<void(std::string_view)>& out) const {
  constexpr std::size_t enough = std::size_t{1} << 20;
  std::string lines, line;
  std::size_t begin = 0, column = 0;
  for (const Cell& cell : cells_) {
    const auto text = std::string_view(text_).substr(begin, cell.size);
    begin += cell.size;
    line += text;
    if (!cell.ends_row) {
      line.append(widths_[column++] - display_width(text) + 2, ' ');
      continue;
    }
    line.erase(line.find_last_not_of(' ') + 1);
    lines.append(line).append("\n");
    line.clear();
    column = 0;
    if (lines.size() < enough) continue;
    out(lines);
    lines.clear();
  }
  if (!lines.empty()) out(lines);
}

std::string format_table(const std::vector<std::vector<std::string>>& rows) {
  TextTable table;
  for (const auto& row : rows) table.add(row);
  std::string text;
  table.write([&](std::string_view lines) { text += lines; });
  return text;
}

}  // namespace envtool
