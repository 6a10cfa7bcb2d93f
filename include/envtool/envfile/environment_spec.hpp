#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "envtool/specs/match_spec.hpp"
#include "envtool/specs/platform.hpp"

namespace envtool {

/// A wish for a conda package as a file states it.
struct RequestedSpec {
  MatchSpec spec;
  /// As written; what `to_environment_yml` writes.
  std::string text;
  /// `file:line:column`, empty for specs from elsewhere.
  std::string where;
  /// CEP 24 `category` of the file it comes from; empty means `main`.
  std::string category;
};

/// A line for pip: a requirement as pip understands it, or an option such as `-r other.txt`.
struct PipRequirement {
  std::string text;
  std::string where;
  std::string category;
};

/// What an environment.yml says (CEP 24), with the selectors decided for one platform.
struct EnvironmentSpec {
  /// Empty when the file names none. Passed `environment_name_problem`.
  std::string name;
  std::string name_where;
  /// As written: `~` and `$NAME` are not expanded.
  std::string prefix;
  std::string prefix_where;
  /// Names, URLs and paths in order; without `nodefaults`. They may hold credentials.
  std::vector<std::string> channels;
  /// The file says `nodefaults`: the configured channels are not to be appended.
  bool nodefaults = false;
  std::vector<RequestedSpec> dependencies;
  std::vector<PipRequirement> pip;
  /// Name and value in the file's order; every value as text.
  std::vector<std::pair<std::string, std::string>> variables;
  /// Where each of them stands, for messages.
  std::map<std::string, std::string> variable_places;
  /// Empty when the file names none.
  std::vector<Platform> platforms;
  /// Empty means `main`, or files of several categories were merged.
  std::string category;
  /// Unknown top-level keys and the like, with their place: for the user.
  std::vector<std::string> warnings;
};

/// Parses an environment.yml for one platform: comment selectors (`# [linux]`) and dictionary
/// selectors (`sel(win): pywin32`) that are false there drop out. Throws `Error` (invalid_input)
/// with file, line and column for YAML that cannot be read, values of a wrong type, specs that
/// cannot be parsed, sections other than `pip`, unknown selector variables. Text is limited to
/// 4 MiB, nesting and aliases are bounded.
EnvironmentSpec parse_environment_yml(std::string_view text, const std::string& origin, const Platform& platform);

/// Several files as one, in the order of the command line: channels, dependencies, pip lines and
/// platforms are united without doubles. Throws `Error` (invalid_input) with both places when two
/// files give different names, prefixes or values of one variable.
EnvironmentSpec merge_environments(const std::vector<EnvironmentSpec>& specs);

/// The text of an environment.yml with keys in the usual order and a final newline; what is empty
/// is left out, except `dependencies`. Credentials in channels are not written.
/// `parse_environment_yml` reads back the same.
std::string to_environment_yml(const EnvironmentSpec& spec);

}  // namespace envtool
