#pragma once

#include <string>
#include <string_view>

namespace envtool {

/// CEP 26: true for a valid distributable package name (lower case, at most 64 characters). Virtual
/// packages (`__glibc`) count.
bool is_valid_package_name(std::string_view name);
/// CEP 26: true for a valid version string as a part of file names (characters and length; the
/// grammar is `Version::parse`'s).
bool is_valid_version_string(std::string_view text);
/// CEP 26: true for a valid build string.
bool is_valid_build_string(std::string_view text);
/// CEP 26: true for a known or well-formed subdir (`noarch` included).
bool is_valid_subdir(std::string_view text);
/// CEP 24: why an environment's name is refused, or empty when it is fine. Also refused are names
/// that are no single path component and those that look like options.
std::string environment_name_problem(std::string_view name);

}  // namespace envtool
