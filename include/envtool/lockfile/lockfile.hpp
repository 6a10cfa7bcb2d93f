#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "envtool/base/digest.hpp"
#include "envtool/base/url.hpp"
#include "envtool/records/package_record.hpp"
#include "envtool/specs/platform.hpp"

namespace envtool {

/// Who installs a locked package: conda's way, or pip from PyPI.
enum class PackageManager { conda, pip };

/// One package of one platform in a lock. Formats other than conda-lock.yml fill the same value.
struct LockedPackage {
  /// CEP 26 for conda; a PyPI name for pip.
  std::string name;
  std::string version;
  PackageManager manager = PackageManager::conda;
  /// The platform that the environment is for; the archive may lie in `noarch`.
  Platform platform = Platform::current();
  /// Name and constraint (`>=1,<2`, or empty).
  std::map<std::string, std::string> dependencies;
  /// May hold credentials when the file did; they are never written.
  Url url;
  std::optional<Md5> md5;
  std::optional<Sha256> sha256;
  /// From the archive's name when the file does not say it; empty for pip.
  std::string build;
  /// `main` is always installed; others when asked for.
  std::string category = "main";
  bool optional = false;
  /// The URL that the user asked for by name (`source` of conda-lock), or empty.
  std::string source_url;
  /// `file:line:column`, empty for packages from elsewhere.
  std::string where;
};

/// A channel of a lock.
struct LockedChannel {
  /// A name or a URL; credentials only as names of variables (`$TOKEN`).
  std::string url;
  std::vector<std::string> used_env_vars;
  bool operator==(const LockedChannel&) const = default;
};

/// Digests of one of the lock's source files.
struct LockInput {
  std::optional<Md5> md5;
  std::optional<Sha256> sha256;
  bool operator==(const LockInput&) const = default;
};

/// The packages of an environment for several platforms, exact to the digest.
struct Lockfile {
  std::vector<LockedChannel> channels;
  std::vector<Platform> platforms;
  /// Files that the lock was made of, relative to it.
  std::vector<std::string> sources;
  /// Source file to digests, to see whether the lock is out of date.
  std::map<std::string, LockInput> inputs;
  /// As read; a writer computes its own (`content_hashes`).
  std::map<std::string, std::string> content_hash;
  /// ISO 8601 in UTC, or empty.
  std::string created_at;
  std::string git_user_name, git_user_email, git_sha;
  std::map<std::string, std::string> custom_metadata;
  std::vector<LockedPackage> packages;
  /// Keys that are not known and the like, with their place.
  std::vector<std::string> warnings;
};

/// Platform to the SHA-256 over its packages in a canonical order and form: equal hashes mean equal
/// environments (CEP 37 leaves the form open; conda-lock hashes its inputs instead).
std::map<std::string, std::string> content_hashes(const Lockfile& lock);

/// The packages for one platform: those of `main` and of the given categories, each once, conda
/// before pip. Throws `Error` (invalid_input) that lists the platforms or categories there are when
/// one is missing, and when two categories lock a package differently.
std::vector<LockedPackage> select_packages(const Lockfile& lock, const Platform& platform,
                                           const std::vector<std::string>& categories = {});

/// A record to install from. What a lock does not say is left to the archive's index
/// (`needs_index`). Throws `Error` (invalid_input) for a package of pip.
RepoDataRecord to_record(const LockedPackage& package);
/// The package that locks a record on a platform. Throws `Error` (invalid_input) when the record
/// has no URL or no digest.
LockedPackage to_locked_package(const RepoDataRecord& record, const Platform& platform,
                                const std::string& category = "main");

}  // namespace envtool
