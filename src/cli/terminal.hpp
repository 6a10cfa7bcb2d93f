#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace envtool {

/// True when that stream is a terminal that can move its cursor (not `TERM=dumb`).
bool is_terminal(int file_descriptor);
/// Columns of the terminal on standard error, 80 when unknown.
std::size_t terminal_width();

/// Asks a yes/no question on standard error and reads standard input; an empty answer is
/// `default_answer`. Throws `Error` (usage) when there is nobody to ask.
bool ask(const std::string& question, bool default_answer);

/// Writes to standard output; throws `Error` when the reader went away or the disk is full.
void print_out(std::string_view text);
/// Writes a line for people to standard error.
void print_note(std::string_view text);

/// Left-aligned columns, two spaces between, no trailing blanks. Holds little more than the cells' text.
class TextTable {
 public:
  void add(const std::vector<std::string>& row);
  /// Hands the lines to the function, many at once.
  void write(const std::function<void(std::string_view)>& out) const;

 private:
  struct Cell {
    std::uint32_t size;
    bool ends_row;
  };
  std::string text_;
  std::vector<Cell> cells_;
  std::vector<std::size_t> widths_;
};
std::string format_table(const std::vector<std::vector<std::string>>& rows);

}  // namespace envtool
