#include "envtool/archive/extract.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <unordered_map>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "envtool/os/failpoint.hpp"
#include "folder_writer.hpp"
#include "member_path.hpp"
#include "package_file.hpp"
#include "tar_reader.hpp"
#include "zip_directory.hpp"

namespace envtool {
namespace {

/// Which members a tar file may hold: a `.conda` file keeps `info/` apart.
enum class Part { whole, info, package };

TarReader::Source tar_source(const PackageFile& file) {
  return {file, {0, file.size()}, TarReader::Compression::bzip2, std::nullopt};
}
TarReader::Source part_source(const PackageFile& file, const ZipMember& member) {
  return {file, member.data, TarReader::Compression::zstd, member.crc};
}

class Extraction {
 public:
  Extraction(const PackageFile& file, const std::string& folder, const ExtractLimits& limits, std::stop_token stop)
      : file_(file), writer_(folder, file.path()), limits_(limits), stop_(std::move(stop)) {
    const std::uint64_t ceiling = UINT64_MAX / std::max<std::uint64_t>(limits.expansion, 1);
    const std::uint64_t expanded = file.size() > ceiling ? UINT64_MAX : file.size() * limits.expansion;
    // The tar format's own headers and padding count as well, hence the room for them.
    const std::uint64_t total = limits.total_bytes + std::min<std::uint64_t>(limits.entries, 1U << 20) * 2048;
    meter_.limit = std::min(std::max(expanded, limits.expansion_floor), total);
  }

  void unpack(const TarReader::Source& source, Part part) {
    TarReader tar(source, meter_, stop_);
    while (const std::optional<TarMember> member = tar.next()) add(*member, part, tar);
    tar.finish();
  }

  std::vector<ExtractedEntry> finish() {
    // By its text alone a link may seem to stay inside and still climb out through another link.
    if (limits_.outside_links != OutsideLinks::keep && !has_outside_link_)
      for (const std::string& path : links_)
        if (!writer_.resolves_inside(path)) unsafe(path, "it is a symlink that leads out of the package");
    return std::move(entries_);
  }

 private:
  [[noreturn]] void unsafe(std::string_view member, const std::string& why) const {
    throw_unsafe(file_.path(), member, why);
  }

  void add(const TarMember& member, Part part, TarReader& tar) {
    const std::string path = clean_member_path(member.name, limits_, file_.path());
    if (path.empty()) {
      if (member.type != TarMember::Type::directory) unsafe(member.name, "it would replace the package's folder");
      return;
    }
    if (++members_ + writer_.directories_made() > limits_.entries)
      unsafe(path, "the package has more than " + std::to_string(limits_.entries) + " members");
    const bool info = is_info_path(path);
    if (part == Part::info && !info) unsafe(path, "it lies outside of `info`, but in the part for `info`");
    if (part == Part::package && info && member.type != TarMember::Type::directory)
      unsafe(path, "it lies in `info`, but not in the part for `info`");
    if (path == "info" && member.type != TarMember::Type::directory) unsafe(path, "`info` has to be a folder");
    switch (member.type) {
      case TarMember::Type::directory:
        writer_.make_directory(path);
        entries_.push_back({path, ExtractedEntry::Type::directory, 0, {}, {}});
        break;
      case TarMember::Type::symlink: add_symlink(path, member.target); break;
      case TarMember::Type::hardlink: add_hardlink(path, member.target); break;
      case TarMember::Type::file: add_file(path, member, tar); break;
      case TarMember::Type::special: unsafe(path, "it is a device, FIFO or socket");
    }
  }

  void add_symlink(const std::string& path, const std::string& target) {
    if (target.empty()) unsafe(path, "it is a symlink without a target");
    if (target.size() > 4095 || target.find_first_of("\n\r") != std::string::npos)
      unsafe(path, "it is a symlink with a target that no package needs");
    const LinkReach reach = link_reach(path, target);
    if (reach != LinkReach::inside && limits_.outside_links != OutsideLinks::keep) {
      if (is_info_path(path)) return;
      if (reach == LinkReach::relative_outside || limits_.outside_links == OutsideLinks::reject)
        unsafe(path, "it is a symlink to `" + escape_control(target) + "`, out of the package");
    }
    writer_.make_symlink(path, target);
    if (reach == LinkReach::inside) links_.push_back(path);
    else has_outside_link_ = true;
    entries_.push_back({path, ExtractedEntry::Type::symlink, 0, {}, target});
  }

  void add_hardlink(const std::string& path, const std::string& target) {
    const std::string existing = clean_member_path(target, limits_, file_.path());
    for (; indexed_ < entries_.size(); ++indexed_)
      if (entries_[indexed_].type == ExtractedEntry::Type::file || entries_[indexed_].type == ExtractedEntry::Type::hardlink)
        files_.emplace(entries_[indexed_].path, indexed_);
    const auto found = files_.find(existing);
    if (found == files_.end())
      unsafe(path, "it is a hard link to `" + escape_control(target) + "`, which is no file of the package before it");
    writer_.make_hardlink(path, existing);
    const ExtractedEntry& file = entries_[found->second];
    entries_.push_back({path, ExtractedEntry::Type::hardlink, file.size, file.sha256, existing});
  }

  void add_file(const std::string& path, const TarMember& member, TarReader& tar) {
    if (member.size > limits_.total_bytes - total_)
      unsafe(path, "the package unpacks to more than " + std::to_string(limits_.total_bytes) + " bytes");
    total_ += member.size;
    FileDescriptor fd = writer_.create_file(path, member.executable);
    std::uint64_t written = 0;
    tar.read_data([&](std::uint64_t offset, std::string_view piece) {
      if (offset < written || offset > member.size || piece.size() > member.size - offset)
        throw_corrupt(file_.path(), "`" + escape_control(path) + "` has data beyond its size");
      add_hole(fd.get(), path, written, offset);
      write_piece(fd.get(), path, piece);
      hasher_.update(piece);
      written = offset + piece.size();
    });
    if (written < member.size) {
      add_hole(fd.get(), path, written, member.size);
      if (::ftruncate(fd.get(), static_cast<off_t>(member.size)) != 0) write_failed(path, errno);
    }
    const std::array<timespec, 2> times{timespec{0, UTIME_OMIT},
                                        timespec{static_cast<time_t>(member.mtime), member.mtime_nanoseconds}};
    // A time that the file system cannot hold is no reason to refuse the file.
    static_cast<void>(::futimens(fd.get(), times.data()));
    // Network file systems and quotas report a failed write as late as here.
    const int injected = failpoint("archive.close");
    if (::close(fd.release()) != 0 && errno != EINTR) write_failed(path, errno);
    if (injected != 0) write_failed(path, injected);
    entries_.push_back({path, ExtractedEntry::Type::file, member.size, hasher_.finish(), {}});
  }

  /// Zeros that a sparse file leaves out: only the digest sees them.
  void add_hole(int fd, const std::string& path, std::uint64_t from, std::uint64_t to) {
    if (from == to) return;
    static constexpr std::array<char, 65536> zeros{};
    meter_.used += to - from;
    if (meter_.used > meter_.limit) unsafe(path, "the package unpacks to more than " + std::to_string(meter_.limit) + " bytes");
    if (::lseek(fd, static_cast<off_t>(to), SEEK_SET) < 0) write_failed(path, errno);
    for (std::uint64_t left = to - from; left > 0;) {
      if (stop_.stop_requested()) throw Error("unpacking was interrupted", ErrorKind::interrupted).at(file_.path());
      const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, zeros.size()));
      hasher_.update(zeros.data(), size);
      left -= size;
    }
  }

  void write_piece(int fd, const std::string& path, std::string_view piece) {
    if (const int error_number = failpoint("archive.write")) write_failed(path, error_number);
    while (!piece.empty()) {
      const ssize_t done = ::write(fd, piece.data(), piece.size());
      if (done < 0 && errno == EINTR) continue;
      if (done < 0) write_failed(path, errno);
      piece.remove_prefix(static_cast<std::size_t>(done));
    }
  }

  [[noreturn]] void write_failed(const std::string& path, int error_number) const {
    throw system_error("cannot write `" + escape_control(path) + "` of a package", error_number).at(file_.path());
  }

  const PackageFile& file_;
  FolderWriter writer_;
  const ExtractLimits limits_;
  std::stop_token stop_;
  ExpansionMeter meter_;
  std::uint64_t total_ = 0, members_ = 0;
  std::vector<ExtractedEntry> entries_;
  std::vector<std::string> links_;
  bool has_outside_link_ = false;
  // Files by path, filled up to `indexed_` when a hard link asks for one.
  std::unordered_map<std::string, std::size_t> files_;
  std::size_t indexed_ = 0;
  Hasher<Sha256> hasher_;
};

}  // namespace

std::vector<ExtractedEntry> extract_package(const std::string& archive_path, const std::string& folder,
                                            const ExtractLimits& limits, std::stop_token stop) {
  const PackageFile file(archive_path);
  Extraction extraction(file, folder, limits, std::move(stop));
  if (file.kind() == PackageFile::Kind::conda) {
    const CondaParts parts = find_conda_parts(file);
    extraction.unpack(part_source(file, parts.info), Part::info);
    extraction.unpack(part_source(file, parts.package), Part::package);
  } else {
    extraction.unpack(tar_source(file), Part::whole);
  }
  return extraction.finish();
}

std::vector<std::pair<std::string, std::string>> read_package_info(const std::string& archive_path,
                                                                   const std::vector<std::string>& paths) {
  constexpr std::uint64_t most_bytes = std::uint64_t{256} << 20;
  const PackageFile file(archive_path);
  const ExtractLimits limits;
  ExpansionMeter meter;
  meter.limit = limits.total_bytes;
  std::optional<TarReader> tar;
  if (file.kind() == PackageFile::Kind::conda) tar.emplace(part_source(file, find_conda_parts(file).info), meter, std::stop_token());
  else tar.emplace(tar_source(file), meter, std::stop_token());

  std::vector<std::pair<std::string, std::string>> found;
  while (found.size() < paths.size()) {
    const std::optional<TarMember> member = tar->next();
    if (!member) break;
    const std::string path = clean_member_path(member->name, limits, archive_path);
    if (member->type != TarMember::Type::file || std::find(paths.begin(), paths.end(), path) == paths.end()) continue;
    if (std::any_of(found.begin(), found.end(), [&](const auto& pair) { return pair.first == path; }))
      throw_unsafe(archive_path, path, "it is there twice");
    if (member->size > most_bytes) throw_unsafe(archive_path, path, "it is too long to be read into memory");
    std::string content;
    tar->read_data([&](std::uint64_t offset, std::string_view piece) {
      if (offset < content.size() || offset + piece.size() > member->size)
        throw_corrupt(archive_path, "`" + path + "` has data beyond its size");
      content.resize(static_cast<std::size_t>(offset));
      content += piece;
    });
    content.resize(static_cast<std::size_t>(member->size));
    found.emplace_back(path, std::move(content));
  }
  return found;
}

}  // namespace envtool
