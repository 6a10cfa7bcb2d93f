#include <algorithm>
#include <map>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/specs/version.hpp"
#include "envtool/transaction/link_order.hpp"
#include "envtool/transaction/python_layout.hpp"
#include "envtool/transaction/transaction.hpp"

namespace envtool {

namespace {
bool same_package(const PrefixRecord& installed, const RepoDataRecord& wanted) {
  if (installed.version != wanted.version || installed.build != wanted.build) return false;
  if (!installed.subdir.empty() && !wanted.subdir.empty() && installed.subdir != wanted.subdir) return false;
  // The digest says most; a mirror under another channel URL is still the same package.
  if (installed.sha256 && wanted.sha256) return *installed.sha256 == *wanted.sha256;
  if (installed.md5 && wanted.md5) return *installed.md5 == *wanted.md5;
  return installed.build_number == wanted.build_number && installed.channel == wanted.channel;
}

PackageChange::Kind change_kind(const PrefixRecord& from, const RepoDataRecord& to) {
  if (from.version == to.version)
    return from.build == to.build ? PackageChange::Kind::reinstall : PackageChange::Kind::rebuild;
  try {
    const auto order = Version::parse(to.version) <=> Version::parse(from.version);
    if (order == 0) return PackageChange::Kind::rebuild;
    return order > 0 ? PackageChange::Kind::upgrade : PackageChange::Kind::downgrade;
  } catch (const Error&) {
    // A foreign record may hold a version that the grammar refuses; the kind is only for display.
    return to.version > from.version ? PackageChange::Kind::upgrade : PackageChange::Kind::downgrade;
  }
}

/// True when `noarch: python` packages have to move because Python's folders do.
bool python_moves(const std::vector<PrefixRecord>& installed, const std::map<std::string, const RepoDataRecord*>& wanted) {
  const auto new_python = wanted.find("python");
  const auto old_python = std::find_if(installed.begin(), installed.end(), [](const auto& r) { return r.name == "python"; });
  if (new_python == wanted.end() || old_python == installed.end()) return false;
  return python_layout(*old_python) != python_layout(*new_python->second);
}

template <typename Record>
std::vector<Record> in_link_order(std::vector<Record> records, bool dependencies_first) {
  std::vector<const PackageRecord*> pointers;
  for (const Record& record : records) pointers.push_back(&record);
  std::vector<std::size_t> order = link_order(pointers);
  if (!dependencies_first) std::reverse(order.begin(), order.end());
  std::vector<Record> sorted;
  sorted.reserve(records.size());
  for (std::size_t index : order) sorted.push_back(std::move(records[index]));
  return sorted;
}
}  // namespace

std::vector<RepoDataRecord> Transaction::to_link() const {
  std::vector<RepoDataRecord> records = install;
  for (const PackageChange& item : change) records.push_back(item.to);
  return in_link_order(std::move(records), true);
}

std::vector<PrefixRecord> Transaction::to_unlink() const {
  std::vector<PrefixRecord> records = remove;
  for (const PackageChange& item : change) records.push_back(item.from);
  return in_link_order(std::move(records), false);
}

Transaction diff(const std::vector<PrefixRecord>& installed, const std::vector<RepoDataRecord>& wanted,
                 const std::vector<std::string>& reinstall) {
  std::map<std::string, const RepoDataRecord*> by_name;
  for (const RepoDataRecord& record : wanted)
    if (!by_name.emplace(record.name, &record).second)
      throw Error("a solution has two packages of one name", ErrorKind::internal).at(record.name);
  const std::set<std::string> again(reinstall.begin(), reinstall.end());
  const bool relink_noarch = python_moves(installed, by_name);

  Transaction result;
  std::set<std::string> present;
  for (const PrefixRecord& record : installed) {
    present.insert(record.name);
    const auto found = by_name.find(record.name);
    if (found == by_name.end()) {
      result.remove.push_back(record);
      continue;
    }
    const RepoDataRecord& to = *found->second;
    const bool moves = relink_noarch && record.noarch == NoarchType::python;
    if (same_package(record, to) && !again.contains(record.name) && !moves)
      result.keep.push_back(record);
    else
      result.change.push_back({record, to, change_kind(record, to)});
  }
  for (const auto& [name, record] : by_name)
    if (!present.contains(name)) result.install.push_back(*record);

  const auto by = [](const auto& a, const auto& b) { return a.name < b.name; };
  std::sort(result.remove.begin(), result.remove.end(), by);
  std::sort(result.keep.begin(), result.keep.end(), by);
  std::sort(result.change.begin(), result.change.end(),
            [](const PackageChange& a, const PackageChange& b) { return a.from.name < b.from.name; });
  return result;
}

}  // namespace envtool
