#include "zip_directory.hpp"

#include <algorithm>
#include <set>
#include <string_view>

#include "crc32.hpp"
#include "envtool/base/text.hpp"
#include "member_path.hpp"

namespace envtool {
namespace {

// Signatures and sizes of the records of a zip file (PKWARE's APPNOTE, sections 4.3.7 to 4.3.16).
constexpr std::uint32_t local_signature = 0x04034b50, central_signature = 0x02014b50, end_signature = 0x06054b50,
                        end64_signature = 0x06064b50, locator64_signature = 0x07064b50;
constexpr std::size_t local_size = 30, central_size = 46, end_size = 22, end64_size = 56, locator64_size = 20;
constexpr std::uint32_t all_ones_32 = 0xFFFFFFFF;
constexpr std::uint64_t most_members = 64;
constexpr std::uint64_t most_directory_bytes = std::uint64_t{1} << 20;

/// Little-endian numbers of a record; reading past its end is damage.
class Record {
 public:
  Record(std::string_view bytes, const PackageFile& file) : bytes_(bytes), file_(file) {}
  std::uint64_t number(std::size_t offset, std::size_t width) const {
    if (offset > bytes_.size() || bytes_.size() - offset < width) throw_corrupt(file_.path(), "a zip record is cut short");
    std::uint64_t value = 0;
    for (std::size_t i = width; i-- > 0;) value = value << 8 | static_cast<unsigned char>(bytes_[offset + i]);
    return value;
  }
  std::uint16_t u16(std::size_t offset) const { return static_cast<std::uint16_t>(number(offset, 2)); }
  std::uint32_t u32(std::size_t offset) const { return static_cast<std::uint32_t>(number(offset, 4)); }
  std::uint64_t u64(std::size_t offset) const { return number(offset, 8); }
  std::string_view text(std::size_t offset, std::size_t size) const {
    if (offset > bytes_.size() || bytes_.size() - offset < size) throw_corrupt(file_.path(), "a zip record is cut short");
    return bytes_.substr(offset, size);
  }
  std::size_t size() const { return bytes_.size(); }

 private:
  std::string_view bytes_;
  const PackageFile& file_;
};

struct Directory {
  FileRange range;
  std::uint64_t members = 0;
};

Directory find_directory(const PackageFile& file) {
  const std::uint64_t tail_size = std::min<std::uint64_t>(file.size(), end_size + 0xFFFF);
  const std::uint64_t tail_offset = file.size() - tail_size;
  const std::string tail = file.read({tail_offset, tail_size});
  const Record record(tail, file);
  // The end record is the one whose comment reaches exactly to the end of the file.
  std::size_t place = std::string::npos;
  for (std::size_t at = tail.size() < end_size ? 0 : tail.size() - end_size + 1; at-- > 0;) {
    if (record.u32(at) != end_signature || at + end_size + record.u16(at + 20) != tail.size()) continue;
    if (place != std::string::npos) throw_corrupt(file.path(), "the zip file has two ends");
    place = at;
  }
  if (place == std::string::npos) throw_corrupt(file.path(), "the zip directory is missing, the file is probably cut short");
  if (record.u16(place + 4) != 0 || record.u16(place + 6) != 0) throw_corrupt(file.path(), "it is one of several zip volumes");

  Directory directory;
  directory.members = record.u16(place + 10);
  directory.range = {record.u32(place + 16), record.u32(place + 12)};
  std::uint64_t expected_end = tail_offset + place;
  const bool wants_64 = directory.members == 0xFFFF || directory.range.offset == all_ones_32 ||
                        directory.range.size == all_ones_32;
  if (expected_end >= locator64_size + end64_size) {
    const std::string locator_bytes = file.read({expected_end - locator64_size, locator64_size});
    const Record locator(locator_bytes, file);
    if (locator.u32(0) == locator64_signature) {
      const std::uint64_t end64 = locator.u64(8);
      if (end64 > expected_end - locator64_size || expected_end - locator64_size - end64 < end64_size)
        throw_corrupt(file.path(), "the zip64 directory lies outside of the file");
      const std::string end64_bytes = file.read({end64, end64_size});
      const Record end(end64_bytes, file);
      if (end.u32(0) != end64_signature || end.u64(4) != expected_end - locator64_size - end64 - 12)
        throw_corrupt(file.path(), "the zip64 directory is damaged");
      // The old fields either hold the same numbers or say that they are too small.
      if ((directory.members != 0xFFFF && directory.members != end.u64(32)) ||
          (directory.range.size != all_ones_32 && directory.range.size != end.u64(40)) ||
          (directory.range.offset != all_ones_32 && directory.range.offset != end.u64(48)))
        throw_corrupt(file.path(), "the zip and the zip64 directory differ");
      directory.members = end.u64(32);
      directory.range = {end.u64(48), end.u64(40)};
      expected_end = end64;
    } else if (wants_64) {
      throw_corrupt(file.path(), "the zip64 directory is missing");
    }
  }
  if (directory.range.size > expected_end || directory.range.offset != expected_end - directory.range.size)
    throw_corrupt(file.path(), "the zip directory is not where it should be");
  if (directory.members > most_members || directory.range.size > most_directory_bytes)
    throw_corrupt(file.path(), "the zip directory is too long for a package");
  return directory;
}

/// Sizes and offset that do not fit into 32 bits come from the zip64 extra field, in this order.
void read_zip64_extra(const Record& extra, std::uint64_t& size, std::uint64_t& stored_size, std::uint64_t* offset) {
  for (std::size_t at = 0; at + 4 <= extra.size();) {
    const std::size_t length = extra.u16(at + 2);
    if (extra.u16(at) == 1) {
      std::size_t field = at + 4;
      for (std::uint64_t* value : {&size, &stored_size, offset})
        if (value != nullptr && *value == all_ones_32 && field + 8 <= at + 4 + length) {
          *value = extra.u64(field);
          field += 8;
        }
      return;
    }
    at += 4 + length;
  }
}

constexpr std::uint16_t flag_encrypted = 0x0001, flag_descriptor = 0x0008, flag_strong = 0x0040, flag_masked = 0x2000;

ZipMember read_local_header(const PackageFile& file, ZipMember member, std::uint64_t offset, std::uint64_t directory_start) {
  if (offset > directory_start || directory_start - offset < local_size)
    throw_corrupt(file.path(), "a zip member lies outside of the file");
  const std::string fixed = file.read({offset, local_size});
  const Record header(fixed, file);
  if (header.u32(0) != local_signature) throw_corrupt(file.path(), "a zip member has no header");
  const std::size_t name_size = header.u16(26), extra_size = header.u16(28);
  const std::uint64_t start = offset + local_size + name_size + extra_size;
  if (start > directory_start || directory_start - start < member.data.size)
    throw_corrupt(file.path(), "a zip member reaches out of the file");
  const std::string rest = file.read({offset + local_size, name_size + extra_size});
  const Record record(rest, file);
  if (record.text(0, name_size) != member.name)
    throw_corrupt(file.path(), "the zip directory calls a member `" + escape_control(member.name) +
                                   "`, its header `" + escape_control(record.text(0, name_size)) + "`");
  if (header.u16(8) != 0) throw_corrupt(file.path(), "the zip member `" + escape_control(member.name) + "` is compressed");
  if ((header.u16(6) & flag_encrypted) != 0)
    throw_corrupt(file.path(), "the zip member `" + escape_control(member.name) + "` is encrypted");
  std::uint64_t stored = header.u32(18), size = header.u32(22);
  read_zip64_extra(Record(record.text(name_size, extra_size), file), size, stored, nullptr);
  // With a data descriptor the header was written before the size was known and has zeros.
  const bool unknown = (header.u16(6) & flag_descriptor) != 0 && size == 0 && stored == 0 && header.u32(14) == 0;
  const bool unknown_64 = (header.u16(6) & flag_descriptor) != 0 && header.u32(18) == all_ones_32;
  if (!unknown && !unknown_64 && (size != member.data.size || stored != size || header.u32(14) != member.crc))
    throw_corrupt(file.path(), "the zip directory and the header of `" + escape_control(member.name) + "` differ");
  member.data.offset = start;
  return member;
}

}  // namespace

std::vector<ZipMember> read_zip_directory(const PackageFile& file) {
  const Directory directory = find_directory(file);
  const std::string bytes = file.read(directory.range);
  const Record record(bytes, file);
  std::vector<ZipMember> members;
  std::set<std::string> names;
  std::size_t at = 0;
  while (at < bytes.size()) {
    if (record.u32(at) != central_signature) throw_corrupt(file.path(), "the zip directory is damaged");
    const std::uint16_t flags = record.u16(at + 8);
    std::uint64_t stored = record.u32(at + 20), size = record.u32(at + 24), offset = record.u32(at + 42);
    const std::size_t name_size = record.u16(at + 28), extra_size = record.u16(at + 30), comment_size = record.u16(at + 32);
    ZipMember member;
    member.name = record.text(at + central_size, name_size);
    member.crc = record.u32(at + 16);
    read_zip64_extra(Record(record.text(at + central_size + name_size, extra_size), file), size, stored, &offset);
    const std::string shown = "the zip member `" + escape_control(member.name) + "` ";
    if (member.name.find('\0') != std::string::npos) throw_corrupt(file.path(), shown + "has NUL in its name");
    if (record.u16(at + 10) != 0) throw_corrupt(file.path(), shown + "is compressed, which packages must not be");
    if ((flags & (flag_encrypted | flag_strong | flag_masked)) != 0) throw_corrupt(file.path(), shown + "is encrypted");
    if (size != stored) throw_corrupt(file.path(), shown + "has two sizes");
    if (!names.insert(member.name).second) throw_corrupt(file.path(), shown + "is there twice");
    member.data.size = size;
    members.push_back(read_local_header(file, std::move(member), offset, directory.range.offset));
    at += central_size + name_size + extra_size + comment_size;
  }
  if (members.size() != directory.members) throw_corrupt(file.path(), "the zip directory miscounts its members");
  std::sort(members.begin(), members.end(),
            [](const ZipMember& a, const ZipMember& b) { return a.data.offset < b.data.offset; });
  for (std::size_t i = 1; i < members.size(); ++i)
    if (members[i].data.offset - members[i - 1].data.offset < members[i - 1].data.size)
      throw_corrupt(file.path(), "zip members overlap");
  return members;
}

namespace {

/// Whether the text of metadata.json says `"conda_pkg_format_version": 2`.
bool is_format_2(std::string_view text) {
  constexpr std::string_view key = "\"conda_pkg_format_version\"";
  const std::size_t place = text.find(key);
  if (place == std::string_view::npos) return false;
  std::string_view rest = strip(text.substr(place + key.size()));
  if (!rest.starts_with(':')) return false;
  rest = strip(rest.substr(1));
  const std::size_t digits = rest.find_first_not_of("0123456789");
  return parse_unsigned(rest.substr(0, digits)) == 2;
}

}  // namespace

CondaParts find_conda_parts(const PackageFile& file) {
  constexpr std::string_view suffix = ".tar.zst", info_prefix = "info-", package_prefix = "pkg-";
  const ZipMember *info = nullptr, *package = nullptr, *metadata = nullptr;
  const std::vector<ZipMember> members = read_zip_directory(file);
  const auto take = [&](const ZipMember*& slot, const ZipMember& member, const char* what) {
    if (slot != nullptr) throw_corrupt(file.path(), std::string("it has two ") + what + " parts");
    slot = &member;
  };
  for (const ZipMember& member : members) {
    if (member.name == "metadata.json") take(metadata, member, "metadata");
    else if (member.name.starts_with(info_prefix) && member.name.ends_with(suffix)) take(info, member, "info");
    else if (member.name.starts_with(package_prefix) && member.name.ends_with(suffix)) take(package, member, "package");
  }
  if (metadata == nullptr) throw_corrupt(file.path(), "it has no `metadata.json`");
  if (info == nullptr) throw_corrupt(file.path(), "it has no `info-*.tar.zst` part");
  if (package == nullptr) throw_corrupt(file.path(), "it has no `pkg-*.tar.zst` part");
  if (info->name.substr(info_prefix.size()) != package->name.substr(package_prefix.size()))
    throw_corrupt(file.path(), "its parts are of two packages, `" + escape_control(info->name) + "` and `" +
                                   escape_control(package->name) + "`");
  if (metadata->data.size > 65536) throw_corrupt(file.path(), "its `metadata.json` is too long");
  const std::string text = file.read(metadata->data);
  if (crc32(0, text.data(), text.size()) != metadata->crc) throw_corrupt(file.path(), "the checksum of `metadata.json` is wrong");
  if (!is_format_2(text)) throw_corrupt(file.path(), "its `metadata.json` does not name format version 2");
  return {*info, *package};
}

}  // namespace envtool
