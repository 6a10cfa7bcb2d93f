#pragma once

#include <cstddef>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "command.hpp"
#include "envtool/app/query.hpp"

namespace envtool {

/// Whether a record's `channel` is the channel's name, or its URL with the subdir as conda's `search` has it.
enum class ChannelForm { name, subdir_url };
/// A record with all that is known of it, keys as conda and mamba name them.
nlohmann::ordered_json record_json(const RepoDataRecord& record, ChannelForm form);
/// The same for people: a headline and one line for each field.
std::string record_details(const RepoDataRecord& record);
/// Name, version, build, channel; safe to print.
std::vector<std::string> record_cells(const RepoDataRecord& record);

/// The graph as a tree from node 0 on. What a package leads to is drawn once; `depth` ends it (0: no limit).
std::string dependency_tree(const DependencyGraph& graph, std::size_t depth);

/// The specs as values. Throws `Error` (usage) for files and URLs, which no query can look for.
std::vector<MatchSpec> query_specs(const std::vector<std::string>& texts);
/// The channels and subdirs that the options and specs name, as a source.
RecordSource channel_records(const AppInputs& inputs, const ChannelOptions& options, std::vector<MatchSpec>& specs);

}  // namespace envtool
