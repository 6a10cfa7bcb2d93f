#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "envtool/records/prefix_record.hpp"

namespace envtool {

/// The short name of a channel as conda prints it: the last part below the public server, else the URL.
std::string channel_display_name(const std::string& channel_url);

/// conda's `dist` object: base_url, build_number, build_string, channel, dist_name, name, platform, version.
nlohmann::ordered_json dist_json(const RepoDataRecord& record);
/// The same with digests, size, url and dependencies, as `actions` has it.
nlohmann::ordered_json action_json(const RepoDataRecord& record);
/// Prints one document with two spaces of indentation on standard output.
void print_json(const nlohmann::ordered_json& document);

}  // namespace envtool
