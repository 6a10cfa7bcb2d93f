#include "record_block.hpp"

#include <cstring>

#include "envtool/repodata/repodata_gateway.hpp"
#include "index_format.hpp"

namespace envtool {

namespace {

template <typename DigestType>
DigestType read_digest(IndexCursor& cursor) {
  DigestType digest;
  const auto bytes = cursor.bytes(digest.bytes.size());
  std::memcpy(digest.bytes.data(), bytes.data(), bytes.size());
  return digest;
}

// Decodes the records of one block.
class BlockReader {
 public:
  BlockReader(std::string_view block, std::string_view name, const RecordPlace& place)
      : cursor_(block), name_(name), place_(place) {
    const std::size_t count = cursor_.count();
    std::vector<std::uint64_t> sizes(count);
    for (auto& size : sizes) size = cursor_.number();
    strings_.reserve(count);
    for (const auto size : sizes) strings_.push_back(cursor_.bytes(size));
  }

  std::vector<RepoDataRecord> records(std::size_t expected, const RecordBlockFilter& filter) {
    if (cursor_.count() != expected) throw DamagedIndex{};
    needed_.assign(strings_.size(), false);
    std::vector<RepoDataRecord> records;
    records.reserve(expected);
    for (std::size_t i = 0; i < expected; ++i) {
      dependency_numbers_.clear();
      read(records.emplace_back());
      if (filter && !filter(records.back())) {
        records.pop_back();
        continue;
      }
      for (const std::size_t number : dependency_numbers_) needed_[number] = true;
    }
    if (cursor_.left() != 0) throw DamagedIndex{};
    return records;
  }

  // Names that the kept records depend on: each different string is looked at once.
  void add_dependencies(std::unordered_set<std::string>& names) const {
    for (std::size_t i = 0; i < strings_.size(); ++i) {
      if (!needed_[i]) continue;
      std::string name = dependency_name(strings_[i]);
      if (!name.empty() && !name.starts_with("__")) names.insert(std::move(name));
    }
  }

 private:
  std::size_t string_number() {
    const std::uint64_t number = cursor_.number();
    if (number >= strings_.size()) throw DamagedIndex{};
    return static_cast<std::size_t>(number);
  }
  std::string_view string() { return strings_[string_number()]; }

  void read_list(std::vector<std::string>& list) {
    const std::size_t count = cursor_.count();
    list.reserve(count);
    for (std::size_t i = 0; i < count; ++i) list.emplace_back(string());
  }

  void read_dependencies(std::vector<std::string>& list) {
    const std::size_t count = cursor_.count();
    list.reserve(count);
    for (std::size_t i = 0; i < count; ++i) {
      dependency_numbers_.push_back(string_number());
      list.emplace_back(strings_[dependency_numbers_.back()]);
    }
  }

  void read(RepoDataRecord& record) {
    const std::uint64_t flags = cursor_.number();
    const auto has = [flags](RecordFlag flag) { return (flags & flag) != 0; };
    record.name = name_;
    record.version = string();
    record.build = string();
    if (has(flag_file_name)) {
      record.fn = string();
    } else {
      const std::string_view extension = has(flag_conda) ? ".conda" : ".tar.bz2";
      record.fn.reserve(name_.size() + record.version.size() + record.build.size() + extension.size() + 2);
      record.fn.append(name_).append("-").append(record.version).append("-").append(record.build).append(extension);
    }
    record.build_number = cursor_.number();
    record.timestamp = cursor_.number();
    record.size = cursor_.number();
    read_dependencies(record.depends);
    if (has(flag_constrains)) read_list(record.constrains);
    if (has(flag_track_features)) read_list(record.track_features);
    if (has(flag_features)) record.features = string();
    if (has(flag_flags)) read_list(record.flags);
    if (has(flag_extra_depends)) {
      for (std::size_t left = cursor_.count(); left > 0; --left) {
        auto& group = record.extra_depends.emplace_back();
        group.first = string();
        read_dependencies(group.second);
      }
    }
    if (has(flag_license)) record.license = string();
    if (has(flag_license_family)) record.license_family = string();
    if (has(flag_site_packages)) record.python_site_packages_path = string();
    if (has(flag_arch)) record.arch = string();
    if (has(flag_platform)) record.platform = string();
    if (has(flag_indexed_timestamp)) record.indexed_timestamp = cursor_.number();
    record.subdir = has(flag_subdir) ? string() : std::string_view(place_.subdir);
    if (has(flag_sha256)) record.sha256 = read_digest<Sha256>(cursor_);
    if (has(flag_md5)) record.md5 = read_digest<Md5>(cursor_);
    if (has(flag_noarch_generic)) record.noarch = NoarchType::generic;
    if (has(flag_noarch_python)) record.noarch = NoarchType::python;
    record.channel = place_.channel;
    record.url.reserve(place_.package_url.size() + record.fn.size());
    record.url.append(place_.package_url).append(record.fn);
  }

  IndexCursor cursor_;
  std::string_view name_;
  const RecordPlace& place_;
  std::vector<std::string_view> strings_;
  std::vector<std::size_t> dependency_numbers_;  // of the record being read
  std::vector<bool> needed_;                     // strings that kept records depend on
};

}  // namespace

std::vector<RepoDataRecord> decode_block(std::string_view block, std::size_t record_count, std::string_view name,
                                         const RecordPlace& place, const RecordBlockFilter& filter,
                                         std::unordered_set<std::string>* dependencies) {
  BlockReader reader(block, name, place);
  auto records = reader.records(record_count, filter);
  if (dependencies != nullptr) reader.add_dependencies(*dependencies);
  return records;
}

}  // namespace envtool
