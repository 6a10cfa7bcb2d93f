#include "verify_output.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "envtool/base/digest.hpp"
#include "envtool/base/text.hpp"
#include "terminal.hpp"

namespace envtool {

namespace {
constexpr std::size_t most_rows = 100;

/// A digest by its beginning; control characters of hostile names never reach the terminal.
std::string cell(const std::string& text) {
  if (text.size() == 64 && Sha256::parse(text)) return "sha256 " + text.substr(0, 12) + "...";
  return escape_control(text);
}
}  // namespace

std::string problem_table(const std::vector<Problem>& problems) {
  std::vector<std::vector<std::string>> rows{{"# Package", "Path", "Problem", "Expected", "Found"}};
  for (std::size_t i = 0; i < std::min(problems.size(), most_rows); ++i) {
    const Problem& problem = problems[i];
    rows.push_back({problem.package.empty() ? "-" : cell(problem.package), problem.path.empty() ? "-" : cell(problem.path),
                    std::string(problem_name(problem.kind)), cell(problem.expected), cell(problem.found)});
  }
  std::string text = format_table(rows);
  if (problems.size() > most_rows) text += "... and " + with_thousands(problems.size() - most_rows) + " more; `--json` lists all\n";
  return text;
}

nlohmann::ordered_json problem_json(const Problem& problem) {
  return {{"package", problem.package},
          {"path", problem.path},
          {"kind", problem_name(problem.kind)},
          {"expected", problem.expected},
          {"found", problem.found}};
}

nlohmann::ordered_json pending_json(const PendingChange& pending) {
  switch (pending.outcome) {
    case PendingChange::Outcome::none: return nullptr;
    case PendingChange::Outcome::finish: return "finish";
    case PendingChange::Outcome::undo: return "undo";
    case PendingChange::Outcome::move: return "move";
    case PendingChange::Outcome::unusable: return "unusable";
  }
  return nullptr;
}

}  // namespace envtool
