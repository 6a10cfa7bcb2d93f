#include "compression.hpp"

#include <zstd.h>

#include <memory>
#include <new>

#include "envtool/base/error.hpp"

namespace envtool {
namespace {
struct FreeContext {
  void operator()(ZSTD_CCtx* context) const { ZSTD_freeCCtx(context); }
};
}  // namespace

std::string compress_zstd(std::string_view content, int level, std::size_t threads) {
  const std::unique_ptr<ZSTD_CCtx, FreeContext> context(ZSTD_createCCtx());
  if (!context) throw std::bad_alloc();
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_compressionLevel, level);
  ZSTD_CCtx_setParameter(context.get(), ZSTD_c_checksumFlag, 1);
  // Long content is cut into jobs of a fixed size as soon as there is a worker, hence one at least; a library
  // without threads refuses the parameter and works alone.
  constexpr std::size_t long_content = std::size_t{8} << 20;
  if (content.size() > long_content)
    ZSTD_CCtx_setParameter(context.get(), ZSTD_c_nbWorkers, static_cast<int>(threads == 0 ? 1 : threads));
  std::string packed(ZSTD_compressBound(content.size()), '\0');
  const std::size_t size = ZSTD_compress2(context.get(), packed.data(), packed.size(), content.data(), content.size());
  if (ZSTD_isError(size) != 0) throw Error("compression failed", ErrorKind::internal).because(ZSTD_getErrorName(size));
  packed.resize(size);
  return packed;
}

}  // namespace envtool
