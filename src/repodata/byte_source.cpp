#include "byte_source.hpp"

#include <unistd.h>
#include <zstd.h>

#include <cerrno>
#include <vector>

#include "envtool/base/error.hpp"
#include "envtool/base/text.hpp"

namespace envtool {

namespace {

// Real indices use windows of up to 8 MB (level 19: 8 MB, `--ultra`: 128 MB).
constexpr int max_window_log = 27;

struct ContextDeleter {
  void operator()(ZSTD_DCtx* context) const { ZSTD_freeDCtx(context); }
};

}  // namespace

struct ByteSource::Zstd {
  std::unique_ptr<ZSTD_DCtx, ContextDeleter> context{ZSTD_createDCtx()};
  std::vector<char> buffer = std::vector<char>(1 << 18);
  ZSTD_inBuffer input{nullptr, 0, 0};
  bool at_end = false;
  bool frame_open = false;
  bool output_pending = false;
};

ByteSource::ByteSource(FileDescriptor file, BodyForm form, std::string origin, std::uint64_t limit)
    : file_(std::move(file)), origin_(std::move(origin)), limit_(limit) {
  if (form == BodyForm::json) return;
  zstd_ = std::make_unique<Zstd>();
  if (!zstd_->context) throw std::bad_alloc();
  ZSTD_DCtx_setParameter(zstd_->context.get(), ZSTD_d_windowLogMax, max_window_log);
}

ByteSource::~ByteSource() = default;

std::size_t ByteSource::read(char* data, std::size_t size) {
  std::size_t count = 0;
  if (zstd_) {
    count = read_zstd(data, size);
  } else {
    ssize_t got = 0;
    do got = ::read(file_.get(), data, size);
    while (got < 0 && errno == EINTR);
    if (got < 0) throw system_error("cannot read channel index", errno).at(origin_);
    count = static_cast<std::size_t>(got);
    hasher_.update(data, count);
    stored_size_ += count;
  }
  decoded_size_ += count;
  if (decoded_size_ > limit_) {
    throw Error("channel index is too large", ErrorKind::unsafe)
        .at(origin_)
        .because("it is longer than " + with_thousands(limit_) + " bytes when decompressed");
  }
  return count;
}

bool ByteSource::refill() {
  ssize_t got = 0;
  do got = ::read(file_.get(), zstd_->buffer.data(), zstd_->buffer.size());
  while (got < 0 && errno == EINTR);
  if (got < 0) throw system_error("cannot read channel index", errno).at(origin_);
  const auto count = static_cast<std::size_t>(got);
  hasher_.update(zstd_->buffer.data(), count);
  stored_size_ += count;
  zstd_->input = {zstd_->buffer.data(), count, 0};
  return count > 0;
}

std::size_t ByteSource::read_zstd(char* data, std::size_t size) {
  ZSTD_outBuffer output{data, size, 0};
  while (output.pos < output.size && !zstd_->at_end) {
    if (zstd_->input.pos == zstd_->input.size && !zstd_->output_pending && !refill()) {
      if (zstd_->frame_open || stored_size_ == 0) {
        throw Error("channel index is cut short", ErrorKind::corrupt)
            .at(origin_)
            .because("its compressed data ends after " + with_thousands(stored_size_) + " bytes");
      }
      zstd_->at_end = true;
      break;
    }
    const std::size_t before = output.pos;
    const std::size_t state = ZSTD_decompressStream(zstd_->context.get(), &output, &zstd_->input);
    if (ZSTD_isError(state)) {
      const std::uint64_t place = stored_size_ - zstd_->input.size + zstd_->input.pos;
      throw Error("channel index is damaged", ErrorKind::corrupt)
          .at(origin_)
          .because("its compressed data is wrong near byte " + with_thousands(place) + " (" + ZSTD_getErrorName(state) + ")");
    }
    zstd_->frame_open = state != 0;
    // A full output may leave decoded bytes behind in the context.
    zstd_->output_pending = state != 0 && output.pos == output.size && output.pos > before;
  }
  return output.pos;
}

bool has_zstd_magic(std::string_view beginning) {
  // A skippable frame may come first: its magic is 50-5f 2a 4d 18.
  if (beginning.size() < 4) return false;
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(beginning[i]); };
  if (byte(0) == 0x28 && byte(1) == 0xb5 && byte(2) == 0x2f && byte(3) == 0xfd) return true;
  return (byte(0) & 0xf0) == 0x50 && byte(1) == 0x2a && byte(2) == 0x4d && byte(3) == 0x18;
}

}  // namespace envtool
