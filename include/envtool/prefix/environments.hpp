#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "envtool/prefix/prefix.hpp"

namespace envtool {

/// The central list of environments, `~/.conda/environments.txt`, shared with conda and mamba.
/// Changes are made under a lock and by rename; entries of others are never touched.
class EnvironmentRegistry {
 public:
  /// `home` as in the environment snapshot. Nothing is created yet.
  explicit EnvironmentRegistry(std::string home);

  /// The listed paths, in file order, without doubles; none when the file is missing.
  std::vector<std::string> list() const;
  /// Adds the path when it is not there. A home folder that cannot be written is no error: false.
  bool add(const Prefix& prefix) const;
  /// Takes the path out; false when it was not there or cannot be written.
  bool remove(const Prefix& prefix) const;
  std::string file() const { return file_; }

 private:
  std::string file_;
};

/// An environment that was found.
struct FoundEnvironment {
  /// `base`, the name below an envs folder, or empty.
  std::string name;
  std::string path;
};

/// Every environment: the root (when it is one), those below `envs_dirs`, those of the registry; sorted
/// by path, no doubles, unfinished ones of ours left out.
std::vector<FoundEnvironment> list_environments(const std::string& root_prefix,
                                                std::span<const std::string> envs_dirs,
                                                const EnvironmentRegistry& registry);

/// The prefix of a name: `base`/`root` is the root prefix, else the first of `envs_dirs` that has an
/// environment of that name; nothing when none has it. Throws for a name that is refused (CEP 24).
std::optional<Prefix> find_environment(std::string_view name, const std::string& root_prefix,
                                       std::span<const std::string> envs_dirs);

/// Where a new environment of that name goes: below the first of `envs_dirs` that can be written
/// (or made). Throws `Error` (invalid_input) for a bad name, (permission) when there is none.
Prefix new_environment_prefix(std::string_view name, const std::string& root_prefix,
                              std::span<const std::string> envs_dirs);

/// The name under which a prefix is known: `base`, a name below an envs folder, or empty.
std::string environment_name(const Prefix& prefix, const std::string& root_prefix,
                             std::span<const std::string> envs_dirs);

}  // namespace envtool
