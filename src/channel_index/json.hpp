#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace envtool {

/// Objects are sorted by their keys, which makes what we write the same for the same content.
using Json = nlohmann::json;

/// Parses a document with a limit on its depth. Throws `Error` (invalid_input) that names `origin`.
Json parse_json(std::string_view text, const std::string& origin);
/// One line without blanks.
std::string compact(const Json& value);

}  // namespace envtool
