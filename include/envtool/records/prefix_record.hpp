#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/records/package_record.hpp"
#include "envtool/records/paths_json.hpp"

namespace envtool {

/// How a package's files came into the prefix (CEP 32 `link.type`).
enum class LinkType { hardlink = 1, softlink = 2, copy = 3, directory = 4 };

/// What the keys of conda-meta cannot say of a package's files (key `envtool`; other tools pass over it, CEP 32).
struct PlacedFiles {
  /// Those that were executable when they were placed, sorted.
  std::vector<std::string> executables;
  /// Symlinks that stay inside the environment, with their texts.
  std::map<std::string, std::string, std::less<>> links;
};

/// One installed package: `conda-meta/<name>-<version>-<build>.json` (CEP 32).
struct PrefixRecord : RepoDataRecord {
  std::string package_tarball_full_path;
  std::string extracted_package_dir;
  /// Every path of the package in the prefix, generated ones included.
  std::vector<std::string> files;
  std::vector<PathEntry> paths;
  std::string link_source;
  LinkType link_type = LinkType::hardlink;
  /// The specs that the user asked for and that brought this package, or empty for a dependency.
  std::vector<std::string> requested_specs;
  /// Absent in the records of other tools.
  std::optional<PlacedFiles> placed;

  /// `<name>-<version>-<build>.json`.
  std::string file_name() const { return dist() + ".json"; }
};

/// Parses a `conda-meta/*.json` document written by envtool, conda, mamba, or rattler. Keys that
/// are absent get defaults; wrong types are errors that name `origin`.
PrefixRecord parse_prefix_record(std::string_view text, const std::string& origin);
/// The document as written to conda-meta, stable key order, with a final newline.
std::string to_json(const PrefixRecord& record);

}  // namespace envtool
