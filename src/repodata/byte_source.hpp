#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "envtool/base/digest.hpp"
#include "envtool/os/files.hpp"

namespace envtool {

/// How the bytes of a document are stored.
enum class BodyForm { json, json_zst, msgpack_zst };

/// Reads a document from a file, decompressing on the way, in pieces.
class ByteSource {
 public:
  /// `origin` names the document in errors. More than `limit` decoded bytes are an error.
  ByteSource(FileDescriptor file, BodyForm form, std::string origin, std::uint64_t limit);
  ~ByteSource();
  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;

  /// Fills up to `size` bytes; 0 at the end. Throws `Error` (corrupt) for damaged compression.
  std::size_t read(char* data, std::size_t size);
  /// Digest of the stored (not decompressed) bytes; after the end was reached.
  Sha256 stored_digest() { return hasher_.finish(); }
  std::uint64_t stored_size() const { return stored_size_; }
  const std::string& origin() const { return origin_; }

 private:
  struct Zstd;
  bool refill();
  std::size_t read_zstd(char* data, std::size_t size);

  FileDescriptor file_;
  std::string origin_;
  std::uint64_t limit_;
  std::uint64_t stored_size_ = 0, decoded_size_ = 0;
  Hasher<Sha256> hasher_;
  std::unique_ptr<Zstd> zstd_;
};

/// True when the text begins with a zstd frame's magic number.
bool has_zstd_magic(std::string_view beginning);

}  // namespace envtool
