#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/base/digest.hpp"

namespace envtool {

/// One file of a bundle.
struct BundleFile {
  /// Relative to the environment.
  std::string path;
  Sha256 sha256;
  std::uint64_t size = 0;
  unsigned mode = 0;
  /// Byte code is valid for one time of its source only.
  std::int64_t mtime_ns = 0;
};

/// Files of an environment that no conda package brought, kept so that they can be put back as they were.
struct Bundle {
  std::string name;
  std::string version;
  /// Scripts and byte code name it: the files are for this environment.
  std::string prefix;
  std::vector<BundleFile> files;
  /// `<pkgs>/.pip/<identifier>/files`, where the files lie below their paths.
  std::string folder;
};

/// The text that describes a bundle; its digest is the bundle's identifier.
std::string render_bundle(const Bundle& bundle);
/// Throws `Error`: corrupt, or unsafe for a path that leads elsewhere.
Bundle parse_bundle(std::string_view text, const std::string& origin);

/// The bundles in package caches, `<pkgs>/.pip`. While this lives no process cleans them away.
class BundleStore {
 public:
  /// `directories` as in `PackageCache`; new bundles go to the first that can be written.
  explicit BundleStore(std::vector<std::string> directories);

  /// Copies the files (large ones are linked when `hardlink`), and gives the identifier. The same files give the
  /// same one. Throws `Error`; a path that is missing, is no plain file, or lies behind a symlink is an `Error`.
  std::string keep(const Bundle& about, std::span<const std::string> paths, bool hardlink, const std::stop_token& stop);
  /// Nothing when no cache has it, or its description is damaged.
  std::optional<Bundle> find(const std::string& identifier) const;
  /// The folder of a bundle that is there, by a look at its name alone; else empty.
  std::string place(const std::string& identifier) const;

 private:
  std::vector<std::string> directories_;
  std::vector<std::shared_ptr<const void>> leases_;
};

/// Reads every file; the first difference in words, or empty.
std::string bundle_problem(const Bundle& bundle, const std::stop_token& stop);

/// Below a package cache.
inline constexpr std::string_view bundle_folder = ".pip";

}  // namespace envtool
