#pragma once

#include <string>

#include "envtool/base/error.hpp"

namespace envtool {

/// Shows an error, as text on standard error or as conda's JSON error document on standard output,
/// and gives the exit code.
int report_error(const Error& error, bool json);
/// The same for a command line that cannot be understood; exit code 2.
int report_usage_error(const std::string& message, bool json);

}  // namespace envtool
