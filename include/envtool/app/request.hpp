#pragma once

#include <optional>
#include <string>
#include <vector>

#include "envtool/app/pip.hpp"
#include "envtool/os/environment.hpp"
#include "envtool/prefix/prefix.hpp"
#include "envtool/records/package_record.hpp"
#include "envtool/settings/settings.hpp"
#include "envtool/specs/channel.hpp"
#include "envtool/specs/match_spec.hpp"
#include "envtool/specs/platform.hpp"

namespace envtool {

/// What the user typed about the packages of an environment.
struct RequestOptions {
  /// environment.yml, spec lists, @EXPLICIT files, conda-lock.yml; any number.
  std::vector<std::string> files;
  /// Specs of the command line.
  std::vector<std::string> specs;
  std::vector<std::string> channels;
  bool override_channels = false;
  /// Empty: this machine's.
  std::string platform;
  /// Categories of a lock file to install in addition to `main`.
  std::vector<std::string> categories;
};

/// What an environment shall be, read from files and arguments.
struct EnvironmentRequest {
  Platform platform = Platform::current();
  /// Highest priority first, no doubles.
  std::vector<Channel> channels;
  std::vector<MatchSpec> specs;
  /// The archives themselves, from a lock or an @EXPLICIT file: nothing is solved then.
  std::optional<std::vector<RepoDataRecord>> explicit_records;
  std::vector<PipSection> pip;
  std::optional<EnvironmentVariables> variables;
  /// Suggested by a file.
  std::string name;
  std::string prefix;
  /// `platforms` of the files, for locks.
  std::vector<std::string> platforms;
  /// The files as given, for the lock's metadata.
  std::vector<std::string> sources;
  /// Unknown keys and the like: shown to the user.
  std::vector<std::string> warnings;
};

/// Reads the files and arguments. Throws `Error` with file, line and column. Files that lock
/// (`conda-lock.yml`, @EXPLICIT) cannot be mixed with files or specs that have to be solved.
EnvironmentRequest load_request(const RequestOptions& options, const Settings& settings,
                                const EnvSnapshot& environment);

/// The channels that a command uses: those of `-c`, those of the files, then the configured ones
/// (docs/adr/0005-channels.md).
std::vector<Channel> select_channels(const RequestOptions& options, const std::vector<std::string>& of_files,
                                     bool nodefaults, const Settings& settings, const EnvSnapshot& environment);

}  // namespace envtool
