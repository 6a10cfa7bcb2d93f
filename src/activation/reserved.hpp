#pragma once

#include <string_view>

namespace envtool {

/// True for a variable that an environment may not set: what activation itself keeps, what a shell
/// has read-only (assigning it would end the script), and what a shell would evaluate rather than
/// store.
bool is_reserved_variable(std::string_view name, std::string_view value);

}  // namespace envtool
