#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "envtool/base/digest.hpp"

namespace envtool::detail {

/// The `RECORD` of an installed wheel (CSV of path, digest, size) with the lines of changed files corrected.
/// `folder` is the site-packages folder relative to the environment; `lookup` gives digest and size of a path
/// relative to the environment when it was changed. Lines without a digest stay.
std::string corrected_wheel_record(std::string_view text, const std::string& folder,
                                   const std::function<std::optional<std::pair<Sha256, std::uint64_t>>(const std::string&)>& lookup);

}  // namespace envtool::detail
