#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "indexed_package.hpp"

namespace envtool {

/// A package as `channeldata.json` looks at it.
struct ChanneldataItem {
  std::string name, version, subdir, file_name;
  std::uint64_t timestamp = 0;  ///< seconds since the epoch, 0 when not known
  const IndexedPackage* package = nullptr;
};

/// The text of `channeldata.json` (CEP 38): for each name what its newest version says, and where that is silent
/// the next older one.
std::string make_channeldata(std::vector<ChanneldataItem> items, const std::set<std::string>& subdirs);

}  // namespace envtool
