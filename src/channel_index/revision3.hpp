#pragma once

#include <string>
#include <string_view>

#include "envtool/records/package_record.hpp"
#include "json.hpp"

namespace envtool {

/// Whether a record has what clients from before CEP 48 would misunderstand: groups of optional
/// dependencies (CEP 44), flags (CEP 45), or specs with `when`, `extras` or `flags` (CEP 43 to 45).
bool needs_revision3(const PackageRecord& record);

/// A dependency in the one form that `v3` allows: `name`, or `name[version="...",build="..."]`. Throws `Error`
/// (invalid_input) for a spec with fields that CEP 48 forbids there.
std::string revision3_spec(std::string_view spec);

/// Rewrites the specs of a record for `v3`. Throws like `revision3_spec`.
void write_revision3_specs(Json& record);

}  // namespace envtool
