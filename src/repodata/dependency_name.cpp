#include <algorithm>

#include "envtool/base/text.hpp"
#include "envtool/repodata/repodata_gateway.hpp"

namespace envtool {

namespace {

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

}  // namespace

std::string dependency_name(std::string_view spec) {
  spec = strip(spec);
  // `channel/subdir::name`; a `::` inside of brackets is something else.
  const auto separator = spec.find("::");
  if (separator != std::string_view::npos && separator < std::min(spec.find('['), spec.find(' '))) {
    spec.remove_prefix(separator + 2);
  }
  const auto end = std::find_if_not(spec.begin(), spec.end(), is_name_character);
  if (end != spec.end() && *end == '*') return {};  // a pattern
  return to_lower(std::string_view(spec.begin(), end));
}

}  // namespace envtool
