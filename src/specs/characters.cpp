#include "characters.hpp"

#include "envtool/base/text.hpp"
#include "envtool/base/url.hpp"

namespace envtool {

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) {
    return false;
  }
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (lowered(a[i]) != lowered(b[i])) {
      return false;
    }
  }
  return true;
}

std::string quoted(std::string_view text) {
  constexpr std::size_t longest = 200;
  std::string shown = escape_control(redact(text.substr(0, 4 * longest)));
  if (shown.size() > longest || text.size() > 4 * longest) {
    shown = escape_control(shown.substr(0, longest)) + "...";
  }
  return "`" + shown + "`";
}

}  // namespace envtool
