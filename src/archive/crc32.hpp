#pragma once

#include <cstddef>
#include <cstdint>

namespace envtool {

/// Continues a CRC-32 as zip archives use it (reflected polynomial 0xEDB88320); start with 0.
std::uint32_t crc32(std::uint32_t crc, const void* data, std::size_t size);

}  // namespace envtool
