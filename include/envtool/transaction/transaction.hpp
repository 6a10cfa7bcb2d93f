#pragma once

#include <string>
#include <vector>

#include "envtool/records/package_record.hpp"
#include "envtool/records/prefix_record.hpp"

namespace envtool {

/// One package that a change replaces (same name, other record).
struct PackageChange {
  PrefixRecord from;
  RepoDataRecord to;
  enum class Kind { upgrade, downgrade, rebuild, reinstall } kind = Kind::upgrade;
};

/// The difference between what is installed and what is wanted, every list sorted by name.
struct Transaction {
  std::vector<RepoDataRecord> install;
  std::vector<PrefixRecord> remove;
  std::vector<PackageChange> change;
  std::vector<PrefixRecord> keep;

  bool empty() const { return install.empty() && remove.empty() && change.empty(); }
  /// Every record to link: installs and the new side of changes, dependencies before dependents.
  std::vector<RepoDataRecord> to_link() const;
  /// Every record to unlink: removals and the old side of changes, dependents before dependencies.
  std::vector<PrefixRecord> to_unlink() const;
};

/// Compares by name, version, build, channel subdir and digest. `reinstall` names are changed even when equal.
Transaction diff(const std::vector<PrefixRecord>& installed, const std::vector<RepoDataRecord>& wanted,
                 const std::vector<std::string>& reinstall = {});

}  // namespace envtool
