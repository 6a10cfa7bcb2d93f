#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace envtool {

/// What `channeldata.json` says about a package's files (CEP 38), by its keys: those of `activate.d`,
/// `binary_prefix`, `deactivate.d`, `post_link`, `pre_link`, `pre_unlink`, `text_prefix` that are true, sorted.
/// Reads `info/paths.json` as a stream, however long it is. Throws `Error` (invalid_input) with origin.
std::vector<std::string> summarise_paths(std::string_view paths_json, const std::string& origin);

/// All of these keys, sorted.
const std::vector<std::string>& path_summary_keys();

}  // namespace envtool
