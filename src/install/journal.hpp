#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "prefix_root.hpp"
#include "stage_file.hpp"

namespace envtool::detail {

/// One step of a change; every step can be repeated.
struct JournalStep {
  enum class Kind : char {
    place = 'P',          ///< the staged file goes to its path, what is there goes to the slot
    remove = 'R',         ///< the path goes to the slot
    make_folder = 'M',
    remove_folder = 'E'   ///< when it is empty
  };
  /// What becomes of the file that was at the path.
  enum class Old : char {
    discard = 'd',      ///< dropped when it is what was expected; kept aside otherwise
    drop_always = 'a',  ///< dropped whatever it is (byte code)
    save = 's',         ///< kept aside under a new name
    park = 'p'          ///< goes to a parking place when it is what was expected; kept aside otherwise
  };
  Kind kind = Kind::place;
  Old old = Old::discard;
  /// Relative to the prefix.
  std::string path;
  /// Number of the file in `tx/new` and `tx/old`.
  std::uint32_t slot = 0;
  /// What was at the path when the change was planned.
  Found before;
  /// The staged file.
  Found after;
  /// SHA-256 in hex of its content, or the symlink's text; empty when not known.
  std::string content;
  /// Relative to the prefix, for `park`.
  std::string parking_place;
  /// How to make the staged file again when it got lost; no source: it cannot be made again.
  FileRecipe recipe;
};

/// A Python file to compile after the change.
struct JournalCompile {
  std::string source, target;  ///< relative to the prefix
};

/// A committed change: everything that is needed to finish it.
struct Journal {
  std::string id;
  /// The prefix as its files have it; it may have been moved since.
  std::string prefix;
  /// Inode number of `tx/`, which nobody can know beforehand: another one tells a copy, or a journal that
  /// somebody else has made up. Such a one moves files within the prefix, and nothing more.
  std::uint64_t folder = 0;
  std::vector<JournalStep> steps;
  /// Relative to the prefix; empty when nothing is to be compiled.
  std::string python;
  std::vector<JournalCompile> compile;
};

/// Lines with a checksum each, and a last line with their number and a checksum of all.
std::string render_journal(const Journal& journal);
/// Throws `Error` (corrupt) for any damage.
Journal parse_journal(std::string_view text, const std::string& origin);

/// `tx/new/<n/1024>/<n>`: large folders are slow to change from several threads.
std::string new_slot(std::uint32_t slot);
std::string old_slot(std::uint32_t slot);

}  // namespace envtool::detail
