#include "envtool/prefix/prefix_data.hpp"

#include <algorithm>

#include "envtool/base/error.hpp"
#include "envtool/os/files.hpp"

namespace envtool {

namespace {
/// A record of a package with 100,000 files has some 40 MB.
constexpr std::uint64_t record_limit = std::uint64_t{256} << 20U;
}  // namespace

std::vector<std::string> record_file_names(const Prefix& prefix) {
  std::vector<std::string> names = list_directory(prefix.conda_meta());
  std::erase_if(names, [](const std::string& name) { return name.size() <= 5 || !name.ends_with(".json") || name.front() == '.'; });
  return names;
}

namespace {
void sort_by_name(std::vector<PrefixRecord>& records) {
  std::stable_sort(records.begin(), records.end(), [](const PrefixRecord& a, const PrefixRecord& b) { return a.name < b.name; });
}
}  // namespace

void PrefixData::add(const Prefix& prefix, const std::string& file_name) {
  const std::string path = prefix.conda_meta() + "/" + file_name;
  const auto text = read_file_if_exists(path, record_limit);
  if (!text) return;  // removed by another process since the folder was listed
  PrefixRecord record;
  try {
    record = parse_prefix_record(*text, path);
  } catch (const Error& cause) {
    throw Error("an environment's package record is damaged", cause.kind() == ErrorKind::unsafe ? ErrorKind::unsafe : ErrorKind::corrupt)
        .at(path)
        .caused_by(cause)
        .hint("reinstall the package, or remove the file when the package is not needed");
  }
  // conda too passes over records that are not what their name says.
  if (record.file_name() != file_name) {
    ignored_.push_back(file_name);
    return;
  }
  records_.push_back(std::move(record));
  file_names_.push_back(file_name);
}

PrefixData PrefixData::load_readable(const Prefix& prefix) {
  PrefixData data;
  for (const std::string& name : record_file_names(prefix)) {
    try {
      data.add(prefix, name);
    } catch (const Error&) {
      data.ignored_.push_back(name);
    }
  }
  sort_by_name(data.records_);
  return data;
}

PrefixData PrefixData::load(const Prefix& prefix) {
  PrefixData data;
  for (const std::string& name : record_file_names(prefix)) data.add(prefix, name);
  sort_by_name(data.records_);
  for (std::size_t i = 1; i < data.records_.size(); ++i)
    if (data.records_[i].name == data.records_[i - 1].name)
      throw Error("an environment has two records of one package", ErrorKind::corrupt)
          .at(prefix.conda_meta())
          .because("`" + data.records_[i - 1].file_name() + "` and `" + data.records_[i].file_name() + "`")
          .hint("remove the record of the version that is not there");
  return data;
}

const PrefixRecord* PrefixData::find(std::string_view name) const {
  const auto found = std::lower_bound(records_.begin(), records_.end(), name,
                                      [](const PrefixRecord& record, std::string_view wanted) { return record.name < wanted; });
  return found != records_.end() && found->name == name ? &*found : nullptr;
}

}  // namespace envtool
