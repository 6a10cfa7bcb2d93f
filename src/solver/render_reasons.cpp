#include "envtool/solver/unsolvable.hpp"

#include "envtool/base/text.hpp"

namespace envtool {
namespace {

using Kind = ConflictReason::Kind;

std::string quoted(const std::string& spec) { return "`" + escape_control(spec) + "`"; }

std::string line_of(const ConflictReason& reason) {
  const std::string package = escape_control(reason.package);
  switch (reason.kind) {
    case Kind::requested: return quoted(reason.spec) + " is requested";
    case Kind::frozen: return quoted(reason.spec) + " is installed and must stay";
    case Kind::needs: return package + " needs " + quoted(reason.spec);
    case Kind::forbids: return package + " works only with " + quoted(reason.spec);
    case Kind::not_found: return "no channel has this package";
    case Kind::no_version: return "no channel has such a version or build";
    case Kind::missing_virtual: return "the machine does not offer it";
    case Kind::excluded: return package + " is out";
    case Kind::invalid: return package + " has dependencies that cannot be understood";
    case Kind::chosen: return "with " + package;
  }
  return {};
}

std::string whole_line(const ConflictReason& reason) {
  const std::string line = line_of(reason);
  if (reason.detail.empty()) return line;
  const std::string detail = escape_control(reason.detail);
  if (reason.kind == Kind::missing_virtual) return detail;
  if (reason.kind == Kind::no_version) return line + " (" + detail + ")";
  return line + (detail.starts_with("but ") ? ", " : ": ") + detail;
}

/// A plain absence, which needs no line of its own.
bool ends_here(const ConflictReason& reason) {
  return reason.causes.empty() && (reason.kind == Kind::not_found || reason.kind == Kind::no_version ||
                                   reason.kind == Kind::missing_virtual);
}

/// Draws the tree. Long lists are cut: who wants every reason takes the structured form.
class Drawing {
 public:
  std::string draw(const std::vector<ConflictReason>& reasons) {
    children(reasons, "");
    return std::move(text_);
  }

 private:
  static constexpr std::size_t most_children = 5;
  static constexpr std::size_t most_lines = 40;

  void children(const std::vector<ConflictReason>& reasons, const std::string& indent) {
    // One line more is as short as the line that says that there is more.
    const std::size_t shown = reasons.size() <= most_children + 1 ? reasons.size() : most_children;
    for (std::size_t i = 0; i < shown; ++i) {
      const bool last = i + 1 == reasons.size();
      if (lines_ >= most_lines) {
        line(indent, true, "...");
        return;
      }
      std::string text = whole_line(reasons[i]);
      const std::vector<ConflictReason>* below = &reasons[i].causes;
      // A reason that ends right below fits into the line.
      if (below->size() == 1 && ends_here(below->front())) {
        text += ", but " + whole_line(below->front());
        below = &below->front().causes;
      }
      line(indent, last, text);
      children(*below, indent + (last ? "   " : "│  "));
    }
    if (shown < reasons.size()) line(indent, true, "... and " + std::to_string(reasons.size() - shown) + " more reasons");
  }
  void line(const std::string& indent, bool last, const std::string& text) {
    text_ += "\n" + indent + (last ? "└─ " : "├─ ") + text;
    ++lines_;
  }

  std::string text_;
  std::size_t lines_ = 0;
};

}  // namespace

std::string explain(const Unsolvable& unsolvable) {
  std::string text;
  if (unsolvable.kind == Unsolvable::Kind::packages_not_found) {
    text = "no channel has";
    for (const auto& missing : unsolvable.missing) {
      text += "\n  - " + quoted(missing.spec);
      if (!missing.available.empty()) text += ", available: " + missing.available;
      for (std::size_t i = 0; i < missing.closest.size(); ++i)
        text += (i == 0 ? ", did you mean " : i + 1 == missing.closest.size() ? " or " : ", ") +
                quoted(missing.closest[i]) + (i + 1 == missing.closest.size() ? "?" : "");
    }
    return text;
  }
  const std::size_t wishes = unsolvable.conflicting_specs.size() + unsolvable.conflicting_pins.size() +
                             unsolvable.conflicting_frozen.size();
  if (wishes == 1 && unsolvable.conflicting_specs.size() == 1) {
    text = quoted(unsolvable.conflicting_specs.front()) + " cannot be installed";
    std::vector<ConflictReason> reasons;
    for (const auto& reason : unsolvable.reasons) {
      // The head says that it is requested.
      if (reason.kind == Kind::requested) reasons.insert(reasons.end(), reason.causes.begin(), reason.causes.end());
      else reasons.push_back(reason);
    }
    if (reasons.size() == 1 && ends_here(reasons.front())) {
      text += ": " + whole_line(reasons.front());
    } else {
      text += ":";
      text += Drawing().draw(reasons);
    }
  } else {
    text = "the wishes contradict each other:";
    text += Drawing().draw(unsolvable.reasons);
  }
  if (unsolvable.solvable_without_date_limit) text += "\nwithout the limit on dates there is a solution";
  if (unsolvable.solvable_with_flexible_channels)
    text += "\nwith the channel priority `flexible` there is a solution";
  return text;
}

}  // namespace envtool
