#pragma once

#include "envtool/app/change.hpp"
#include "envtool/install/installer.hpp"

namespace envtool {

/// How a use case changes an environment with these settings.
InstallOptions install_options(const AppInputs& inputs);

}  // namespace envtool
