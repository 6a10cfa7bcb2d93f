#pragma once

#include <string>
#include <string_view>

#include "envtool/prefix/prefix.hpp"

namespace envtool::detail {

/// Folders next to environments, each followed by twelve hex digits: what is to be deleted, and with the
/// environment's name before it what is being built.
inline constexpr std::string_view trash_stem = ".envtool-trash-";
inline constexpr std::string_view building_mark = ".envtool-";

/// Where an environment waits that a new one takes the place of. Unlike trash it is put back when its
/// place is found empty, and stays while its successor is marked as unfinished.
std::string waiting_place(const Prefix& prefix, const std::string& id);

/// True for the name of a folder that was put aside to be deleted.
bool is_trash_name(std::string_view name);

/// The mark of an environment whose pip packages are still to come. `id` is that of its building: an
/// environment that it replaced waits under the same.
std::string unfinished_text(const std::string& id);
inline constexpr std::string_view unfinished_file = "conda-meta/.envtool/unfinished";

}  // namespace envtool::detail
