#include "record_block.hpp"

#include <algorithm>
#include <cstring>

#include "envtool/repodata/repodata_gateway.hpp"
#include "index_format.hpp"

namespace envtool {

namespace {

using Text = RecordTable::Text;

// A record as it is stored: texts by their numbers, which are checked.
struct StoredRecord {
  bool has(RecordFlag flag) const { return (flags & flag) != 0; }

  std::uint64_t flags = 0;
  Text version = 0, build = 0, file_name = 0, features = 0, license = 0, license_family = 0, site_packages = 0, arch = 0,
       platform = 0, subdir = 0;
  std::uint64_t build_number = 0, timestamp = 0, size = 0, indexed_timestamp = 0;
  std::vector<Text> depends, constrains, track_features, flag_texts;
  std::vector<std::pair<Text, std::vector<Text>>> extra_depends;
  std::string_view sha256, md5;
};

class RecordCursor {
 public:
  RecordCursor(IndexCursor& cursor, std::size_t text_count) : cursor_(cursor), text_count_(text_count) {}

  // What the record does not have keeps an old value.
  void read(StoredRecord& record) {
    record.flags = cursor_.number();
    record.version = text();
    record.build = text();
    if (record.has(flag_file_name)) record.file_name = text();
    record.build_number = cursor_.number();
    record.timestamp = cursor_.number();
    record.size = cursor_.number();
    list(record.depends);
    optional_list(record, flag_constrains, record.constrains);
    optional_list(record, flag_track_features, record.track_features);
    if (record.has(flag_features)) record.features = text();
    optional_list(record, flag_flags, record.flag_texts);
    record.extra_depends.clear();
    if (record.has(flag_extra_depends)) {
      for (std::size_t left = cursor_.count(); left > 0; --left) {
        auto& group = record.extra_depends.emplace_back();
        group.first = text();
        list(group.second);
      }
    }
    if (record.has(flag_license)) record.license = text();
    if (record.has(flag_license_family)) record.license_family = text();
    if (record.has(flag_site_packages)) record.site_packages = text();
    if (record.has(flag_arch)) record.arch = text();
    if (record.has(flag_platform)) record.platform = text();
    record.indexed_timestamp = record.has(flag_indexed_timestamp) ? cursor_.number() : 0;
    if (record.has(flag_subdir)) record.subdir = text();
    if (record.has(flag_sha256)) record.sha256 = cursor_.bytes(sizeof(Sha256::bytes));
    if (record.has(flag_md5)) record.md5 = cursor_.bytes(sizeof(Md5::bytes));
  }

 private:
  Text text() {
    const std::uint64_t number = cursor_.number();
    if (number >= text_count_) throw DamagedIndex{};
    return static_cast<Text>(number);
  }
  void list(std::vector<Text>& list) {
    list.resize(cursor_.count());
    for (Text& number : list) number = text();
  }
  void optional_list(const StoredRecord& record, RecordFlag flag, std::vector<Text>& target) {
    if (record.has(flag)) list(target);
    else target.clear();
  }

  IndexCursor& cursor_;
  std::size_t text_count_;
};

template <typename DigestType>
void take_digest(bool there, std::string_view bytes, std::optional<DigestType>& target) {
  target.reset();
  if (there) std::memcpy(target.emplace().bytes.data(), bytes.data(), bytes.size());
}

}  // namespace

RecordBlock::RecordBlock(std::string block, std::size_t record_count, std::string_view name, RecordPlace place)
    : block_(std::move(block)), name_(name), place_(std::move(place)) {
  if (block_.size() > UINT32_MAX) throw DamagedIndex{};
  IndexCursor cursor(block_);
  std::vector<std::uint32_t> sizes(cursor.count());
  for (auto& size : sizes) size = static_cast<std::uint32_t>(cursor.count());
  texts_.reserve(sizes.size() + 1);
  for (const auto size : sizes) texts_.push_back(cursor.bytes(size));
  if (cursor.count() != record_count) throw DamagedIndex{};
  rows_.reserve(record_count);
  offsets_.reserve(record_count);
  StoredRecord stored;
  RecordCursor reader(cursor, texts_.size());
  const auto usual_subdir = static_cast<Text>(texts_.size());
  // Two with the same file name but for the extension are not in a block.
  builds_differ_ = true;
  for (std::size_t i = 0; i < record_count; ++i) {
    offsets_.push_back(static_cast<std::uint32_t>(block_.size() - cursor.left()));
    reader.read(stored);
    if (stored.has(flag_file_name)) builds_differ_ = false;
    Row& row = rows_.emplace_back();
    row.version = stored.version;
    row.build = stored.build;
    row.subdir = stored.has(flag_subdir) ? stored.subdir : usual_subdir;
    if (stored.has(flag_noarch_generic)) row.noarch = NoarchType::generic;
    if (stored.has(flag_noarch_python)) row.noarch = NoarchType::python;
    row.build_number = stored.build_number;
    row.timestamp = stored.timestamp;
    row.release_time = stored.indexed_timestamp != 0 ? stored.indexed_timestamp : stored.timestamp;
    row.has_track_features = !stored.track_features.empty();
    row.first_spec = static_cast<std::uint32_t>(specs_.size());
    row.depends_count = static_cast<std::uint32_t>(stored.depends.size());
    row.constrains_count = static_cast<std::uint32_t>(stored.constrains.size());
    specs_.insert(specs_.end(), stored.depends.begin(), stored.depends.end());
    specs_.insert(specs_.end(), stored.constrains.begin(), stored.constrains.end());
    for (const auto& [group, specs] : stored.extra_depends)
      for (const Text text : specs) extra_depends_.emplace_back(static_cast<std::uint32_t>(i), text);
  }
  if (cursor.left() != 0) throw DamagedIndex{};
  texts_.push_back(place_.subdir);
}

void RecordBlock::decode(std::size_t position, RepoDataRecord& record) const {
  IndexCursor cursor(std::string_view(block_).substr(offsets_[position]));
  StoredRecord stored;
  RecordCursor(cursor, texts_.size()).read(stored);
  const auto set = [&](std::string& target, RecordFlag flag, Text text) {
    if (stored.has(flag)) target = texts_[text];
    else target.clear();
  };
  const auto set_list = [&](std::vector<std::string>& target, const std::vector<Text>& list) {
    target.resize(list.size());
    for (std::size_t i = 0; i < list.size(); ++i) target[i] = texts_[list[i]];
  };
  record.name = name_;
  record.version = texts_[stored.version];
  record.build = texts_[stored.build];
  if (stored.has(flag_file_name)) {
    record.fn = texts_[stored.file_name];
  } else {
    record.fn.clear();
    record.fn.append(name_).append("-").append(record.version).append("-").append(record.build);
    record.fn += stored.has(flag_conda) ? ".conda" : ".tar.bz2";
  }
  record.build_number = stored.build_number;
  record.timestamp = stored.timestamp;
  record.indexed_timestamp = stored.indexed_timestamp;
  record.size = stored.size;
  set_list(record.depends, stored.depends);
  set_list(record.constrains, stored.constrains);
  set_list(record.track_features, stored.track_features);
  set_list(record.flags, stored.flag_texts);
  record.extra_depends.resize(stored.extra_depends.size());
  for (std::size_t i = 0; i < stored.extra_depends.size(); ++i) {
    record.extra_depends[i].first = texts_[stored.extra_depends[i].first];
    set_list(record.extra_depends[i].second, stored.extra_depends[i].second);
  }
  set(record.features, flag_features, stored.features);
  set(record.license, flag_license, stored.license);
  set(record.license_family, flag_license_family, stored.license_family);
  set(record.python_site_packages_path, flag_site_packages, stored.site_packages);
  set(record.arch, flag_arch, stored.arch);
  set(record.platform, flag_platform, stored.platform);
  record.subdir = stored.has(flag_subdir) ? texts_[stored.subdir] : std::string_view(place_.subdir);
  take_digest(stored.has(flag_sha256), stored.sha256, record.sha256);
  take_digest(stored.has(flag_md5), stored.md5, record.md5);
  record.noarch = rows_[position].noarch;
  record.channel = place_.channel;
  record.url.assign(place_.package_url).append(record.fn);
}

const RepoDataRecord& RecordBlock::record(std::size_t position) const {
  const auto [found, added] = decoded_.try_emplace(position);
  if (added) decode(position, found->second);
  return found->second;
}

std::vector<RepoDataRecord> RecordBlock::records(const RecordBlockFilter& filter,
                                                 std::unordered_set<std::string>* dependencies) const {
  std::vector<RepoDataRecord> records;
  std::vector<bool> needed(texts_.size());
  RepoDataRecord record;  // its memory serves them all
  if (!filter) records.reserve(size());
  for (std::size_t i = 0; i < size(); ++i) {
    decode(i, record);
    if (filter && !filter(record)) continue;
    records.push_back(record);
    mark_dependencies(i, needed);
  }
  if (dependencies != nullptr) add_names(needed, *dependencies);
  return records;
}

void RecordBlock::mark_dependencies(std::size_t position, std::vector<bool>& texts) const {
  for (const Text text : depends(rows_[position])) texts[text] = true;
  const auto of_record = std::equal_range(
      extra_depends_.begin(), extra_depends_.end(), std::pair(static_cast<std::uint32_t>(position), Text{0}),
      [](const auto& left, const auto& right) { return left.first < right.first; });
  for (auto extra = of_record.first; extra != of_record.second; ++extra) texts[extra->second] = true;
}

// Each different string is looked at once.
void RecordBlock::add_names(const std::vector<bool>& texts, std::unordered_set<std::string>& names) const {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    if (!texts[i]) continue;
    std::string name = dependency_name(texts_[i]);
    if (!name.empty() && !name.starts_with("__")) names.insert(std::move(name));
  }
}

void RecordBlock::add_dependencies(std::unordered_set<std::string>& names) const {
  std::vector<bool> needed(texts_.size());
  for (const Row& row : rows_)
    for (const Text text : depends(row)) needed[text] = true;
  for (const auto& [position, text] : extra_depends_) needed[text] = true;
  add_names(needed, names);
}

}  // namespace envtool
