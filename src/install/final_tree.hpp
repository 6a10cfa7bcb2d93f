#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>

#include "prefix_root.hpp"

namespace envtool::detail {

/// An environment's folders and symlinks as a change will leave them: what is on disk, less what goes, plus what
/// comes. Nothing is changed; it answers where a path leads before anything is moved.
class FinalTree {
 public:
  explicit FinalTree(PrefixRoot& root) : root_(root) {}

  /// A file or symlink that goes.
  void remove(std::string path) { gone_.insert(std::move(path)); }
  /// A folder that is made where there is none.
  void make_folder(std::string path) { folders_.insert(std::move(path)); }
  /// A file that comes.
  void place_file(std::string path) { placed_.insert_or_assign(std::move(path), Placed{false, {}}); }
  /// A symlink that comes.
  void place_link(std::string path, std::string text) { placed_.insert_or_assign(std::move(path), Placed{true, std::move(text)}); }

  struct Way {
    enum class End {
      folder,      ///< a folder, or nothing yet: it can be made
      outside,     ///< a symlink leads out of the environment
      own,         ///< a symlink leads into `conda-meta`
      not_folder,  ///< something that is no folder is on the way
      nowhere      ///< a symlink leads to nothing, or in circles
    } end = End::folder;
    /// The folder without symlinks, relative to the prefix; empty for the prefix itself.
    std::string path;
    /// What is in the way, or the first symlink that led elsewhere.
    std::string culprit;
    bool operator==(const Way&) const = default;
  };
  /// Where the folder `path` (relative, empty for the prefix) is. Throws `Error` when the disk cannot be read.
  const Way& folder(const std::string& path);
  /// After things were placed.
  void forget() { known_.clear(); }

 private:
  struct Placed {
    bool is_link = false;
    std::string text;
  };
  struct Node {
    enum class Type { absent, folder, link, other } type = Type::absent;
    bool is_new = false;
    std::string text;
  };
  Node look(const std::string& path, bool is_new) const;
  Way walk(const std::string& path);

  PrefixRoot& root_;
  std::set<std::string, std::less<>> gone_, folders_;
  std::map<std::string, Placed, std::less<>> placed_;
  std::map<std::string, Way, std::less<>> known_;
};

}  // namespace envtool::detail
