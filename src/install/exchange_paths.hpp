#pragma once

#include <string>

namespace envtool::detail {

/// Swaps two folders in one step; where the file system cannot, the second goes to `aside` first (and
/// `from` does not exist afterwards).
void exchange_paths(const std::string& from, const std::string& to, const std::string& aside);

/// After an exchange: renames what was swapped out of its place from `from` to `aside`, unless it is there.
/// Gives where it is; by then nothing is a failure.
std::string aside_after_exchange(const std::string& from, const std::string& aside);

}  // namespace envtool::detail
