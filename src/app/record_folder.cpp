#include "record_folder.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <set>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"
#include "envtool/prefix/prefix_data.hpp"

namespace envtool::detail {

namespace {
constexpr std::uint64_t record_limit = std::uint64_t{1} << 30U;

BadRecord bad_record(const std::string& file, std::string why) {
  BadRecord bad;
  bad.file = file;
  bad.why = std::move(why);
  bad.dist = file.substr(0, file.size() - std::string_view(".json").size());
  bad.name = name_of_dist(bad.dist);
  if (bad.name.empty()) bad.dist.clear();
  return bad;
}

/// Never opens what is no file: a symlink could lead anywhere, a pipe would not end.
std::optional<std::string> read_record_file(const std::string& path, std::string& why) {
  struct stat status{};
  if (lstat(path.c_str(), &status) != 0) return std::nullopt;
  if (!S_ISREG(status.st_mode)) {
    why = S_ISLNK(status.st_mode) ? "it is a symlink" : "it is no file";
    return std::nullopt;
  }
  return read_file_if_exists(path, record_limit);
}

/// Of several records of one name only one can be right: the one that the history names, else the last.
void set_doubles_aside(RecordFolder& folder, const std::set<std::string>& of_history) {
  std::stable_sort(folder.records.begin(), folder.records.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  std::vector<PrefixRecord> single;
  for (std::size_t begin = 0, end = 0; begin < folder.records.size(); begin = end) {
    while (end < folder.records.size() && folder.records[end].name == folder.records[begin].name) ++end;
    std::size_t right = end - 1;
    for (std::size_t i = begin; i < end; ++i)
      if (of_history.contains(folder.records[i].dist())) right = i;
    for (std::size_t i = begin; i < end; ++i) {
      if (i == right) continue;
      BadRecord bad = bad_record(folder.records[i].file_name(), "`" + folder.records[right].file_name() + "` is about the same package");
      bad.kind = ProblemKind::record_twice;
      bad.record = std::move(folder.records[i]);
      folder.bad.push_back(std::move(bad));
    }
    single.push_back(std::move(folder.records[right]));
  }
  folder.records = std::move(single);
}

std::set<std::string> packages_of_history(RecordFolder& folder, const Prefix& prefix) {
  std::set<std::string> dists;
  try {
    folder.revisions = RevisionStore::load(prefix);
    if (folder.revisions->size() != 0)
      for (const std::string& line : folder.revisions->history().state_at(folder.revisions->size() - 1)) dists.emplace(dist_of_history_line(line));
  } catch (const Error& error) {
    folder.history_problem = error.message() + (error.why().empty() ? "" : ": " + error.why());
  }
  return dists;
}
}  // namespace

std::string name_of_dist(const std::string& dist) {
  const auto parts = parse_archive_name(dist + ".conda");
  return parts ? parts->name : std::string();
}

const PrefixRecord* RecordFolder::find(std::string_view name) const {
  const auto found = std::lower_bound(records.begin(), records.end(), name,
                                      [](const PrefixRecord& record, std::string_view wanted) { return record.name < wanted; });
  return found != records.end() && found->name == name ? &*found : nullptr;
}

RecordFolder read_record_folder(const Prefix& prefix) {
  RecordFolder folder;
  for (const std::string& file : record_file_names(prefix)) {
    const std::string path = prefix.conda_meta() + "/" + file;
    std::string why;
    try {
      const auto text = read_record_file(path, why);
      if (!text && why.empty()) continue;  // gone since the folder was listed
      if (text) {
        PrefixRecord record = parse_prefix_record(*text, path);
        if (record.file_name() == file) {
          folder.records.push_back(std::move(record));
          continue;
        }
        BadRecord bad = bad_record(file, "it is about `" + record.dist() + "`");
        bad.kind = ProblemKind::record_name;
        bad.name = record.name;
        bad.dist = record.dist();
        bad.record = std::move(record);
        folder.bad.push_back(std::move(bad));
        continue;
      }
    } catch (const Error& error) {
      why = error.message() + (error.why().empty() ? "" : ": " + error.why());
    }
    folder.bad.push_back(bad_record(file, why));
  }
  const std::set<std::string> of_history = packages_of_history(folder, prefix);
  set_doubles_aside(folder, of_history);

  std::set<std::string> names;
  for (const PrefixRecord& record : folder.records) names.insert(record.name);
  for (const BadRecord& bad : folder.bad) names.insert(bad.name);
  for (const std::string& dist : of_history)
    if (const std::string name = name_of_dist(dist); !name.empty() && !names.contains(name)) folder.missing.push_back(dist);
  if (!of_history.empty())
    for (const PrefixRecord& record : folder.records)
      if (!of_history.contains(record.dist())) folder.unknown_to_history.push_back(record.dist());
  return folder;
}

}  // namespace envtool::detail
