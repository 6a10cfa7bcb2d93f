#include "package_builder.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <cstdio>
#include <memory>
#include <stdexcept>

#include "envtool/base/digest.hpp"

namespace envtool::test {
namespace {

std::string octal(std::uint64_t value, std::size_t width) {
  std::string text(width, '\0');
  for (std::size_t i = width - 1; i-- > 0; value >>= 3) text[i] = static_cast<char>('0' + (value & 7));
  return text;
}

void put(std::string& block, std::size_t offset, const std::string& text) { block.replace(offset, text.size(), text); }

std::string header_block(const Member& member) {
  std::string block(512, '\0');
  put(block, 0, member.name.substr(0, 100));
  put(block, 100, octal(member.mode, 8));
  put(block, 108, octal(1000, 8));
  put(block, 116, octal(1000, 8));
  const std::uint64_t size = member.size.value_or(member.content.size());
  if (size < (std::uint64_t{1} << 33)) {
    put(block, 124, octal(size, 12));
  } else {  // GNU's binary form
    std::string binary(12, '\0');
    binary[0] = '\x80';
    for (std::size_t i = 0; i < 8; ++i) binary[11 - i] = static_cast<char>(size >> (8 * i));
    put(block, 124, binary);
  }
  put(block, 136, octal(static_cast<std::uint64_t>(member.mtime), 12));
  put(block, 148, "        ");
  block[156] = member.type;
  put(block, 157, member.link.substr(0, 100));
  put(block, 257, std::string("ustar\00000", 8));
  unsigned sum = 0;
  for (const char c : block) sum += static_cast<unsigned char>(c);
  put(block, 148, octal(sum, 7) + " ");
  return block;
}

std::string padded(std::string bytes) {
  bytes.resize((bytes.size() + 511) / 512 * 512);
  return bytes;
}

std::string pax_record(const std::string& key, const std::string& value) {
  const std::string rest = " " + key + "=" + value + "\n";
  std::size_t length = rest.size() + 1;
  while (std::to_string(length).size() + rest.size() != length) ++length;
  return std::to_string(length) + rest;
}

std::string compress(const std::string& bytes, bool use_zstd, int level) {
  std::string out;
  const std::unique_ptr<archive, int (*)(archive*)> writer(archive_write_new(), &archive_write_free);
  const auto check = [&](int status) {
    if (status != ARCHIVE_OK) throw std::runtime_error(archive_error_string(writer.get()));
  };
  if (use_zstd) {
    check(archive_write_add_filter_zstd(writer.get()));
    check(archive_write_set_filter_option(writer.get(), "zstd", "compression-level", std::to_string(level).c_str()));
  } else {
    check(archive_write_add_filter_bzip2(writer.get()));
  }
  check(archive_write_set_format_raw(writer.get()));
  check(archive_write_set_bytes_in_last_block(writer.get(), 1));
  check(archive_write_open2(
      writer.get(), &out, nullptr,
      [](archive*, void* target, const void* data, std::size_t size) {
        static_cast<std::string*>(target)->append(static_cast<const char*>(data), size);
        return static_cast<la_ssize_t>(size);
      },
      nullptr, nullptr));
  const std::unique_ptr<archive_entry, void (*)(archive_entry*)> entry(archive_entry_new(), &archive_entry_free);
  archive_entry_set_filetype(entry.get(), AE_IFREG);
  check(archive_write_header(writer.get(), entry.get()));
  if (archive_write_data(writer.get(), bytes.data(), bytes.size()) != static_cast<la_ssize_t>(bytes.size()))
    throw std::runtime_error("compression failed");
  check(archive_write_close(writer.get()));
  return out;
}

std::string little(std::uint64_t value, std::size_t width) {
  std::string bytes;
  for (std::size_t i = 0; i < width; ++i) bytes += static_cast<char>(value >> (8 * i));
  return bytes;
}

// Bit by bit on purpose: nothing in common with the code under test.
std::uint32_t slow_crc(const std::string& bytes) {
  std::uint32_t crc = ~std::uint32_t{0};
  for (const char c : bytes) {
    crc ^= static_cast<unsigned char>(c);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? (crc >> 1) ^ 0xEDB88320U : crc >> 1;
  }
  return ~crc;
}

std::string json_string(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + "\"";
}

}  // namespace

Member file(std::string name, std::string content, unsigned mode) {
  Member member;
  member.name = std::move(name);
  member.content = std::move(content);
  member.mode = mode;
  return member;
}

Member folder(std::string name) {
  Member member = file(std::move(name), "", 0755);
  member.type = '5';
  return member;
}

Member soft_link(std::string name, std::string target) {
  Member member = file(std::move(name), "", 0777);
  member.type = '2';
  member.link = std::move(target);
  return member;
}

Member hard_link(std::string name, std::string target) {
  Member member = soft_link(std::move(name), std::move(target));
  member.type = '1';
  return member;
}

std::string tar_bytes(const std::vector<Member>& members) {
  std::string out;
  for (const Member& member : members) {
    std::string records;
    for (const auto& [key, value] : member.pax) records += pax_record(key, value);
    if (member.name.size() > 100) records += pax_record("path", member.name);
    if (member.link.size() > 100) records += pax_record("linkpath", member.link);
    if (!records.empty()) {
      Member extended = file("PaxHeader", records);
      extended.type = 'x';
      out += header_block(extended) + padded(records);
    }
    out += header_block(member) + padded(member.content);
  }
  return out + std::string(1024, '\0');
}

std::string bzip2(const std::string& bytes) { return compress(bytes, false, 0); }
std::string zstd(const std::string& bytes, int level) { return compress(bytes, true, level); }

std::string zip_bytes(const std::vector<ZipEntry>& entries, const ZipOptions& options) {
  std::string out, directory;
  for (const ZipEntry& entry : entries) {
    const std::string local_name = entry.local_name.value_or(entry.name);
    const std::uint32_t crc = entry.crc.value_or(slow_crc(entry.content));
    const std::uint64_t size = entry.content.size(), offset = out.size();
    const std::uint64_t shown = options.zip64 ? 0xFFFFFFFF : size;
    const std::string local_extra = options.zip64 ? little(1, 2) + little(16, 2) + little(size, 8) + little(size, 8) : "";
    const std::string extra =
        options.zip64 ? little(1, 2) + little(24, 2) + little(size, 8) + little(size, 8) + little(offset, 8) : "";
    out += little(0x04034b50, 4) + little(20, 2) + little(entry.flags, 2) + little(entry.method, 2) + little(0, 4) +
           little(crc, 4) + little(entry.local_size.value_or(static_cast<std::uint32_t>(shown)), 4) +
           little(entry.local_size.value_or(static_cast<std::uint32_t>(shown)), 4) + little(local_name.size(), 2) +
           little(local_extra.size(), 2) + local_name + local_extra + entry.content;
    directory += little(0x02014b50, 4) + little(20, 2) + little(20, 2) + little(entry.flags, 2) +
                 little(entry.method, 2) + little(0, 4) + little(crc, 4) + little(shown, 4) + little(shown, 4) +
                 little(entry.name.size(), 2) + little(extra.size(), 2) + little(0, 2) + little(0, 2) + little(0, 2) +
                 little(0, 4) + little(options.zip64 ? 0xFFFFFFFF : offset, 4) + entry.name + extra;
  }
  const std::uint64_t start = out.size(), count = options.count.value_or(static_cast<std::uint16_t>(entries.size()));
  out += directory;
  if (options.zip64) {
    const std::uint64_t end64 = out.size();
    out += little(0x06064b50, 4) + little(44, 8) + little(45, 2) + little(45, 2) + little(0, 4) + little(0, 4) +
           little(count, 8) + little(count, 8) + little(directory.size(), 8) + little(start, 8);
    out += little(0x07064b50, 4) + little(0, 4) + little(end64, 8) + little(1, 4);
  }
  const std::uint64_t shown_count = options.zip64 ? 0xFFFF : count;
  return out + little(0x06054b50, 4) + little(0, 2) + little(0, 2) + little(shown_count, 2) + little(shown_count, 2) +
         little(options.zip64 ? 0xFFFFFFFF : directory.size(), 4) +
         little(options.directory_offset.value_or(static_cast<std::uint32_t>(options.zip64 ? 0xFFFFFFFF : start)), 4) +
         little(options.comment.size(), 2) + options.comment;
}

std::vector<ZipEntry> conda_entries(const std::string& dist, const std::vector<Member>& info,
                                    const std::vector<Member>& package) {
  std::vector<ZipEntry> entries(3);
  entries[0].name = "metadata.json";
  entries[0].content = "{\"conda_pkg_format_version\": 2}";
  entries[1].name = "pkg-" + dist + ".tar.zst";
  entries[1].content = zstd(tar_bytes(package));
  entries[2].name = "info-" + dist + ".tar.zst";
  entries[2].content = zstd(tar_bytes(info));
  return entries;
}

std::string conda_bytes(const std::string& dist, const std::vector<Member>& members) {
  std::vector<Member> info, package;
  for (const Member& member : members) (member.name.starts_with("info/") ? info : package).push_back(member);
  return zip_bytes(conda_entries(dist, info, package));
}

std::string tar_bz2_bytes(const std::vector<Member>& members) { return bzip2(tar_bytes(members)); }

std::vector<Member> with_metadata(const std::string& name, const std::string& version, const std::string& build,
                                  std::vector<Member> members) {
  std::string paths, files;
  for (const Member& member : members) {
    if (member.type == '5' || member.name.starts_with("info/")) continue;
    const bool link = member.type == '2';
    std::string content = member.content;
    if (member.type == '1')
      for (const Member& other : members)
        if (other.name == member.link) content = other.content;
    paths += std::string(paths.empty() ? "" : ",") + "{\"_path\": " + json_string(member.name) +
             ", \"path_type\": \"" + (link ? "softlink" : "hardlink") + "\", \"sha256\": \"" + sha256(content).hex() +
             "\", \"size_in_bytes\": " + std::to_string(content.size()) + "}";
    files += member.name + "\n";
  }
  members.push_back(file("info/index.json", "{\"name\": " + json_string(name) + ", \"version\": " + json_string(version) +
                                                ", \"build\": " + json_string(build) +
                                                ", \"build_number\": 0, \"depends\": [\"zlib >=1.2\"], \"subdir\": \"noarch\"}"));
  members.push_back(file("info/paths.json", "{\"paths\": [" + paths + "], \"paths_version\": 1}"));
  members.push_back(file("info/files", files));
  return members;
}

}  // namespace envtool::test
