#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace envtool {

/// The folder of an environment and the places in it (CEP 32). A value; nothing is read.
class Prefix {
 public:
  /// An absolute path without trailing slashes. Throws `Error` (invalid_input) for a relative or
  /// empty one and for control characters.
  explicit Prefix(std::string path);

  const std::string& path() const { return path_; }
  /// `<prefix>/<relative>`
  std::string operator/(std::string_view relative) const;
  std::string conda_meta() const { return path_ + "/conda-meta"; }
  std::string history_file() const { return path_ + "/conda-meta/history"; }
  std::string state_file() const { return path_ + "/conda-meta/state"; }
  std::string frozen_file() const { return path_ + "/conda-meta/frozen"; }
  std::string pinned_file() const { return path_ + "/conda-meta/pinned"; }
  /// What envtool keeps for itself.
  std::string state_directory() const { return path_ + "/conda-meta/.envtool"; }
  std::string lock_file() const { return path_ + "/conda-meta/.envtool/lock"; }
  std::string transaction_directory() const { return path_ + "/conda-meta/.envtool/tx"; }

  bool operator==(const Prefix&) const = default;

 private:
  std::string path_;
};

/// Bytes of the largest history that is read: that of thousands of large changes.
inline constexpr std::uint64_t history_limit = std::uint64_t{64} << 20U;

/// True when `conda-meta/history` is there (CEP 32).
bool is_environment(const Prefix& prefix);

/// A mark that says the environment must not be changed (CEP 22).
struct Frozen {
  /// The marker's message, or a general one when it has none.
  std::string message;
  /// It is the marker's own.
  bool has_message = false;
};
/// The mark of `conda-meta/frozen`, or nothing. A marker that cannot be understood still freezes.
std::optional<Frozen> frozen(const Prefix& prefix);
/// Throws `Error` (permission) with the marker's message and how to override it.
void refuse_if_frozen(const Prefix& prefix);

/// The specs of `conda-meta/pinned`, one a line, without comments; none when the file is missing.
std::vector<std::string> pinned_specs(const Prefix& prefix);
/// The same from text.
std::vector<std::string> parse_pinned(std::string_view text);

/// Variables of `conda-meta/state`; a variable that was unset keeps conda's mark.
using EnvironmentVariables = std::map<std::string, std::string>;
/// Parses the document. Throws `Error` (corrupt) naming `origin`.
EnvironmentVariables parse_state(std::string_view text, const std::string& origin);
std::string render_state(const EnvironmentVariables& variables);
/// None when the file is missing.
EnvironmentVariables read_state(const Prefix& prefix);
/// Writes the document atomically; keeps other keys' absence (CEP 32 allows `env_vars` only).
void write_state(const Prefix& prefix, const EnvironmentVariables& variables);

}  // namespace envtool
