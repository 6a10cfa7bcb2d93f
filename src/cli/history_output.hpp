#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "envtool/app/history.hpp"

namespace envtool {

/// The table of all revisions.
std::string history_text(const std::vector<RevisionView>& views, const std::string& prefix);
nlohmann::ordered_json history_json(const std::vector<RevisionView>& views);

/// Everything about one revision.
std::string revision_text(const RevisionView& view);
nlohmann::ordered_json revision_json(const RevisionView& view);

/// What differs between two.
std::string difference_text(const RevisionDifference& difference);
nlohmann::ordered_json difference_json(const RevisionDifference& difference, std::size_t from, std::size_t to);

/// As conda's `list --revisions` prints them.
std::string conda_revisions_text(const std::vector<RevisionView>& views);
nlohmann::ordered_json conda_revisions_json(const std::vector<RevisionView>& views);

}  // namespace envtool
