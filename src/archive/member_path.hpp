#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "envtool/archive/extract.hpp"

namespace envtool {

/// A member's name as a clean relative path: `.` parts, double and trailing slashes dropped; empty for the
/// archive's root (`./`). Throws `Error` (unsafe) for absolute names, `..`, drive letters, control
/// characters that would break lists of names, and names beyond the limits. `archive` is for the message.
std::string clean_member_path(std::string_view name, const ExtractLimits& limits, const std::string& archive);

/// Where a symlink points to, told by the text of its name and target alone.
enum class LinkReach { inside, relative_outside, absolute };
LinkReach link_reach(std::string_view link_path, std::string_view target);

/// `a/b` of `a/b/c`, empty for a top-level name; and `c`.
std::string_view parent_path(std::string_view path);
std::string_view leaf_name(std::string_view path);

/// True for `info` and everything beneath it.
bool is_info_path(std::string_view path);

/// The error for hostile content.
[[noreturn]] void throw_unsafe(const std::string& archive, std::string_view member, const std::string& why);
/// The error for a damaged archive.
[[noreturn]] void throw_corrupt(const std::string& archive, const std::string& why);

}  // namespace envtool
