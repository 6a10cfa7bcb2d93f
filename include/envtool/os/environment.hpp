#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace envtool {

/// The process's surroundings, read once at the start and handed down as a value.
class EnvSnapshot {
 public:
  /// What this process sees now (environ, cwd, uid).
  static EnvSnapshot capture();
  EnvSnapshot() = default;
  explicit EnvSnapshot(std::map<std::string, std::string> variables) : variables_(std::move(variables)) {}

  /// The value, or nothing when unset; an empty value counts as unset.
  std::optional<std::string> get(std::string_view name) const;
  /// The value even when empty.
  std::optional<std::string> get_raw(std::string_view name) const;
  const std::map<std::string, std::string>& all() const { return variables_; }
  /// A copy with one variable changed.
  EnvSnapshot with(std::string name, std::string value) const;
  EnvSnapshot without(const std::string& name) const;
  /// `NAME=value` strings for a child process.
  std::vector<std::string> to_strings() const;

  /// HOME, or the password file's entry; empty when neither is there.
  std::string home;
  /// Working directory, absolute.
  std::string working_directory;

 private:
  std::map<std::string, std::string> variables_;
};

/// Makes a path absolute against the working directory, expands a leading `~`, and removes `.`, `..`
/// and double slashes lexically (symlinks are not followed). Throws `Error` when the folder that it
/// needs for that is not known.
std::string absolute_path(std::string_view path, const EnvSnapshot& environment);
/// `$NAME` and `${NAME}` replaced; unknown names stay as they are.
std::string expand_variables(std::string_view text, const EnvSnapshot& environment);

}  // namespace envtool
