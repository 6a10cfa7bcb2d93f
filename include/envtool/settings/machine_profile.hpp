#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace envtool {

/// What a file says of one machine: `platform` and its virtual packages, as written.
struct MachineProfile {
  /// One virtual package: `__cuda: "12.4"`.
  struct Entry {
    std::string name;
    /// `version` or `version=build`; empty: the machine has no such package (`null`, `false`).
    std::string value;
    /// `file:line:column`.
    std::string where;
  };
  /// Empty in a file of one profile.
  std::string name;
  /// Empty: for whatever platform is asked for.
  std::string platform;
  std::string where;
  std::vector<Entry> packages;
};

/// Reads a file of machine profiles (YAML or JSON, docs/virtual-packages.md): one profile with
/// `platform:` and `packages:`, several by name below `profiles:`, or conda-lock's form, by platform
/// below `subdirs:`. What the packages mean is not looked at. Throws `Error` (invalid_input) with line
/// and column.
std::vector<MachineProfile> parse_machine_profiles(std::string_view text, const std::string& origin);

/// The profile for a platform: the one of that name, or with an empty name the only one for the
/// platform. Throws `Error` (invalid_input) when there is none, more than one, or it is for another.
const MachineProfile& select_machine_profile(const std::vector<MachineProfile>& profiles, const std::string& name,
                                             const std::string& platform, const std::string& origin);

/// A profile as the text of a file of one profile.
std::string to_machine_profile(const MachineProfile& profile);

}  // namespace envtool
