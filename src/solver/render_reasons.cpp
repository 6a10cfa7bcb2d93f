#include "envtool/solver/unsolvable.hpp"

namespace envtool {
namespace {

std::string line_of(const ConflictReason& reason) {
  using Kind = ConflictReason::Kind;
  switch (reason.kind) {
    case Kind::requested: return "`" + reason.spec + "` is requested";
    case Kind::pinned: return "`" + reason.spec + "` is pinned";
    case Kind::frozen: return "`" + reason.spec + "` is installed and must stay";
    case Kind::needs: return reason.package + " needs `" + reason.spec + "`";
    case Kind::forbids: return reason.package + " works only with `" + reason.spec + "`";
    case Kind::not_found: return "`" + reason.spec + "`: no channel has this package";
    case Kind::no_version: return "`" + reason.spec + "`: no such version";
    case Kind::missing_virtual: return "`" + reason.spec + "` is not offered by this machine";
    case Kind::excluded: return reason.package + " is ruled out";
    case Kind::invalid: return reason.package + " has metadata that cannot be understood";
  }
  return {};
}

void render(const std::vector<ConflictReason>& reasons, const std::string& indent, std::string& text) {
  for (std::size_t i = 0; i < reasons.size(); ++i) {
    const bool last = i + 1 == reasons.size();
    text += "\n" + indent + (last ? "└─ " : "├─ ") + line_of(reasons[i]);
    if (!reasons[i].detail.empty()) text += " (" + reasons[i].detail + ")";
    render(reasons[i].causes, indent + (last ? "   " : "│  "), text);
  }
}

}  // namespace

std::string explain(const Unsolvable& unsolvable) {
  std::string text;
  if (unsolvable.kind == Unsolvable::Kind::packages_not_found) {
    text = "no channel has these packages:";
    for (const auto& missing : unsolvable.missing) {
      text += "\n  - `" + missing.spec + "`";
      if (!missing.available.empty()) text += " (available: " + missing.available + ")";
      for (std::size_t i = 0; i < missing.closest.size(); ++i)
        text += (i == 0 ? " (did you mean `" : ", `") + missing.closest[i] + "`" +
                (i + 1 == missing.closest.size() ? "?)" : "");
    }
    return text;
  }
  text = "these wishes cannot be fulfilled together:";
  render(unsolvable.reasons, "", text);
  return text;
}

}  // namespace envtool
