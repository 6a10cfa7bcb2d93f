#include "envtool/archive/package_summary.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <optional>

#include "crc32.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "member_path.hpp"
#include "package_file.hpp"
#include "tar_reader.hpp"
#include "zip_directory.hpp"

namespace envtool {
namespace {

constexpr std::uint64_t piece_size = std::uint64_t{1} << 20;
/// Decompressed bytes that any package may have, however small it is.
constexpr std::uint64_t expansion_floor = std::uint64_t{1} << 30;

FileStamp make_stamp(const struct stat& status) {
  const auto nanoseconds = [](const timespec& time) {
    return std::int64_t{time.tv_sec} * 1'000'000'000 + std::int64_t{time.tv_nsec};
  };
  return {static_cast<std::uint64_t>(status.st_size), nanoseconds(status.st_mtim), nanoseconds(status.st_ctim),
          static_cast<std::uint64_t>(status.st_ino)};
}

FileStamp open_file_stamp(const PackageFile& file) {
  struct stat status{};
  if (::fstat(file.descriptor(), &status) != 0) throw system_error("cannot read the package archive", errno).at(file.path());
  return make_stamp(status);
}

void read_wanted(const PackageFile& file, TarReader& tar, const std::vector<WantedInfo>& wanted, PackageSummary& summary) {
  const ExtractLimits limits;
  std::uint64_t members = 0;
  while (const std::optional<TarMember> member = tar.next()) {
    const std::string path = clean_member_path(member->name, limits, file.path());
    if (++members > limits.entries) throw_unsafe(file.path(), path, "the package has more than " + std::to_string(limits.entries) + " members");
    const auto asked = std::find_if(wanted.begin(), wanted.end(), [&](const WantedInfo& info) { return info.path == path; });
    if (asked == wanted.end()) continue;
    if (member->type != TarMember::Type::file) throw_unsafe(file.path(), path, "it has to be a plain file");
    if (std::any_of(summary.info.begin(), summary.info.end(), [&](const auto& pair) { return pair.first == path; }))
      throw_unsafe(file.path(), path, "it is there twice");
    if (member->size > asked->most_bytes)
      throw_unsafe(file.path(), path, "it has " + human_size(member->size) + ", more than " + human_size(asked->most_bytes));
    std::string content;
    tar.read_data([&](std::uint64_t offset, std::string_view piece) {
      if (offset < content.size() || offset > member->size || piece.size() > member->size - offset)
        throw_corrupt(file.path(), "`" + escape_control(path) + "` has data beyond its size");
      content.resize(static_cast<std::size_t>(offset));
      content += piece;
    });
    content.resize(static_cast<std::size_t>(member->size));
    summary.info.emplace_back(path, std::move(content));
  }
}

/// A part of the file whose checksum is known, while the file goes by.
struct CheckedPart {
  ZipMember member;
  std::uint32_t crc = 0;
  void update(std::uint64_t offset, std::string_view piece) {
    const std::uint64_t begin = std::max(offset, member.data.offset);
    const std::uint64_t end = std::min(offset + piece.size(), member.data.offset + member.data.size);
    if (begin < end) crc = crc32(crc, piece.data() + (begin - offset), static_cast<std::size_t>(end - begin));
  }
};

void read_digests(const PackageFile& file, std::vector<CheckedPart> parts, const std::stop_token& stop, PackageSummary& summary) {
  Hasher<Sha256> sha256;
  Hasher<Md5> md5;
  const auto buffer = std::make_unique<char[]>(piece_size);
  for (std::uint64_t offset = 0; offset < file.size(); offset += piece_size) {
    if (stop.stop_requested()) throw Error("reading packages was interrupted", ErrorKind::interrupted).at(file.path());
    const auto size = static_cast<std::size_t>(std::min(piece_size, file.size() - offset));
    file.read(offset, buffer.get(), size);
    const std::string_view piece(buffer.get(), size);
    sha256.update(piece);
    md5.update(piece);
    for (CheckedPart& part : parts) part.update(offset, piece);
  }
  for (const CheckedPart& part : parts)
    if (part.crc != part.member.crc)
      throw_corrupt(file.path(), "the checksum of its part `" + escape_control(part.member.name) + "` is wrong");
  summary.sha256 = sha256.finish();
  summary.md5 = md5.finish();
}

}  // namespace

FileStamp file_stamp(const std::string& path) {
  struct stat status{};
  if (::stat(path.c_str(), &status) != 0) throw system_error("cannot look at the package archive", errno).at(path);
  if (!S_ISREG(status.st_mode)) throw_corrupt(path, "it is not a regular file");
  return make_stamp(status);
}

PackageSummary read_package_summary(const std::string& archive_path, const std::vector<WantedInfo>& wanted, std::stop_token stop) {
  const PackageFile file(archive_path);
  PackageSummary summary;
  summary.stamp = open_file_stamp(file);
  const ExtractLimits limits;
  ExpansionMeter meter;
  meter.limit = std::min(std::max(file.size() > UINT64_MAX / limits.expansion ? UINT64_MAX : file.size() * limits.expansion, expansion_floor),
                         limits.total_bytes);
  std::vector<CheckedPart> parts;
  if (file.kind() == PackageFile::Kind::conda) {
    const CondaParts found = find_conda_parts(file);
    parts = {{found.info, 0}, {found.package, 0}};
    TarReader tar({file, found.info.data, TarReader::Compression::zstd, std::nullopt}, meter, stop);
    read_wanted(file, tar, wanted, summary);
  } else {
    TarReader tar({file, {0, file.size()}, TarReader::Compression::bzip2, std::nullopt}, meter, stop);
    read_wanted(file, tar, wanted, summary);
    tar.finish();
  }
  read_digests(file, std::move(parts), stop, summary);
  if (open_file_stamp(file) != summary.stamp)
    throw Error("a package archive changes while it is read").at(archive_path).hint("try again when it has arrived whole");
  return summary;
}

}  // namespace envtool
