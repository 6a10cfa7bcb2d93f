#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/records/package_record.hpp"

namespace envtool {

/// For each record the length of its longest chain of dependencies within the set (0 without
/// dependencies; packages in a cycle count as one). It depends on nothing but the record's own
/// closure, so unrelated packages never change it.
std::vector<std::size_t> dependency_depths(std::span<const PackageRecord* const> records);

/// Indices of the records, dependencies before dependents, names ascending between equals.
std::vector<std::size_t> link_order(std::span<const PackageRecord* const> records);

}  // namespace envtool
