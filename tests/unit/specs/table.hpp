#pragma once

#include <string>
#include <vector>

namespace envtool::testing {

/// The rows of `tests/data/specs/<name>`: tab-separated fields, without the comments on top and
/// without the row of column names. Fails the test when the file cannot be read or a row has another
/// number of fields.
std::vector<std::vector<std::string>> read_table(const std::string& name);

/// The lines of a file that are not comments.
std::vector<std::string> read_lines(const std::string& name);

/// Counts how the rows of a table came out and says so at its end.
class TableReport {
 public:
  explicit TableReport(std::string name) : name_(std::move(name)) {}
  /// Prints one line: rows that agree with their source, and those that differ on purpose.
  ~TableReport();
  TableReport(const TableReport&) = delete;
  TableReport& operator=(const TableReport&) = delete;

  /// A row whose `ours` field is `=` agrees with its source; any other value is what envtool does on
  /// purpose and needs a reason. Returns the value that envtool shall give.
  std::string expected(const std::string& source_value, const std::string& ours, const std::string& reason);
  void check(bool has_passed) { has_passed ? ++passed_ : ++failed_; }

 private:
  std::string name_;
  int passed_ = 0;
  int failed_ = 0;
  int differing_ = 0;
};

}  // namespace envtool::testing
