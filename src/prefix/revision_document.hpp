#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/prefix/revision.hpp"

namespace envtool::detail {

/// The file of one revision.
struct RevisionDocument {
  /// Of the block of the history that it belongs to.
  std::string fingerprint;
  /// Identifiers of the package records, in the order of the packages.
  std::vector<std::string> packages;
  /// Everything but the packages.
  EnvironmentState state;
  /// The records that no earlier revision has: identifier to JSON text on one line.
  std::map<std::string, std::string> records;
};

/// What a block says, as a digest: time and lines.
std::string fingerprint(const HistoryEntry& entry);

/// A record as it is stored: on one line, URLs without credentials.
std::string record_text(const RepoDataRecord& record);
/// The identifier of a stored record: half of the digest of its text, which is plenty to tell records apart.
std::string record_identifier(std::string_view text);

std::string render_revision(const RevisionDocument& document);

/// Throws `Error`: corrupt when it is damaged, invalid_input for fields that make no sense, unsafe for paths
/// that lead elsewhere. Records are checked against their identifiers.
RevisionDocument parse_revision(std::string_view text, const std::string& origin);

}  // namespace envtool::detail
