#pragma once

#include <sys/stat.h>

#include <string>
#include <string_view>
#include <vector>

namespace envtool::detail {

/// One thing below an environment.
struct TreeEntry {
  std::string path;  ///< relative
  struct stat status {};
  bool is_file() const { return S_ISREG(status.st_mode); }
  bool is_link() const { return S_ISLNK(status.st_mode); }
  bool is_folder() const { return S_ISDIR(status.st_mode); }
};

/// Everything below a folder, folders before what is in them, without following symlinks. Locks, unfinished
/// changes and the top-level names of `left_out` are passed over. Throws `Error`.
std::vector<TreeEntry> read_tree(const std::string& folder, const std::vector<std::string>& left_out = {});

/// `lib/x/__pycache__/m.cpython-312.pyc` and the like.
bool is_byte_code(std::string_view path);

/// What is not the same in two readings of one tree, without byte code; empty when nothing changed.
std::string tree_difference(const std::vector<TreeEntry>& before, const std::vector<TreeEntry>& after);

}  // namespace envtool::detail
