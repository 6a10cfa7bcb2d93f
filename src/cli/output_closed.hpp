#pragma once

#include "envtool/base/error.hpp"

namespace envtool {

/// Nobody reads standard output any more (`| head`). Ends the command silently, as SIGPIPE would.
class OutputClosed : public Error {
 public:
  OutputClosed() : Error("standard output is closed") {}
};

/// The exit code for it: what a shell shows for a program that SIGPIPE ended.
constexpr int output_closed_code = 141;

}  // namespace envtool
