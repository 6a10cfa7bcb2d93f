#pragma once

#include <cstdint>
#include <stop_token>
#include <string>

#include "byte_source.hpp"
#include "index_builder.hpp"

namespace envtool {

/// What reading a document came to, besides the records.
struct ReadSummary {
  std::uint64_t records = 0;
  std::uint64_t skipped = 0;
  /// The first skipped record's file name and what is wrong with it.
  std::string first_problem;
};

/// Reads a `repodata.json` (CEP 36, with CEP 15, 42, 47, 48) and gives its records to the builder.
/// Throws `Error` (corrupt) with origin and byte offset for what is not JSON of that shape,
/// (invalid_input) for a version of the format that is too new, (interrupted).
ReadSummary read_repodata(ByteSource& source, IndexBuilder& builder, std::stop_token stop);

}  // namespace envtool
