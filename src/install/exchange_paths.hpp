#pragma once

#include <string>

namespace envtool::detail {

/// Swaps two folders in one step; where the file system cannot, the second goes to `aside` first (and
/// `from` does not exist afterwards).
void exchange_paths(const std::string& from, const std::string& to, const std::string& aside);

}  // namespace envtool::detail
