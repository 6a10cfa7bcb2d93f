#pragma once

#include <string>
#include <string_view>

namespace envtool {

/// One zstd frame; the same bytes for the same content and level, however many threads work at it.
std::string compress_zstd(std::string_view content, int level, std::size_t threads = 1);

}  // namespace envtool
