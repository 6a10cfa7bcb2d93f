#include "tar_reader.hpp"

#include <archive.h>
#include <archive_entry.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <utility>
#include <vector>

#include "crc32.hpp"
#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"
#include "member_path.hpp"

namespace envtool {
namespace {

constexpr std::size_t input_buffer_size = std::size_t{256} << 10;

struct FreeReader {
  void operator()(archive* reader) const { archive_read_free(reader); }
};
using Reader = std::unique_ptr<archive, FreeReader>;

std::string text_or_empty(const char* text) { return text == nullptr ? std::string() : std::string(text); }

}  // namespace

// Two libarchive readers in a row: the first only decompresses, the second reads the tar format from
// the first one's blocks (no copy is made). So unpacked bytes can be counted, and the compressed data
// be read to its end, which a tar reader alone does not do.
struct TarReader::State {
  State(const Source& source_, ExpansionMeter& meter_, std::stop_token stop_)
      : source(source_), meter(meter_), stop(std::move(stop_)), buffer(input_buffer_size),
        plain(archive_read_new()), tar(archive_read_new()) {}

  const Source source;
  ExpansionMeter& meter;
  std::stop_token stop;
  std::vector<char> buffer;
  std::uint64_t consumed = 0;
  std::uint32_t crc = 0;
  std::exception_ptr failure;  // an exception that must not cross libarchive's C frames
  Reader plain, tar;
  bool plain_ended = false;

  la_ssize_t read_compressed(const void** out) {
    const std::uint64_t left = source.range.size - consumed;
    const auto size = static_cast<std::size_t>(std::min<std::uint64_t>(left, buffer.size()));
    source.file.read(source.range.offset + consumed, buffer.data(), size);
    consumed += size;
    if (source.crc) crc = crc32(crc, buffer.data(), size);
    *out = buffer.data();
    return static_cast<la_ssize_t>(size);
  }

  la_ssize_t read_plain(const void** out) {
    if (stop.stop_requested()) throw Error("unpacking was interrupted", ErrorKind::interrupted).at(source.file.path());
    *out = nullptr;
    if (plain_ended) return 0;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(plain.get(), out, &size, &offset);
    if (status == ARCHIVE_EOF) {
      plain_ended = true;
      return 0;
    }
    if (status != ARCHIVE_OK) fail(plain.get());
    meter.used += size;
    if (meter.used > meter.limit)
      throw_unsafe(source.file.path(), "*", "it unpacks to more than " + std::to_string(meter.limit) + " bytes");
    return static_cast<la_ssize_t>(size);
  }

  [[noreturn]] void fail(archive* reader) {
    if (failure) std::rethrow_exception(std::exchange(failure, nullptr));
    const std::string why = text_or_empty(archive_error_string(reader));
    throw_corrupt(source.file.path(), why.empty() ? "it cannot be read" : escape_control(why));
  }

  template <la_ssize_t (State::*Read)(const void**)>
  static la_ssize_t callback(archive* reader, void* self, const void** out) {
    auto* state = static_cast<State*>(self);
    try {
      return (state->*Read)(out);
    } catch (...) {
      state->failure = std::current_exception();
      archive_set_error(reader, EIO, "reading failed");
      return ARCHIVE_FATAL;
    }
  }
};

TarReader::TarReader(const Source& source, ExpansionMeter& meter, std::stop_token stop)
    : state_(std::make_unique<State>(source, meter, std::move(stop))) {
  archive* plain = state_->plain.get();
  archive* tar = state_->tar.get();
  if (plain == nullptr || tar == nullptr) throw std::bad_alloc();
  const bool zstd = source.compression == Compression::zstd;
  if (zstd) archive_read_support_filter_zstd(plain);
  else archive_read_support_filter_bzip2(plain);
  archive_read_support_format_raw(plain);
  archive_read_support_format_empty(plain);
  if (archive_read_open2(plain, state_.get(), nullptr, &State::callback<&State::read_compressed>, nullptr, nullptr) !=
      ARCHIVE_OK)
    state_->fail(plain);
  if (archive_filter_code(plain, 0) != (zstd ? ARCHIVE_FILTER_ZSTD : ARCHIVE_FILTER_BZIP2))
    throw_corrupt(source.file.path(), zstd ? "one of its parts is not zstd data" : "it is not bzip2 data");
  archive_entry* entry = nullptr;
  const int status = archive_read_next_header(plain, &entry);
  if (status == ARCHIVE_EOF) state_->plain_ended = true;
  else if (status != ARCHIVE_OK) state_->fail(plain);

  archive_read_support_format_tar(tar);
  archive_read_support_format_empty(tar);
  if (archive_read_open2(tar, state_.get(), nullptr, &State::callback<&State::read_plain>, nullptr, nullptr) != ARCHIVE_OK)
    state_->fail(tar);
}

TarReader::~TarReader() = default;

std::optional<TarMember> TarReader::next() {
  archive_entry* entry = nullptr;
  const int status = archive_read_next_header(state_->tar.get(), &entry);
  if (status == ARCHIVE_EOF) return std::nullopt;
  // ARCHIVE_WARN is about attributes that are not used here, or names outside of the locale's
  // character set, which come as the bytes that they are.
  if (status != ARCHIVE_OK && status != ARCHIVE_WARN) state_->fail(state_->tar.get());

  TarMember member;
  member.name = text_or_empty(archive_entry_pathname(entry));
  member.executable = (archive_entry_perm(entry) & 0111) != 0;
  member.mtime = archive_entry_mtime(entry);
  member.mtime_nanoseconds = archive_entry_mtime_nsec(entry);
  if (const char* target = archive_entry_hardlink(entry)) {
    member.type = TarMember::Type::hardlink;
    member.target = target;
    return member;
  }
  switch (archive_entry_filetype(entry)) {
    case AE_IFREG:
      member.type = TarMember::Type::file;
      if (archive_entry_size(entry) < 0) throw_corrupt(state_->source.file.path(), "a member has a negative size");
      member.size = static_cast<std::uint64_t>(archive_entry_size(entry));
      break;
    case AE_IFDIR:
      member.type = TarMember::Type::directory;
      break;
    case AE_IFLNK:
      member.type = TarMember::Type::symlink;
      member.target = text_or_empty(archive_entry_symlink(entry));
      break;
    default:
      member.type = TarMember::Type::special;
  }
  return member;
}

void TarReader::read_data(const std::function<void(std::uint64_t, std::string_view)>& sink) {
  while (true) {
    const void* data = nullptr;
    std::size_t size = 0;
    la_int64_t offset = 0;
    const int status = archive_read_data_block(state_->tar.get(), &data, &size, &offset);
    if (status == ARCHIVE_EOF) return;
    if (status != ARCHIVE_OK) state_->fail(state_->tar.get());
    if (size > 0) sink(static_cast<std::uint64_t>(offset), {static_cast<const char*>(data), size});
  }
}

void TarReader::finish() {
  // What follows the tar format's own end is padding; readers agree in ignoring it.
  const void* data = nullptr;
  while (state_->read_plain(&data) > 0) {
  }
  while (state_->consumed < state_->source.range.size) state_->read_compressed(&data);
  if (state_->source.crc && state_->crc != *state_->source.crc)
    throw_corrupt(state_->source.file.path(), "the checksum of one of its parts is wrong");
}

}  // namespace envtool
