#include "table.hpp"

#include <catch2/catch.hpp>
#include <fstream>
#include <iostream>

namespace envtool::testing {

namespace {

std::vector<std::string> fields_of(const std::string& line) {
  std::vector<std::string> fields(1);
  for (char c : line) {
    if (c == '\t') {
      fields.emplace_back();
    } else {
      fields.back() += c;
    }
  }
  return fields;
}

}  // namespace

std::vector<std::string> read_lines(const std::string& name) {
  std::ifstream file(std::string(ENVTOOL_TEST_DATA) + "/specs/" + name);
  INFO("table " << name);
  REQUIRE(file.is_open());
  std::vector<std::string> lines;
  std::string line;
  while (std::getline(file, line)) {
    if (!line.starts_with("# ")) {
      lines.push_back(line);
    }
  }
  REQUIRE(!lines.empty());
  return lines;
}

std::vector<std::vector<std::string>> read_table(const std::string& name) {
  std::vector<std::vector<std::string>> rows;
  const std::vector<std::string> lines = read_lines(name);
  const std::size_t columns = fields_of(lines.front()).size();
  for (std::size_t i = 1; i < lines.size(); ++i) {
    rows.push_back(fields_of(lines[i]));
    INFO(name << ": " << lines[i]);
    REQUIRE(rows.back().size() == columns);
  }
  REQUIRE(!rows.empty());
  return rows;
}

std::string TableReport::expected(const std::string& source_value, const std::string& ours,
                                  const std::string& reason) {
  if (ours == "=") {
    return source_value;
  }
  INFO(name_ << ": a row that differs from its source needs a reason");
  CHECK(!reason.empty());
  ++differing_;
  return ours;
}

TableReport::~TableReport() {
  std::cout << name_ << ": " << passed_ << " of " << passed_ + failed_ << " rows hold, " << differing_
            << " of them differ from their source for a stated reason\n";
}

}  // namespace envtool::testing
