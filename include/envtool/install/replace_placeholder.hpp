#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "envtool/records/paths_json.hpp"

namespace envtool {

/// The content with every occurrence of the placeholder replaced by the prefix (CEP 34).
///
/// Text: plain replacement; when a `#!` line names an interpreter below the placeholder and would be
/// longer than 127 bytes or contain a space, it becomes `#!/usr/bin/env <interpreter name> ...` as
/// conda writes it (with `-S` when there are arguments, which conda leaves out).
///
/// Binary: each C string (up to its NUL) that holds the placeholder gets all its occurrences
/// replaced and is padded with NULs at its end, so no byte after it moves and the length is kept. An
/// occurrence whose string has no NUL before the end of the file is replaced and padded at the end of the
/// file. Throws `Error` (invalid_input) when the prefix is longer than the placeholder.
std::string replace_placeholder(std::string_view content, FileMode mode, std::string_view placeholder,
                                std::string_view prefix);

/// How many times the placeholder occurs.
std::size_t count_placeholder(std::string_view content, std::string_view placeholder);

}  // namespace envtool
