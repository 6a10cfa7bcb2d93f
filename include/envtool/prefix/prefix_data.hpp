#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "envtool/prefix/prefix.hpp"
#include "envtool/records/prefix_record.hpp"

namespace envtool {

/// The packages that an environment says it has: every `conda-meta/*.json`.
class PrefixData {
 public:
  /// Reads the records; none when the environment does not exist. Documents of conda, mamba and
  /// rattler are understood. Throws `Error` (corrupt) that names the bad file.
  static PrefixData load(const Prefix& prefix);
  /// The same without those that cannot be read; two records of one package are both there. For what must also
  /// work while such an environment is repaired.
  static PrefixData load_readable(const Prefix& prefix);

  /// Sorted by name.
  const std::vector<PrefixRecord>& records() const { return records_; }
  /// Null when it is not installed.
  const PrefixRecord* find(std::string_view name) const;
  /// Names of the files in conda-meta that were read, sorted.
  const std::vector<std::string>& file_names() const { return file_names_; }
  /// Records that are not what their file name says, or second records of one name: the files that
  /// were passed over.
  const std::vector<std::string>& ignored() const { return ignored_; }

 private:
  void add(const Prefix& prefix, const std::string& file_name);

  std::vector<PrefixRecord> records_;
  std::vector<std::string> file_names_;
  std::vector<std::string> ignored_;
};

/// Names of the `*.json` files of conda-meta, sorted; cheap, for noticing a change.
std::vector<std::string> record_file_names(const Prefix& prefix);

}  // namespace envtool
