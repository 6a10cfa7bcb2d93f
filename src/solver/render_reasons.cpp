#include <algorithm>
#include <set>

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
    case Kind::excluded: return package + " cannot be used";
    case Kind::invalid: return package + " has a dependency that cannot be understood" + (reason.spec.empty() ? "" : ": " + quoted(reason.spec));
    case Kind::chosen: return "with " + package;
    case Kind::more: return "...";
  }
  return {};
}

std::string whole_line(const ConflictReason& reason) {
  const std::string line = line_of(reason);
  if (reason.detail.empty()) return line;
  const std::string detail = escape_control(reason.detail);
  if (reason.kind == Kind::missing_virtual || reason.kind == Kind::no_version || reason.kind == Kind::more) return detail;
  if (reason.kind == Kind::excluded && detail.starts_with("but ")) return line + ": " + detail.substr(4);
  return line + (detail.starts_with("but ") ? ", " : ": ") + detail;
}

/// The opponents that other lines name: `but X needs ...`.
void add_cited(const std::vector<ConflictReason>& reasons, std::set<std::string>& cited) {
  for (const auto& reason : reasons) {
    if (reason.detail.starts_with("but ")) cited.insert(reason.detail.substr(4));
    add_cited(reason.causes, cited);
  }
}

/// Without the wishes that the headline names and whose only statement another line cites.
std::vector<ConflictReason> without_repetition(std::vector<ConflictReason> reasons) {
  std::set<std::string> cited;
  add_cited(reasons, cited);
  std::vector<ConflictReason> kept;
  for (auto& reason : reasons) {
    if (reason.kind == Kind::requested) {
      const bool was_leaf = reason.causes.empty();
      std::erase_if(reason.causes, [&](const ConflictReason& cause) {
        return cause.causes.empty() && cause.detail.empty() && cited.count(line_of(cause)) != 0;
      });
      if (reason.causes.empty() && (!was_leaf || cited.count(line_of(reason)) != 0)) continue;
    }
    kept.push_back(std::move(reason));
  }
  return kept;
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

std::string_view kind_name(ConflictReason::Kind kind) {
  switch (kind) {
    case Kind::requested: return "requested";
    case Kind::frozen: return "frozen";
    case Kind::needs: return "needs";
    case Kind::forbids: return "forbids";
    case Kind::not_found: return "not_found";
    case Kind::no_version: return "no_version";
    case Kind::missing_virtual: return "missing_virtual";
    case Kind::excluded: return "excluded";
    case Kind::invalid: return "invalid";
    case Kind::chosen: return "chosen";
    case Kind::more: return "more";
  }
  return {};
}

std::string_view kind_name(Suggestion::Kind kind) {
  switch (kind) {
    case Suggestion::Kind::loosen_spec: return "loosen_spec";
    case Suggestion::Kind::drop_spec: return "drop_spec";
    case Suggestion::Kind::loosen_pin: return "loosen_pin";
    case Suggestion::Kind::unfreeze: return "unfreeze";
    case Suggestion::Kind::flexible_channels: return "flexible_channels";
    case Suggestion::Kind::use_channel: return "use_channel";
    case Suggestion::Kind::lift_date_limit: return "lift_date_limit";
    case Suggestion::Kind::assume_virtual: return "assume_virtual";
    case Suggestion::Kind::other_name: return "other_name";
    case Suggestion::Kind::other_platform: return "other_platform";
  }
  return {};
}

std::string headline(const Unsolvable& unsolvable) {
  std::vector<std::string> specs;
  if (unsolvable.kind == Unsolvable::Kind::packages_not_found)
    for (const auto& missing : unsolvable.missing) specs.push_back(quoted(missing.spec));
  else
    for (const auto& spec : unsolvable.conflicting_specs) specs.push_back(quoted(spec));
  if (specs.empty()) {
    std::vector<std::string> parts;
    for (const auto& pin : unsolvable.conflicting_pins) parts.push_back("the pin " + quoted(pin));
    for (const auto& name : unsolvable.conflicting_frozen) parts.push_back("the installed " + quoted(name) + ", which must stay,");
    std::string text;
    for (std::size_t i = 0; i < parts.size() && i < 4; ++i) text += (i == 0 ? "" : " and ") + parts[i];
    return text + (parts.size() > 1 ? " contradict each other" : " cannot be had");
  }
  std::string list;
  constexpr std::size_t shown = 4;
  const std::size_t named = specs.size() <= shown ? specs.size() : shown - 1;
  for (std::size_t i = 0; i < named; ++i)
    list += (i == 0 ? "" : i + 1 == specs.size() ? " and " : ", ") + specs[i];
  if (named < specs.size()) list += " and " + std::to_string(specs.size() - named) + " more";
  if (unsolvable.kind == Unsolvable::Kind::packages_not_found) return "no channel has " + list;
  if (specs.size() > 1) return list + " cannot be installed together";
  if (!unsolvable.conflicting_pins.empty())
    list += " cannot be installed with the pin";
  else if (!unsolvable.conflicting_frozen.empty())
    list += " cannot be installed while installed packages must stay as they are";
  else
    list += " cannot be installed";
  if (!unsolvable.conflicting_pins.empty())
    for (std::size_t i = 0; i < unsolvable.conflicting_pins.size(); ++i)
      list += (i == 0 ? " " : " and ") + quoted(unsolvable.conflicting_pins[i]);
  return list;
}

std::string explain(const Unsolvable& unsolvable) {
  if (unsolvable.kind == Unsolvable::Kind::packages_not_found) {
    std::string text;
    for (const auto& missing : unsolvable.missing) {
      const bool listed = unsolvable.missing.size() > 1;
      if (!text.empty()) text += "\n";
      if (listed) text += quoted(missing.spec) + ": ";
      if (!missing.available.empty()) {
        text += escape_control(missing.available);
        continue;
      }
      text += missing.spec == missing.name || listed ? "there is no package of that name"
                                                     : "there is no package " + quoted(missing.name);
      for (std::size_t i = 0; i < missing.closest.size(); ++i)
        text += (i == 0 ? "; did you mean " : i + 1 == missing.closest.size() ? " or " : ", ") +
                quoted(missing.closest[i]) + (i + 1 == missing.closest.size() ? "?" : "");
    }
    return text;
  }
  const std::vector<ConflictReason> told = without_repetition(unsolvable.reasons);
  const auto requested = std::count_if(told.begin(), told.end(), [](const auto& reason) { return reason.kind == Kind::requested; });
  if (told.size() > 1 && std::all_of(told.begin(), told.end(), [](const auto& reason) {
        return reason.kind == Kind::requested && reason.causes.empty();
      }))
    return told.size() == 2 ? "no package answers both" : "no package answers all of them";
  std::vector<ConflictReason> reasons;
  for (const auto& reason : told) {
    // The headline says that it is requested.
    if (requested == 1 && reason.kind == Kind::requested) reasons.insert(reasons.end(), reason.causes.begin(), reason.causes.end());
    else reasons.push_back(reason);
  }
  const std::string tree = Drawing().draw(reasons);
  // A single line needs no drawing.
  const std::string text = tree.empty() ? tree : tree.substr(1);
  if (text.find('\n') == std::string::npos && text.starts_with("└─ ")) return text.substr(std::string_view("└─ ").size());
  return text;
}

}  // namespace envtool
