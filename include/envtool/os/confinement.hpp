#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "envtool/os/process.hpp"

namespace envtool {

/// What a confined program can reach, absolute paths of existing files and folders.
struct Confinement {
  /// It can do anything there.
  std::vector<std::string> writable;
  /// It can read and execute there.
  std::vector<std::string> readable;
};

/// How a confined program ran.
struct ConfinedResult : ProcessResult {
  /// The kernel enforced it. Without Landlock (Linux 5.13, or switched off) the program ran like any other.
  bool is_confined = false;
};

/// The folders and files that programs of the system need to be read to run at all; no home folder, no
/// configuration that could hold secrets.
std::vector<std::string> system_folders();

/// `run_process`, but the program and all that it starts can open, create, and delete files only where the
/// confinement says, gain no privileges, and, by what the kernel knows, connect to no TCP port and signal no
/// other process. Whatever it leaves in the background is killed. What Landlock cannot keep from it: modes
/// and times of files that the user owns elsewhere, and sockets in the file system. Throws as `run_process`.
ConfinedResult run_confined(const ProcessRequest& request, const Confinement& confinement, std::stop_token stop = {});

}  // namespace envtool
