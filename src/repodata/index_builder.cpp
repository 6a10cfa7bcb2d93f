#include "index_builder.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "envtool/base/error.hpp"
#include "envtool/os/clock.hpp"
#include "envtool/os/memory.hpp"
#include "envtool/specs/package_name.hpp"
#include "in_order.hpp"

namespace envtool {

namespace {

constexpr std::size_t max_file_name = 211;
// Of records that are encoded and written at a time.
constexpr std::size_t piece_size = std::size_t{1} << 20;

void write_whole(int file, const std::string& path, std::string_view data, std::uint64_t offset) {
  while (!data.empty()) {
    const ssize_t count = pwrite(file, data.data(), data.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error("cannot write the index cache", errno).at(path);
    }
    data.remove_prefix(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

std::string_view extension_of(std::uint64_t flags) { return (flags & flag_conda) != 0 ? ".conda" : ".tar.bz2"; }

template <typename Value>
std::string_view as_bytes(const Value& value) {
  return {reinterpret_cast<const char*>(&value), sizeof(Value)};
}

}  // namespace

std::string_view IndexBuilder::Bucket::string(std::uint64_t number) const {
  const auto index = static_cast<std::size_t>(number);
  const std::size_t begin = index == 0 ? 0 : ends[index - 1];
  return std::string_view(text).substr(begin, ends[index] - begin);
}

std::uint32_t IndexBuilder::Bucket::intern(std::string_view wanted) {
  if (ends.size() * 4 >= table.size() * 3) grow_table();
  std::size_t slot = index_checksum(wanted.data(), wanted.size()) & (table.size() - 1);
  while (table[slot] != 0) {
    if (string(table[slot] - 1) == wanted) return table[slot] - 1;
    slot = (slot + 1) & (table.size() - 1);
  }
  text.append(wanted);
  ends.push_back(static_cast<std::uint32_t>(text.size()));
  table[slot] = static_cast<std::uint32_t>(ends.size());
  return table[slot] - 1;
}

// The records of a name follow each other and hardly differ: most strings stand where the record before had them.
std::uint32_t IndexBuilder::Bucket::intern_next(std::string_view wanted, std::size_t position) {
  if (position < previous.size()) {
    std::uint32_t& number = previous[position];
    if (string(number) != wanted) number = intern(wanted);
    return number;
  }
  previous.push_back(intern(wanted));
  return previous.back();
}

void IndexBuilder::Bucket::grow_table() {
  table.assign(std::max<std::size_t>(16, table.size() * 2), 0);
  for (std::uint32_t number = 0; number < ends.size(); ++number) {
    const auto content = string(number);
    std::size_t slot = index_checksum(content.data(), content.size()) & (table.size() - 1);
    while (table[slot] != 0) slot = (slot + 1) & (table.size() - 1);
    table[slot] = number + 1;
  }
}

IndexBuilder::Bucket* IndexBuilder::bucket_for(std::string_view name) {
  if (last_ != nullptr && last_->name == name) return last_;
  auto [place, is_new] = buckets_.try_emplace(std::string(name));
  if (is_new) {
    if (!is_valid_package_name(name)) {
      buckets_.erase(place);
      return nullptr;
    }
    place->second = std::make_unique<Bucket>();
    place->second->name = name;
  }
  last_ = place->second.get();
  return last_;
}

std::string IndexBuilder::add(Section section, std::string_view file_name, const RawRecord& record) {
  const std::string_view extension = archive_extension(file_name);
  if (extension.empty() || file_name.size() > max_file_name) return "its file name is not valid (CEP 26)";
  Bucket* const bucket = bucket_for(record.name);
  if (bucket == nullptr) return "its name is not valid (CEP 26)";
  if (bucket->text.size() + bucket->records.size() > (std::uint64_t{1} << 31)) return "there are too many of its name";

  const bool conda = extension == ".conda";
  std::uint64_t flags = conda ? flag_conda : 0U;
  const std::size_t dist_size = record.name.size() + record.version.size() + record.build.size() + 2;
  const bool regular = file_name.size() == dist_size + extension.size() && file_name.starts_with(record.name) &&
                       file_name[record.name.size()] == '-' &&
                       file_name.substr(record.name.size() + 1, record.version.size()) == record.version &&
                       file_name[record.name.size() + 1 + record.version.size()] == '-' &&
                       file_name.substr(dist_size - record.build.size(), record.build.size()) == record.build;
  if (!regular) {
    if (!parse_archive_name(file_name)) return "its file name is not valid (CEP 26)";
    flags |= flag_file_name;
  }
  const auto set = [&flags](bool condition, RecordFlag flag) {
    if (condition) flags |= flag;
  };
  set(record.sha256.has_value(), flag_sha256);
  set(record.md5.has_value(), flag_md5);
  set(record.noarch == NoarchType::generic, flag_noarch_generic);
  set(record.noarch == NoarchType::python, flag_noarch_python);
  set(!record.constrains.empty(), flag_constrains);
  set(!record.track_features.empty(), flag_track_features);
  set(!record.features.empty(), flag_features);
  set(!record.flags.empty(), flag_flags);
  set(!record.extra_depends.empty(), flag_extra_depends);
  set(!record.license.empty(), flag_license);
  set(!record.license_family.empty(), flag_license_family);
  set(!record.python_site_packages_path.empty(), flag_site_packages);
  set(!record.arch.empty(), flag_arch);
  set(!record.platform.empty(), flag_platform);
  set(record.indexed_timestamp != 0, flag_indexed_timestamp);
  set(!record.subdir.empty() && record.subdir != subdir_ && is_valid_subdir(record.subdir), flag_subdir);

  std::string& out = bucket->records;
  bucket->references.push_back({static_cast<std::uint32_t>(out.size()), section});
  std::size_t position = 0;
  const auto put_string = [&](std::string_view string) { put_number(out, bucket->intern_next(string, position++)); };
  const auto put_list = [&](const std::vector<std::string_view>& list) {
    put_number(out, list.size());
    for (const auto string : list) put_string(string);
  };
  put_number(out, flags);
  put_string(record.version);
  put_string(record.build);
  if ((flags & flag_file_name) != 0) put_string(file_name);
  put_number(out, record.build_number);
  put_number(out, record.timestamp);
  put_number(out, record.size);
  put_list(record.depends);
  if ((flags & flag_constrains) != 0) put_list(record.constrains);
  if ((flags & flag_track_features) != 0) put_list(record.track_features);
  if ((flags & flag_features) != 0) put_string(record.features);
  if ((flags & flag_flags) != 0) put_list(record.flags);
  if ((flags & flag_extra_depends) != 0) {
    put_number(out, record.extra_depends.size());
    for (const auto& [group, specs] : record.extra_depends) {
      put_string(group);
      put_list(specs);
    }
  }
  if ((flags & flag_license) != 0) put_string(record.license);
  if ((flags & flag_license_family) != 0) put_string(record.license_family);
  if ((flags & flag_site_packages) != 0) put_string(record.python_site_packages_path);
  if ((flags & flag_arch) != 0) put_string(record.arch);
  if ((flags & flag_platform) != 0) put_string(record.platform);
  if ((flags & flag_indexed_timestamp) != 0) put_number(out, record.indexed_timestamp);
  if ((flags & flag_subdir) != 0) put_string(record.subdir);
  if (record.sha256) out.append(as_bytes(record.sha256->bytes));
  if (record.md5) out.append(as_bytes(record.md5->bytes));
  return {};
}

void IndexBuilder::forget(Section section) {
  for (auto& [name, bucket] : buckets_) {
    for (auto& reference : bucket->references) {
      // The bytes stay where they are: a record ends where the next one begins.
      if (reference.section == section) reference.section = Section::forgotten;
    }
  }
}

void IndexBuilder::absorb(IndexBuilder& other) {
  buckets_.merge(other.buckets_);
  last_ = other.last_ = nullptr;
}

// A record that goes into the index, with what identifies it.
struct IndexBuilder::Kept {
  std::string file_name;
  bool conda = false;
  bool revision3 = false;
  std::size_t begin = 0, end = 0;
  std::size_t order = 0;

  std::string_view stem() const {
    return std::string_view(file_name).substr(0, file_name.size() - extension_of(conda ? std::uint64_t{flag_conda} : 0).size());
  }
};

std::vector<IndexBuilder::Kept> IndexBuilder::surviving_records(const Bucket& bucket,
                                                                const std::vector<std::string>& removed) {
  std::vector<Kept> kept;
  kept.reserve(bucket.references.size());
  const std::size_t count = bucket.references.size();
  std::size_t end = bucket.records.size();
  for (std::size_t i = count; i-- > 0;) {
    const Reference& reference = bucket.references[i];
    const std::size_t behind = std::exchange(end, reference.offset);
    if (reference.section == Section::forgotten) continue;
    IndexCursor cursor(std::string_view(bucket.records).substr(reference.offset));
    const std::uint64_t flags = cursor.number();
    const auto version = bucket.string(cursor.number());
    const auto build = bucket.string(cursor.number());
    Kept record;
    if ((flags & flag_file_name) != 0) {
      record.file_name = bucket.string(cursor.number());
    } else {
      record.file_name.append(bucket.name).append("-").append(version).append("-").append(build).append(extension_of(flags));
    }
    record.conda = (flags & flag_conda) != 0;
    record.revision3 = reference.section == Section::revision3;
    record.begin = reference.offset;
    record.end = behind;
    record.order = i;
    if (!std::binary_search(removed.begin(), removed.end(), record.file_name)) kept.push_back(std::move(record));
  }
  // The one to keep of each stem comes first: `.conda` before `.tar.bz2`, what a newer revision of the
  // format says of it before what older ones say (CEP 48), later before earlier.
  std::sort(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) {
    if (const int order = a.stem().compare(b.stem()); order != 0) return order < 0;
    if (a.conda != b.conda) return a.conda;
    if (a.revision3 != b.revision3) return a.revision3;
    return a.order > b.order;
  });
  kept.erase(std::unique(kept.begin(), kept.end(), [](const Kept& a, const Kept& b) { return a.stem() == b.stem(); }), kept.end());
  return kept;
}

std::string IndexBuilder::encode_block(const Bucket& bucket, const std::vector<Kept>& kept) {
  std::string block;
  block.reserve(bucket.text.size() + bucket.records.size() + 2 * bucket.ends.size() + 16);
  put_number(block, bucket.ends.size());
  std::uint32_t begin = 0;
  for (const std::uint32_t end : bucket.ends) {
    put_number(block, end - begin);
    begin = end;
  }
  block += bucket.text;
  put_number(block, kept.size());
  for (const Kept& record : kept) block.append(bucket.records, record.begin, record.end - record.begin);
  return block;
}

IndexBuilder::Block IndexBuilder::take_block(std::string_view name) {
  std::sort(removed_.begin(), removed_.end());
  const auto found = buckets_.find(std::string(name));
  if (found == buckets_.end()) return {};
  const auto kept = surviving_records(*found->second, removed_);
  if (kept.empty()) return {};
  return {encode_block(*found->second, kept), static_cast<std::uint32_t>(kept.size())};
}

void IndexBuilder::write(int file, const std::string& path, const IndexSource& source) {
  std::sort(removed_.begin(), removed_.end());
  std::vector<std::unique_ptr<Bucket>> ordered;
  ordered.reserve(buckets_.size());
  for (auto& [name, bucket] : buckets_) ordered.push_back(std::move(bucket));
  buckets_.clear();
  last_ = nullptr;
  std::sort(ordered.begin(), ordered.end(), [](const auto& a, const auto& b) { return a->name < b->name; });

  // Some hundred names at a time, by several threads.
  std::vector<std::size_t> ends;
  for (std::size_t i = 0, size = 0; i < ordered.size(); ++i) {
    size += ordered[i]->text.size() + ordered[i]->records.size();
    if (size < piece_size && i + 1 < ordered.size()) continue;
    ends.push_back(i + 1);
    size = 0;
  }
  struct Piece {
    std::string blocks, names;
    std::vector<IndexEntry> entries;  // places from the beginning of the piece
    std::uint64_t record_count = 0;
  };
  const auto encode = [&](std::size_t number) {
    Piece piece;
    for (std::size_t i = number == 0 ? 0 : ends[number - 1]; i < ends[number]; ++i) {
      const auto bucket = std::move(ordered[i]);
      const auto kept = surviving_records(*bucket, removed_);
      if (kept.empty()) continue;
      const std::string block = encode_block(*bucket, kept);
      IndexEntry entry;
      entry.block_offset = piece.blocks.size();
      entry.block_size = static_cast<std::uint32_t>(block.size());
      entry.block_checksum = index_checksum(block.data(), block.size());
      entry.record_count = static_cast<std::uint32_t>(kept.size());
      entry.name_offset = static_cast<std::uint32_t>(piece.names.size());
      entry.name_size = static_cast<std::uint32_t>(bucket->name.size());
      piece.entries.push_back(entry);
      piece.names += bucket->name;
      piece.blocks += block;
      piece.record_count += kept.size();
    }
    return piece;
  };

  IndexHeader header;
  std::string entries, names;
  std::uint64_t offset = sizeof(IndexHeader);
  make_in_order(ends.size(), worthwhile_threads(4), encode, [&](std::size_t, Piece piece) {
    for (IndexEntry& entry : piece.entries) {
      entry.block_offset += offset;
      entry.name_offset += static_cast<std::uint32_t>(names.size());
      entries.append(as_bytes(entry));
    }
    header.name_count += static_cast<std::uint32_t>(piece.entries.size());
    header.record_count += piece.record_count;
    names += piece.names;
    write_whole(file, path, piece.blocks, offset);
    offset += piece.blocks.size();
  });

  std::string directory = std::move(entries);
  put_number(directory, names.size());
  directory += names;
  for (const std::string* text : {&info_.base_url, &info_.relation_base, &info_.relation_overrides}) {
    put_number(directory, text->size());
    directory += *text;
  }
  write_whole(file, path, directory, offset);
  header.source_digest = source.digest.bytes;
  header.source_size = source.size;
  header.source_mtime_ns = source.mtime_ns;
  header.source_inode = source.inode;
  header.built_ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now().time_since_epoch()).count();
  header.directory_offset = offset;
  header.directory_size = directory.size();
  header.directory_checksum = index_checksum(directory.data(), directory.size());
  header.checksum = index_checksum(&header, sizeof header - sizeof header.checksum);
  write_whole(file, path, as_bytes(header), 0);
}

}  // namespace envtool
